"""Power cuts on ext4: recorder and outbox write to a card of their own, and its power goes at random moments.

What outlives a cut is what the card itself had been told to keep, plus any part of what lay in its cache
(`tests.fakes.bad_card`). Each such card is then put into a kit that has booted anew. Needs the right to mount.
"""

import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.chain import Kind
from edge.recorder.moment import read_clocks
from edge.spool import open_spool
from tests import mounting
from tests.fakes.bad_card import BadCard
from tests.fakes.cutting import decode_times_s
from tests.fakes.kit import Kit, make_kit
from tests.waiting import wait_until

CUTS = 6
OTHER_BOOT = "0f0f0f0f-0000-4000-8000-0f0f0f0f0f0f"


@dataclass
class Cut:
    """A card as the cut left it, and what had been acknowledged before."""

    image: Path
    segments: list[tuple[str, int]]
    entries: set[int]


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
def test_whatever_was_acknowledged_before_the_cut_is_whole_after_it(tmp_path, mount):
    card = BadCard(tmp_path / "bad")
    try:
        kit = make_kit(card.folder / "kit", segments={"seconds": 1, "pre_event_s": 0, "post_event_s": 0})
        subprocess.run(["sync", "--file-system", kit.folder], check=True)  # the kit was enrolled long before
        cuts = record_and_cut(kit, card, tmp_path)
    finally:
        card.close()
    survivors = [Kit(mount(cut.image) / "kit", kit.key, kit.root, kit.centre, kit.escrow) for cut in cuts]
    resume(survivors, tmp_path)
    for survivor, cut in zip(survivors, cuts, strict=True):
        check_survivor(survivor, cut)
    assert max(len(cut.segments) for cut in cuts) >= 3


def record_and_cut(kit, card, folder):
    """Record and queue positions; at random moments note what is acknowledged, then let the power go."""
    chance = random.Random(23)
    moments = sorted(chance.uniform(0.2, 5.0) for _ in range(CUTS))
    cuts, entries = [], set()
    with open_spool(kit.folder / "spool.db") as spool:
        spool.state.set("recording_wanted", {"on": True, "cause": "officer", "by": "button"})
        process = subprocess.Popen([sys.executable, "-m", "edge.recorder.main", "--config", str(kit.config)])
        try:
            wait_until(lambda: list_segments(spool), 30, "the first segment")
            began_ms = read_ms()
            while len(cuts) < CUTS:
                entries.add(spool.outbox.append("position", b'{"n":%d}' % len(entries)))
                time.sleep(0.02)  # the pace of the load: SQLite's lock is nobody's turn, and the recorder writes too
                if read_ms() - began_ms >= moments[len(cuts)] * 1000:
                    segments = list_segments(spool)
                    image = card.cut(folder / f"cut{len(cuts)}.img", seed=len(cuts))
                    cuts.append(Cut(image, segments, set(entries)))
        finally:
            process.kill()
            process.wait(5)
    return cuts


def read_ms():
    return read_clocks().monotonic_ms


def list_segments(spool):
    return spool._store.rows("SELECT recording_id, seq FROM segments")


def resume(kits, folder):
    """The kits boot with what their cards hold: the real recorder each, with a boot id of its own."""
    boot_file = folder / "boot_id"
    boot_file.write_text(OTHER_BOOT + "\n")
    processes = []
    for kit in kits:
        start = [sys.executable, "-m", "edge.recorder.main", "--config", str(kit.config)]
        script = f'mount --bind {boot_file} /proc/sys/kernel/random/boot_id && exec "$@"'
        processes.append(subprocess.Popen(["unshare", "--mount", "sh", "-c", script, "sh", *start]))
    try:
        for kit in kits:
            with open_spool(kit.folder / "spool.db") as spool:
                wait_until(lambda at=spool: len(list_recordings(at)) == 2, 60, "a second recording by itself")
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(30) for process in processes] == [0] * len(kits)


def list_recordings(spool):
    rows = spool._store.rows("SELECT recording_id FROM records WHERE seq = 0 ORDER BY rowid")
    return [row[0] for row in rows]


def check_survivor(kit, cut):
    with open_spool(kit.folder / "spool.db") as spool:
        for recording_id, seq in cut.segments:
            assert spool.vault.has_segment(recording_id, seq)
        assert cut.entries <= {entry.seq for entry in spool.outbox.pending(100_000, ["position"])}
        first, second = list_recordings(spool)
        records = kit.read_chain(spool, first)
        assert [record.cause for record in records[-2:]] == ["power_loss"] * 2
        assert kit.read_chain(spool, second)[0].extra["previous"][0] == bytes.fromhex(first)
        segments = [record for record in records if record.kind is Kind.SEGMENT]
        assert len(segments) >= len(cut.segments)
        for record in segments:
            assert len(decode_times_s(kit.open_segment(first, record.seq)[1])) == 25
        left = {path.name for path in (kit.vault / first).iterdir() if path.suffix != ".proxy"}
        assert left == {f"{record.seq:06d}.{kind}" for record in segments for kind in ("age", "rec")}
        assert spool.state.get("spool_set_aside") is None
