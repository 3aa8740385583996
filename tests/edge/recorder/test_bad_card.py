"""A kit on a card that is slow, fails, turns read-only, is changed or is damaged: real manager, real file system.

The stand-in is the card alone (`tests.fakes.bad_card`). Needs the right to mount.
"""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from contract.chain import Kind
from edge.recorder.main import name_exit
from edge.restarts import (
    EXIT_CARD_FAILED,
    EXIT_CARD_READ_ONLY,
    EXIT_RESTART,
    EXIT_SPOOL_DAMAGED,
    QUICK_RESTARTS,
    RestartRule,
)
from edge.spool import SpoolCardError, SpoolDamagedError, open_spool
from tests.fakes.bad_card import BadCard
from tests.fakes.cutting import decode_times_s
from tests.fakes.kit import make_kit
from tests.waiting import wait_until

pytestmark = pytest.mark.system
PATIENCE_S = 60


class Running:
    """A manager over a sound recorder; the spool is opened for each look, for the card may be another by then."""

    def __init__(self, folder):
        self.kit = make_kit(folder, segments={"seconds": 1, "pre_event_s": 0, "post_event_s": 0})
        (folder / "failures.txt").write_text("")
        subprocess.run(["sync", "--file-system", folder], check=True)
        with open_spool(folder / "spool.db") as spool:
            spool.state.set("recording_wanted", {"on": True, "cause": "officer", "by": "button"})
        command = [sys.executable, "-m", "tests.fakes.failing_camera", "--kit", str(self.kit.config)]
        self.process = subprocess.Popen(command)

    def look(self, read):
        with open_spool(self.kit.folder / "spool.db", check=False) as spool:
            return read(spool)

    def recordings(self):
        rows = self.look(
            lambda spool: spool._store.rows("SELECT recording_id FROM records WHERE seq = 0 ORDER BY rowid")
        )
        return [row[0] for row in rows]

    def chain(self, recording_id):
        return self.look(lambda spool: self.kit.read_chain(spool, recording_id))

    def segments(self):
        return set(self.look(lambda spool: spool._store.rows("SELECT recording_id, seq FROM segments")))

    def state(self, key):
        return self.look(lambda spool: spool.state.get(key))

    def faults(self):
        entries = self.look(lambda spool: spool.outbox.pending(99, ["alarm"]))
        return [entry.body.partition(b'"note":"')[2].partition(b":")[0].decode() for entry in entries]

    def wait_segments(self, more_than):
        return wait_until(lambda: len(self.segments()) > more_than and self.segments(), PATIENCE_S, "segments")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def card(tmp_path):
    cards = []

    def make(**options):
        cards.append(BadCard(tmp_path / f"bad{len(cards)}", **options))
        return cards[-1]

    yield make
    for each in cards:
        each.close()


@pytest.fixture
def run():
    kits = []

    def make(folder, **options):
        kits.append(Running(folder, **options))
        return kits[-1]

    yield make
    for kit in kits:
        kit.stop()


def check_whole(running, segments):
    """Each of ``segments`` is there and opens."""
    assert segments <= running.segments()
    for recording_id, seq in segments:
        assert decode_times_s(running.kit.open_segment(recording_id, seq)[1])


def test_a_slow_card_is_told_and_costs_no_picture(card, run):
    bad = card()
    running = run(bad.folder / "kit")
    running.wait_segments(1)
    bad.be_slow(flush_s=0.25)
    wait_until(lambda: (running.state("card") or {}).get("state") == "slow", PATIENCE_S, "slow to be told")
    bad.mend()
    wait_until(lambda: running.state("card")["state"] == "ok", PATIENCE_S, "well again to be told")
    assert running.stop() == 0
    assert "card_slow" in running.faults()
    (recording_id,) = running.recordings()
    records = running.chain(recording_id)
    assert [record.kind for record in records] == [Kind.OPEN, *[Kind.SEGMENT] * (len(records) - 2), Kind.FINAL]
    assert sum(record.duration_ms for record in records) >= records[-1].monotonic_ms - records[0].monotonic_ms - 300


