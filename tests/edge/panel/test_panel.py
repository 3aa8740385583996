import sqlite3
import uuid

import msgspec
import pytest

from contract.messages import Alarm, CommandReceipt, decode, encode
from contract.orders import SosAck
from edge.options import PanelSettings
from edge.panel.gestures import Act
from edge.panel.panel import Panel
from edge.spool import Doorbell, open_spool
from tests.fakes.hand import Clocks

BOOT = "b" * 32


class Watched:
    """Outputs that note, at each first sign to the officer, how many entries the outbox already held."""

    note = "felt in a test"

    def __init__(self, spool):
        self._spool = spool
        self.outbox_at_first_buzz = None

    def set_light(self, name, on):
        if on:
            self._sign()

    def set_buzz(self, on):
        if on:
            self._sign()

    def _sign(self):
        if self.outbox_at_first_buzz is None:
            with sqlite3.connect(self._spool.dir / "spool.db") as other:
                self.outbox_at_first_buzz = other.execute("SELECT COUNT(*) FROM outbox").fetchone()[0]
            other.close()

    def close(self):
        pass


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.clocks = Clocks()
        self.spool = open_spool(folder / "spool.db", boot=BOOT)
        self.outputs = Watched(self.spool)
        self.panel = self.make_panel()

    def make_panel(self):
        return Panel(self.spool, PanelSettings(), self.outputs, self.clocks.panel_clock())

    def alarms(self):
        return [decode(entry.body, Alarm) for entry in self.spool.outbox.pending(50, ["alarm"])]

    def receipts(self):
        return [decode(entry.body, CommandReceipt) for entry in self.spool.outbox.pending(50, ["receipt"])]

    def pass_time(self, seconds):
        end_s = self.clocks.s + seconds
        while self.clocks.s < end_s:
            self.clocks.s += 0.05
            self.panel.tick()

    def patterns(self):
        return [entry["pattern"] for entry in self.panel.describe()["felt"]]


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.spool.close()


