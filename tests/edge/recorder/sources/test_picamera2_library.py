"""The picamera2 source on the real, unmodified picamera2 and libcamera's virtual camera, in a Debian trixie root.

Stand-ins for a Pi's hardware, all in `tests/roots/pi/`: memory for DMA heaps (dma_heap.c), no display (pykms.py), and
in virtual_camera.py two-plane buffers, the sensor's pace, the missing raw modes, and an encoder that withholds its
packets as the V4L2 one does. Sensor, ISP and V4L2 encoder themselves need a Pi.
"""

import itertools

import pytest

from contract import chain
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
    assert all(0.01 < after - before < 0.2 for before, after in itertools.pairwise(times_s))
    kinds = [record.kind for record in records]
    assert kinds == [chain.Kind.OPEN, chain.Kind.SEGMENT, chain.Kind.SEGMENT, chain.Kind.GAP, chain.Kind.FINAL]