def test_a_card_that_fails_under_a_recording_and_is_put_in_anew(card, run):
    """ext4 turns the file system read-only at the first error; the recording goes on by itself once it is back."""
    bad = card(options="errors=remount-ro")
    running = run(bad.folder / "kit")
    stored = running.wait_segments(1)
    bad.fail()
    wait_until(lambda: cannot_write(bad.folder), PATIENCE_S, "the kernel to notice")
    wait_until(lambda: not is_recorder_alive(running), PATIENCE_S, "the recorder to end")
    assert running.process.poll() is None, "the manager waits for the card"
    bad.mend()
    bad.mount_anew()
    wait_until(lambda: len(running.recordings()) == 2 and len(running.segments()) > len(stored), PATIENCE_S, "again")
    assert running.stop() == 0
    first, second = running.recordings()
    gap, final = running.chain(first)[-2:]
    assert gap.cause == final.cause
    assert gap.cause in ("card_read_only", "card_failed")
    assert gap.cause in running.faults()
    assert running.chain(second)[0].extra["previous"][0] == bytes.fromhex(first)
    check_whole(running, stored)
    # On a machine with much else to write the new card is a slow one, and rightly called so.
    assert running.state("card")["state"] in ("ok", "slow")


def cannot_write(folder):
    try:
        handle = os.open(folder / "test", os.O_WRONLY | os.O_CREAT)
        try:
            os.write(handle, b"x")
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        return True
    return False


def is_recorder_alive(running):
    beat = (running.kit.folder / "beat.recorder").read_text().split()
    try:
        os.kill(int(beat[0]), 0)
    except ProcessLookupError:
        return False
    return True


def test_a_damaged_spool_is_set_aside_under_a_recording_and_nothing_sealed_is_lost(card, run):
    bad = card()
    running = run(bad.folder / "kit")
    stored = running.wait_segments(3)
    before = running.look(lambda spool: spool.id)
    damage(running)
    os.kill(int((running.kit.folder / "beat.recorder").read_text().split()[0]), signal.SIGKILL)
    wait_until(lambda: has_new_spool(running, before), PATIENCE_S, "a new spool")
    running.wait_segments(len(stored))
    assert running.stop() == 0
    assert running.state("spool_set_aside")["finding"]
    check_whole(running, stored)


def damage(running):
    """Bytes flip on the card in all pages but the first; what the journal held is in the file before."""
    path = running.kit.folder / "spool.db"
    with sqlite3.connect(path, timeout=10) as db:
        wait_until(lambda: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, 10)
    db.close()
    handle = os.open(path, os.O_WRONLY)
    try:
        for offset in range(4096, path.stat().st_size, 4096):
            os.pwrite(handle, b"\xa5" * 2048, offset)
    finally:
        os.close(handle)


def has_new_spool(running, before):
    try:
        return running.look(lambda spool: spool.id) != before
    except (sqlite3.DatabaseError, SpoolDamagedError):
        return False


class TestExit:
    def test_what_an_error_tells_the_manager(self, tmp_path):
        def of(error):
            return name_exit(error, tmp_path, otherwise=EXIT_RESTART)

        assert of(OSError(30, "read-only")) == EXIT_CARD_READ_ONLY
        assert of(OSError(5, "i/o")) == EXIT_CARD_FAILED
        assert of(SpoolCardError("x", "read_only")) == EXIT_CARD_READ_ONLY
        assert of(SpoolDamagedError("x")) == EXIT_SPOOL_DAMAGED
        assert of(sqlite3.DatabaseError("malformed")) == EXIT_SPOOL_DAMAGED
        assert of(sqlite3.OperationalError("locked")) == EXIT_RESTART
        assert of(OSError(13, "rights")) == EXIT_RESTART

    def test_pauses_grow_only_for_what_dies_young_again_and_again(self):
        rule = RestartRule()
        assert [rule.find_pause_s(75, 1.0) for _ in range(QUICK_RESTARTS)] == [0.0] * QUICK_RESTARTS
        assert [rule.find_pause_s(75, 1.0) for _ in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        assert rule.find_pause_s(-9, 60.0) == 0.0
        assert rule.find_pause_s(78, 60.0) == 30.0

    def test_what_the_card_kept_from_being_written_is_owed_until_it_is_told(self):
        rule = RestartRule()
        assert rule.find_pause_s(EXIT_CARD_READ_ONLY, 9.0) == 1.0
        assert rule.owed_cause == "card_read_only"
        assert rule.find_pause_s(EXIT_CARD_FAILED, 0.2) == 1.0
        assert rule.owed_cause == "card_failed"
        rule.find_pause_s(75, 9.0)
        assert rule.owed_cause == ""