class TestSos:
    def test_it_is_durable_before_the_officer_feels_anything(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        assert bench.outputs.outbox_at_first_buzz == 1
        assert bench.patterns() == ["sos_sent"]

    def test_it_leaves_first(self, bench):
        bench.spool.outbox.append("health", b"{}")
        bench.panel.perform(Act.SOS, by="button")
        first = bench.spool.outbox.pending(1)[0]
        assert (first.kind, first.urgent) == ("alarm", True)

    def test_it_carries_the_last_fix_and_both_times(self, bench):
        fix = {"lat": 25.6, "lon": 100.2, "fix_ms": 1_760_000_000_000, "boot": BOOT, "at_ms": 5}
        bench.spool.state.set("last_fix", fix)
        bench.panel.perform(Act.SOS, by="button")
        (alarm,) = bench.alarms()
        assert (alarm.fix.lat, alarm.fix.lon, alarm.fix.suspect) == (25.6, 100.2, "")
        assert (alarm.pressed_ms, alarm.boot_ms) == (1_760_001_000_000, 1_000_000)

    def test_an_old_fix_is_carried_and_says_so(self, bench):
        bench.spool.state.set("last_fix", {"lat": 25.6, "lon": 100.2, "boot": "0" * 32})
        bench.panel.perform(Act.SOS, by="button")
        assert bench.alarms()[0].fix.suspect == "known before the kit's restart"

    def test_a_malformed_fix_does_not_stop_it(self, bench):
        bench.spool.state.set("last_fix", {"lat": "north"})
        bench.panel.perform(Act.SOS, by="button")
        assert bench.alarms()[0].fix is None

    def test_it_starts_a_recording_that_the_alarm_already_names(self, bench):
        bell = Doorbell(bench.folder, "recorder")
        bench.panel.perform(Act.SOS, by="button")
        (alarm,) = bench.alarms()
        assert bench.spool.state.get("recording_wanted") == {
            "on": True,
            "cause": "sos",
            "by": "button",
            "recording_id": alarm.recording_id,
            "alarm_id": alarm.alarm_id,
        }
        assert bell.wait(0)
        bell.close()

    def test_a_running_recording_is_named_and_goes_on(self, bench):
        wanted = {"on": True, "cause": "officer", "by": "button"}
        bench.spool.state.set("recording_wanted", wanted)
        running = uuid.uuid4().hex
        bench.spool.state.set("recorder_status", {"recording": True, "recording_id": running})
        bench.panel.perform(Act.SOS, by="button")
        assert bench.alarms()[0].recording_id == running
        assert bench.spool.state.get("recording_wanted") == wanted

    def test_holding_again_at_once_is_the_same_cry(self, bench):
        first = bench.panel.perform(Act.SOS, by="button")
        bench.pass_time(5)
        again = bench.panel.perform(Act.SOS, by="button")
        assert again == {"done": "sos", "alarm_id": first["alarm_id"], "repeated": True}
        assert len(bench.alarms()) == 1
        assert bench.patterns() == ["sos_sent", "sos_sent"]

    def test_holding_again_later_is_a_new_one(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        bench.pass_time(11)
        bench.panel.perform(Act.SOS, by="button")
        assert len({alarm.alarm_id for alarm in bench.alarms()}) == 2

    def test_a_new_one_right_after_a_withdrawal_counts(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        bench.panel.perform(Act.WITHDRAW, by="button")
        bench.panel.perform(Act.SOS, by="button")
        assert [alarm.kind for alarm in bench.alarms()] == ["sos", "sos_withdrawn", "sos"]

    def test_a_card_that_refuses_it_is_tried_until_it_takes_it(self, bench):
        with sqlite3.connect(bench.folder / "spool.db") as other:
            other.execute("CREATE TRIGGER refuse BEFORE INSERT ON outbox BEGIN SELECT RAISE(FAIL, 'no'); END")
        answer = bench.panel.perform(Act.SOS, by="button")
        assert "refused" in answer
        assert bench.patterns() == ["fault"]
        pressed_ms = 1_760_001_000_000
        bench.pass_time(3)
        assert bench.alarms() == []
        with other:
            other.execute("DROP TRIGGER refuse")
        other.close()
        bench.pass_time(1.5)
        (alarm,) = bench.alarms()
        assert (alarm.kind, alarm.pressed_ms) == ("sos", pressed_ms)
        assert bench.patterns()[-1] == "sos_sent"
        bench.pass_time(3)
        assert len(bench.alarms()) == 1


class TestWithdrawal:
    def test_it_is_marked_and_erases_nothing(self, bench):
        pressed = bench.panel.perform(Act.SOS, by="button")
        bench.pass_time(9)
        bench.panel.perform(Act.WITHDRAW, by="button")
        kinds = [(alarm.kind, alarm.alarm_id) for alarm in bench.alarms()]
        assert kinds == [("sos", pressed["alarm_id"]), ("sos_withdrawn", pressed["alarm_id"])]
        assert bench.spool.state.get("sos")["withdrawn"] is True
        assert bench.spool.state.get("recording_wanted")["on"] is True

    def test_it_is_refused_after_ten_seconds(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        bench.pass_time(10.5)
        assert "within 10 s" in bench.panel.perform(Act.WITHDRAW, by="button")["refused"]
        assert len(bench.alarms()) == 1

    def test_a_step_of_the_wall_clock_does_not_close_the_window(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        bench.clocks.wall_offset_ms += 3_600_000
        bench.pass_time(3)
        assert bench.panel.perform(Act.WITHDRAW, by="button")["done"] == "withdraw"

    def test_without_an_sos_there_is_nothing_to_withdraw(self, bench):
        assert "refused" in bench.panel.perform(Act.WITHDRAW, by="button")
        assert bench.alarms() == []


class TestAnswers:
    def acknowledge(self, bench, alarm_id, number=7):
        body = encode(SosAck(alarm_id=alarm_id, by="样例值班员", at_ms=1_760_001_002_000))
        bench.spool.inbox.put(number, "sos_ack", body, 1_760_001_002_000)

    def test_the_centres_receipt_is_felt_once(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        bench.panel.attend()
        assert bench.patterns() == ["sos_sent"]
        bench.spool.state.change("sos", lambda sos: {**sos, "receipted": True})
        bench.panel.attend()
        bench.panel.attend()
        assert bench.patterns() == ["sos_sent", "centre_has_it"]

    def test_an_acknowledgement_is_reported_as_felt_after_it_was_felt(self, bench):
        pressed = bench.panel.perform(Act.SOS, by="button")
        self.acknowledge(bench, pressed["alarm_id"])
        bench.panel.attend()
        assert bench.patterns()[-1] == "person_has_it"
        bench.pass_time(1)
        assert bench.receipts() == []
        bench.pass_time(3)
        (receipt,) = bench.receipts()
        assert (receipt.number, receipt.state, receipt.note) == (7, "felt", "felt in a test")
        bench.panel.attend()
        bench.pass_time(3)
        assert len(bench.receipts()) == 1

    def test_a_panel_that_dies_while_buzzing_buzzes_again(self, bench):
        pressed = bench.panel.perform(Act.SOS, by="button")
        self.acknowledge(bench, pressed["alarm_id"])
        bench.panel.attend()
        bench.pass_time(1)
        bench.panel = bench.make_panel()
        bench.panel.attend()
        bench.pass_time(4)
        assert [receipt.state for receipt in bench.receipts()] == ["felt"]

    def test_a_restart_does_not_repeat_the_centres_receipt(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        bench.spool.state.change("sos", lambda sos: {**sos, "receipted": True})
        bench.panel.attend()
        bench.panel = bench.make_panel()
        bench.panel.attend()
        assert bench.patterns() == []

    def test_an_acknowledgement_that_cannot_be_read_is_refused_for_good(self, bench):
        bench.spool.inbox.put(3, "sos_ack", b'{"alarm_id": 5}', 1)
        bench.panel.attend()
        assert [(receipt.number, receipt.state) for receipt in bench.receipts()] == [(3, "failed")]
        assert bench.spool.inbox.unhandled() == []


class TestOtherButtons:
    def test_record_turns_on_and_off(self, bench):
        assert bench.panel.perform(Act.RECORD, by="button")["recording_wanted"] is True
        assert bench.spool.state.get("recording_wanted") == {"on": True, "cause": "officer", "by": "button"}
        assert bench.panel.perform(Act.RECORD, by="button")["recording_wanted"] is False

    def test_sliding_on_does_not_restart_what_runs_for_an_sos(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        wanted = bench.spool.state.get("recording_wanted")
        bench.panel.perform(Act.RECORD_ON, by="button")
        assert bench.spool.state.get("recording_wanted") == wanted

    def test_a_mark_names_the_recording(self, bench):
        running = uuid.uuid4().hex
        bench.spool.state.set("recorder_status", {"recording": True, "recording_id": running})
        bench.panel.perform(Act.MARK, by="button")
        (alarm,) = bench.alarms()
        assert (alarm.kind, alarm.recording_id) == ("mark", running)
        assert bench.spool.state.get("mark") == {"at_ms": alarm.pressed_ms, "recording_id": running}

    def test_duty_is_the_officers_to_end(self, bench):
        assert bench.panel.perform(Act.DUTY, by="button") == {"done": "duty", "duty": True}
        assert bench.panel.perform(Act.DUTY, by="button") == {"done": "duty", "duty": False}
        assert bench.spool.state.get("duty") is False


def test_every_alarm_is_one_the_centre_accepts(bench):
    for act in (Act.SOS, Act.WITHDRAW, Act.MARK):
        bench.panel.perform(act, by="button")
    for entry in bench.spool.outbox.pending(50, ["alarm"]):
        assert msgspec.json.decode(entry.body, type=Alarm).pressed_ms > 0
