"""A power cut on ext4: the recorder's card is a file system of its own, and what had reached it is copied alive.

The copy of the image holds only what the kernel had written to the "card"; what was still in its memory is gone,
as it would be. Needs the right to mount.
"""

import shutil
import signal
import subprocess
import sys

import pytest

from contract.chain import Kind
from edge.recorder.moment import read_clocks
from edge.recorder.recovery import recover
from edge.spool import open_spool, ring
from tests import mounting
from tests.fakes.cutting import decode_times_s
from tests.fakes.kit import Kit, make_kit
from tests.waiting import wait_until

CUTS = 3


@pytest.fixture
def mount(tmp_path):
    mounted = []

    def make(image):
        place = tmp_path / f"{image.stem}.mounted"
        place.mkdir()
        mounting.mount("-o", "loop", image, place)
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "--lazy", place], check=False)


@pytest.mark.system
def test_what_was_stored_before_the_cut_is_whole_after_it(tmp_path, mount):
    image = tmp_path / "card.img"
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    card = mount(image)
    kit = make_kit(card / "kit", segments={"seconds": 1, "pre_event_s": 0})
    copies = record_and_copy(kit, image, tmp_path)
    for copy, stored in copies:
        survivor = Kit(mount(copy) / "kit", kit.key, kit.root, kit.centre, kit.escrow)
        check_survivor(survivor, stored)


def record_and_copy(kit, image, folder):
    """Record; a few times hold the process still, note what it had stored, and copy the card as it is."""
    command = [sys.executable, "-m", "edge.recorder.main", "--config", str(kit.config)]
    copies = []
    with open_spool(kit.folder / "spool.db") as spool:
        process = subprocess.Popen(command)
        try:
            spool.state.set("recording_wanted", {"on": True, "cause": "officer", "by": "button"})
            ring(kit.folder, "recorder")
            for number in range(1, CUTS + 1):
                wait_until(lambda at=number: count(spool) >= at * 2 - 1, 20)
                process.send_signal(signal.SIGSTOP)
                stored = spool._store.rows("SELECT recording_id, seq FROM segments")
                copy = folder / f"copy{number}.img"
                shutil.copyfile(image, copy)
                process.send_signal(signal.SIGCONT)
                copies.append((copy, stored))
        finally:
            process.kill()
            process.wait(5)
    return copies


def count(spool):
    return spool._store.value("SELECT COUNT(*) FROM segments")


def check_survivor(kit, stored):
    with open_spool(kit.folder / "spool.db", boot="f" * 32) as spool:
        recover(spool, kit.sign, read_clocks())
        for recording_id, seq in stored:
            assert spool.vault.has_segment(recording_id, seq)
        (recording_id,) = {recording_id for recording_id, _ in stored}
        records = kit.read_chain(spool, recording_id)
        assert [record.cause for record in records[-2:]] == ["power_loss"] * 2
        segments = [record for record in records if record.kind is Kind.SEGMENT]
        assert len(segments) >= len(stored)
        for record in segments:
            assert len(decode_times_s(kit.open_segment(recording_id, record.seq)[1])) == 25
        left = {path.name for path in (kit.vault / recording_id).iterdir()}
        assert left == {f"{record.seq:06d}.{kind}" for record in segments for kind in ("age", "rec")}
