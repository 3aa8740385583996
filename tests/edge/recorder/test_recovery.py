import subprocess
import sys

import pytest

from contract.chain import Kind
from edge.recorder.moment import Moment
from edge.recorder.recovery import recover
from edge.spool import open_spool
from tests.edge.recorder.test_recording import RECORDING, begin
from tests.fakes.cutting import decode_times_s
from tests.fakes.dying_recorder import cut
from tests.fakes.kit import make_kit

NOW = Moment(1_760_000_060_000, 110_000)
# 1 opening, 1 folder, 3 segments of 6 steps, 1 end.
STEPS = 21


@pytest.mark.parametrize("die_at", range(1, STEPS + 1))
def test_death_before_any_durable_step_loses_at_most_the_open_segment(tmp_path, die_at):
    kit = make_kit(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.dying_recorder", kit.config, RECORDING, str(die_at)], check=False
    )
    assert done.returncode == 9
    with open_spool(kit.folder / "spool.db") as spool:
        found = recover(spool, kit.sign, NOW)
        records = kit.read_chain(spool, RECORDING)
        if die_at == 1:
            assert records == []
            return
        stored = [record for record in records if record.kind is Kind.SEGMENT]
        assert [record.kind for record in records] == [Kind.OPEN, *[Kind.SEGMENT] * len(stored), Kind.GAP, Kind.FINAL]
        assert [record.cause for record in records[-2:]] == ["crash", "crash"]
        # A segment counts from the moment that both its files are written: what the kernel holds outlives a kill.
        written = sum(die_at > 2 + 6 * index + 1 for index in range(3))
        assert len(stored) == written
        for record in stored:
            assert spool.vault.has_segment(RECORDING, record.seq)
            assert len(decode_times_s(kit.open_segment(RECORDING, record.seq)[1])) == 25
        left = {path.name for path in kit.vault.rglob("*") if path.is_file()}
        assert left == {f"{record.seq:06d}.{kind}" for record in stored for kind in ("age", "rec")}
        assert found.closed == [(RECORDING, "crash")]
        assert spool.outbox.count(["chain"]) == len(records)
        again = recover(spool, kit.sign, NOW)
        assert (again.segments, again.dropped, again.closed) == (0, 0, [])


class TestCauses:
    def leave_open(self, kit, boot):
        with open_spool(kit.folder / "spool.db", boot=boot) as spool:
            begin(kit, spool).add_segment(cut()[0], fix=None, priority=0)

    def test_another_boot_means_power_loss_timed_by_the_wall_clock(self, tmp_path):
        kit = make_kit(tmp_path)
        self.leave_open(kit, "a" * 32)
        with open_spool(kit.folder / "spool.db", boot="b" * 32) as spool:
            recover(spool, kit.sign, Moment(NOW.wall_ms, 4_000))
            gap, final = kit.read_chain(spool, RECORDING)[-2:]
        assert (gap.cause, final.cause) == ("power_loss", "power_loss")
        assert gap.started_ms + gap.duration_ms == NOW.wall_ms
        assert gap.extra == {"found_ms": NOW.wall_ms}

    def test_the_same_boot_means_a_crash_timed_by_the_monotonic_clock(self, tmp_path):
        kit = make_kit(tmp_path)
        self.leave_open(kit, "a" * 32)
        with open_spool(kit.folder / "spool.db", boot="a" * 32) as spool:
            recover(spool, kit.sign, Moment(NOW.wall_ms + 10**9, NOW.monotonic_ms))
            gap = kit.read_chain(spool, RECORDING)[-2]
        assert (gap.cause, gap.monotonic_ms + gap.duration_ms) == ("crash", NOW.monotonic_ms)

    def test_a_whole_file_without_row_does_not_make_a_crash_of_a_power_loss(self, tmp_path):
        kit = make_kit(tmp_path)
        self.leave_open(kit, "a" * 32)
        with open_spool(kit.folder / "spool.db", boot="a" * 32) as spool, spool.transaction() as db:
            db.execute("UPDATE segments SET receipt = x'00'")
            db.execute("DELETE FROM segments")
            db.execute("DELETE FROM records WHERE seq = 1")
        with open_spool(kit.folder / "spool.db", boot="b" * 32) as spool:
            found = recover(spool, kit.sign, Moment(NOW.wall_ms, 4_000))
            assert (found.segments, found.closed) == (1, [(RECORDING, "power_loss")])

    def test_a_clock_that_went_back_gives_no_negative_gap(self, tmp_path):
        kit = make_kit(tmp_path)
        self.leave_open(kit, "a" * 32)
        with open_spool(kit.folder / "spool.db", boot="b" * 32) as spool:
            recover(spool, kit.sign, Moment(1_000_000_000_000, 4_000))
            assert kit.read_chain(spool, RECORDING)[-2].duration_ms == 0


class TestLeftOvers:
    def test_a_changed_file_without_row_is_not_taken_for_genuine(self, tmp_path):
        kit = make_kit(tmp_path)
        subprocess.run([sys.executable, "-m", "tests.fakes.dying_recorder", kit.config, RECORDING, "8"], check=False)
        sealed = kit.vault / RECORDING / "000001.age"
        data = bytearray(sealed.read_bytes())
        data[-1] ^= 1
        sealed.write_bytes(data)
        with open_spool(kit.folder / "spool.db") as spool:
            found = recover(spool, kit.sign, NOW)
            assert (found.segments, found.dropped) == (0, 1)
            assert [record.kind for record in kit.read_chain(spool, RECORDING)] == [Kind.OPEN, Kind.GAP, Kind.FINAL]

    def test_foreign_files_are_left_alone(self, tmp_path):
        kit = make_kit(tmp_path)
        with open_spool(kit.folder / "spool.db") as spool:
            begin(kit, spool).add_segment(cut()[0], fix=None, priority=0)
            (kit.vault / RECORDING / "note.txt").write_text("x")
            (kit.vault / "ballast").write_bytes(b"x")
            assert recover(spool, kit.sign, NOW).dropped == 0
        assert (kit.vault / RECORDING / "note.txt").exists()

    def test_rows_lost_with_a_damaged_spool_come_back_from_the_files(self, tmp_path):
        kit = make_kit(tmp_path)
        with open_spool(kit.folder / "spool.db") as spool:
            recording = begin(kit, spool)
            for clear in cut():
                recording.add_segment(clear, fix=None, priority=0)
        for path in kit.folder.glob("spool.db*"):
            path.unlink()
        with open_spool(kit.folder / "spool.db") as spool:
            found = recover(spool, kit.sign, NOW)
            assert found.segments == 3
            assert spool.vault.count_pending() == 3
            assert spool.outbox.count(["chain"]) == 5

    def test_a_file_that_could_not_be_read_for_a_while_is_offered_again_and_a_changed_one_is_not(self, tmp_path):
        kit = make_kit(tmp_path)
        with open_spool(kit.folder / "spool.db") as spool:
            recording = begin(kit, spool)
            for clear in cut():
                recording.add_segment(clear, fix=None, priority=0)
            for seq in (1, 2):
                spool.vault.set_fault(RECORDING, seq, "the sealed file cannot be read (Input/output error)")
            sealed = spool.vault.segment_path(RECORDING, 2)
            data = bytearray(sealed.read_bytes())
            data[-1] ^= 1
            sealed.write_bytes(data)
            recover(spool, kit.sign, NOW)
            assert [seq for _, seq, _ in spool.vault.list_faults()] == [2]
            assert {row.seq for row in spool.vault.pending_segments(9)} == {1, 3}
