"""The picamera2 source on the real, unmodified picamera2 and libcamera's virtual camera, in a Debian trixie root.

Stand-ins for a Pi's hardware, all in `tests/roots/pi/`: memory for DMA heaps (dma_heap.c), no display (pykms.py), and
in virtual_camera.py two-plane buffers, the sensor's pace, the missing raw modes, and an encoder that withholds its
packets as the V4L2 one does. Sensor, ISP and V4L2 encoder themselves need a Pi.
"""

import itertools
from datetime import datetime

import pytest

from contract import chain
from edge.spool import open_spool
from edge.spool.store import read_boot_ms
from tests.fakes.cutting import decode_times_s
from tests.fakes.kit import KIT_ID
from tests.fakes.stamps import read_stamp
from tests.roots.needs import require_root_tools
from tests.roots.pi_kit import FPS, SIZE, PiKit
from tests.roots.picamera2_root import keep_picamera2_root
from tests.waiting import wait_until

# The first run on a machine makes the root; later ones find it kept.
pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

STALL_EXIT = 75
PICTURES = 70


@pytest.fixture(scope="module")
def root():
    require_root_tools("debootstrap", "unshare", "chroot")
    return keep_picamera2_root()


def record_until_silent(pi, frames=PICTURES):
    process = pi.start(frames=frames)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == STALL_EXIT, said
    return said


@pytest.mark.parametrize(
    ("hardware", "encoder"),
    [("no", "CountingEncoder"), ("yes", "PacketlessEncoder")],
    ids=["packet given", "packet None"],
)
def test_every_encoded_picture_is_sealed_and_decodes(root, tmp_path, hardware, encoder):
    pi = PiKit(root, tmp_path, camera={"hardware": hardware})
    said = record_until_silent(pi)
    assert "the recorder starts anew" in said or "gave no picture" in said
    assert pi.encoder() == {"encoder": encoder, "given": PICTURES}
    ((recording_id, records),) = pi.recordings().items()
    segments = pi.pictures(recording_id)
    assert [len(pictures) for pictures in segments] == [2 * FPS, PICTURES - 2 * FPS]
    assert all(pictures[0].key_frame for pictures in segments)
    assert {(picture.width, picture.height) for picture in itertools.chain(*segments)} == {SIZE}
    times_s = [picture.time for picture in itertools.chain(*segments)]
    assert all(before < after for before, after in itertools.pairwise(times_s))
    assert records[0].extra["watermark"] is True
    kinds = [record.kind for record in records]
    assert kinds == [chain.Kind.OPEN, chain.Kind.SEGMENT, chain.Kind.SEGMENT, chain.Kind.GAP, chain.Kind.FINAL]


def test_killed_and_started_again_it_records_on_and_states_the_gap(root, tmp_path):
    pi = PiKit(root, tmp_path)
    process = pi.start()
    wait_until(lambda: pi.stored() >= 1, timeout_s=30, what="a sealed segment")
    process.kill()
    process.communicate(timeout=10)
    before = pi.stored()
    record_until_silent(pi)
    first, second = pi.recordings().values()
    assert [record.kind for record in first[-2:]] == [chain.Kind.GAP, chain.Kind.FINAL]
    assert first[-2].cause == "crash"
    assert sum(record.kind is chain.Kind.SEGMENT for record in first) == before
    first_id, second_id = pi.recordings()
    assert second[0].extra["previous"][0] == bytes.fromhex(first_id)
    assert sum(map(len, pi.pictures(second_id))) == PICTURES == pi.encoder()["given"]


def test_sound_comes_through_the_librarys_own_thread(root, tmp_path):
    # No microphone here: libav's own tone at a microphone's pace, by the option that names the microphone.
    pi = PiKit(root, tmp_path, camera={"audio": True, "microphone": "lavfi:sine=frequency=880,arealtime"})
    record_until_silent(pi)
    (recording_id,) = pi.recordings()
    heard_s = [time_s for sealed in pi.clear_segments(recording_id) for time_s in decode_times_s(sealed, "audio")]
    assert heard_s[-1] - heard_s[0] > 1.5
    assert all(0.015 < after - before < 0.03 for before, after in itertools.pairwise(heard_s))


def test_kit_officer_and_position_stand_in_the_picture(root, tmp_path):
    pi = PiKit(root, tmp_path, camera={"bitrate_bps": 4_000_000}, kit={"id": KIT_ID, "officer_no": "530123"})
    with open_spool(pi.kit.settings().spool_path) as spool:
        boot_ms = read_boot_ms()
        facts = {"lat": 25.03892, "lon": 102.71832, "accuracy_m": 5, "monotonic_ms": boot_ms, "boot": spool.boot}
        spool.state.set("last_fix", facts)
    record_until_silent(pi, frames=30)
    (recording_id,) = pi.recordings()
    picture = pi.pictures(recording_id)[-1][-1]
    assert read_stamp(picture, lines=3)[0].startswith(f"{KIT_ID.upper()} NO.530123")
    assert read_stamp(picture, lines=3)[2].startswith("N25.03892 E102.71832 +-5 M")
    begun_ms = pi.recordings()[recording_id][0].started_ms
    told = datetime.strptime(read_stamp(picture, lines=3)[1].strip(), "%Y-%m-%d %H:%M:%S %z")
    assert abs(told.timestamp() - begun_ms / 1000) < 5


def test_a_camera_that_stops_delivering_while_it_says_that_it_runs_is_a_stall(root, tmp_path):
    told, _ = PiKit(root, tmp_path).run("tests.roots.pi.stall").communicate(timeout=60)
    assert told.splitlines()[-1] == "30 SourceStalledError"
