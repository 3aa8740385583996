import os
import sqlite3
import uuid

import msgspec
import pytest

from contract.categories import CATEGORIES
from contract.messages import Alarm, CommandReceipt, decode, encode
from contract.orders import RecordOrder, SosAck, Task, TaskRecall
from edge.options import PanelSettings
from edge.panel.feedback import count_out
from edge.panel.gestures import Act
from edge.panel.keepsake import Keepsake
from edge.panel.panel import Panel
from edge.spool import Doorbell, open_spool
from edge.spool.presses import UNSTORED_WORD
from edge.uplink.recording_orders import obey_record_order
from tests.fakes.hand import Clocks

BOOT = "b" * 32


class Watched:
    """Outputs that note, at each first sign to the officer, how many entries the outbox already held."""

    note = "felt in a test"

    def __init__(self, spool):
        self._spool = spool
        self.outbox_at_first_buzz = None

    def set_quiet(self, quiet):
        self.quiet = quiet

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
        return [entry["pattern"] for entry in self.panel.played]


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

    def test_a_second_one_is_recorded_to_its_own_end(self, bench):
        first = bench.panel.perform(Act.SOS, by="button")["alarm_id"]
        bench.spool.state.set("recorder_status", {"recording": True, "recording_id": uuid.uuid4().hex})
        bench.pass_time(60)
        second = bench.panel.perform(Act.SOS, by="button")["alarm_id"]
        obey_record_order(bench.spool, RecordOrder(cause="SOS", for_alarm=first), on=False)
        assert bench.spool.state.get("recording_wanted")["on"], "the second call is still open"
        obey_record_order(bench.spool, RecordOrder(cause="SOS", for_alarm=second), on=False)
        assert not bench.spool.state.get("recording_wanted")["on"]

    @pytest.mark.parametrize("act", [Act.RECORD_ON, Act.RECORD])
    def test_what_the_officer_wanted_by_himself_outlives_it(self, bench, act):
        """Switched on while the camera was still starting, or during the call: his own, and not the call's to end."""
        if act is Act.RECORD:
            bench.panel.perform(act, by="button")
        call = bench.panel.perform(Act.SOS, by="button")["alarm_id"]
        if act is Act.RECORD_ON:
            bench.panel.perform(act, by="button")
        assert bench.spool.state.get("recording_wanted")["alarm_id"] == call
        obey_record_order(bench.spool, RecordOrder(cause="SOS", for_alarm=call), on=False)
        wanted = bench.spool.state.get("recording_wanted")
        assert wanted["on"] and wanted["cause"] == "officer"
        bench.panel.perform(Act.RECORD_OFF, by="button")
        assert bench.spool.state.get("recording_wanted")["on"] is False

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

    def test_one_in_hand_outlives_its_panel_and_its_card(self, bench):
        with sqlite3.connect(bench.folder / "spool.db") as other:
            other.execute("CREATE TRIGGER refuse BEFORE INSERT ON outbox BEGIN SELECT RAISE(FAIL, 'no'); END")
        other.close()
        bench.panel.perform(Act.SOS, by="button")
        # The manager ends the panel and starts it anew, here on another card.
        bench.spool.close()
        for part in bench.folder.glob("spool.db*"):
            part.unlink()
        bench.spool = open_spool(bench.folder / "spool.db", boot=BOOT)
        bench.clocks.s += 60
        bench.panel = bench.make_panel()
        bench.pass_time(0.1)
        (alarm,) = bench.alarms()
        assert (alarm.kind, alarm.pressed_ms) == ("sos", 1_760_001_000_000)
        assert bench.patterns() == ["sos_sent"]
        Keepsake(bench.folder).put(alarm, "button")  # as after a kill right behind the commit
        bench.panel = bench.make_panel()
        bench.pass_time(3)
        assert len(bench.alarms()) == 1
        assert Keepsake(bench.folder).find() is None

    def test_what_another_user_left_under_its_name_is_no_sos(self, bench, tmp_path):
        keepsake = Keepsake(tmp_path / "elsewhere")
        keepsake.put(Alarm(alarm_id="a" * 32, kind="sos", pressed_ms=1), "button")
        assert keepsake.find() is not None
        assert keepsake._path.stat().st_mode & 0o077 == 0
        if os.getuid() == 0:
            os.chown(keepsake._path, 65534, 65534)
            assert keepsake.find() is None
        keepsake.drop()
        keepsake._path.symlink_to("/etc/hostname")
        assert keepsake.find() is None
        keepsake.drop()


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


class TestTasks:
    def order(self, bench, number, body, kind="task"):
        bench.spool.inbox.put(number, kind, encode(body), 1)

    def test_a_task_is_felt_and_reported_once_it_is_on_the_page(self, bench):
        self.order(bench, 1, Task(title="送达样例文书"))
        bench.panel.attend()
        assert bench.patterns() == [], "control has not put it yet"
        bench.spool.tasks.put(1, encode(Task(title="送达样例文书")), 1)
        bench.panel.attend()
        bench.panel.attend()
        assert bench.patterns() == ["task"]
        assert bench.receipts() == []
        bench.pass_time(3)
        assert [(told.number, told.state) for told in bench.receipts()] == [(1, "felt")]
        assert bench.spool.inbox.unhandled() == []

    def test_an_urgent_one_and_a_recall_feel_different(self, bench):
        task = Task(title="协助样例", urgency="most_urgent")
        self.order(bench, 1, task)
        bench.spool.tasks.put(1, encode(task), 1)
        bench.panel.attend()
        bench.pass_time(4)
        bench.spool.tasks.recall(1)
        self.order(bench, 2, TaskRecall(task=1, reason="样例"), kind="task_recall")
        bench.panel.attend()
        bench.pass_time(4)
        assert bench.patterns() == ["task_urgent", "task_recalled"]
        assert [told.state for told in bench.receipts()] == ["felt", "felt"]


class TestPage:
    def press(self, bench, act, value="", key=None):
        key = key or uuid.uuid4().hex
        bench.spool.presses.put(key, act, value)
        bench.panel.take_presses()
        return bench.spool.presses.find_answer(key)

    @pytest.fixture(autouse=True)
    def same_clock(self, bench, monkeypatch):
        monkeypatch.setattr("edge.spool.presses.read_boot_ms", bench.clocks.panel_clock().boot_ms)

    def test_switches_are_wishes_not_toggles(self, bench):
        assert [self.press(bench, "duty", "on")["duty"] for _ in range(2)] == [True, True]
        assert self.press(bench, "duty", "off") == {"done": "duty", "duty": False}
        assert self.press(bench, "record", "on")["recording_wanted"] is True
        assert self.press(bench, "record", "off")["recording_wanted"] is False

    def test_a_press_is_carried_out_once(self, bench):
        self.press(bench, "mark", key="k")
        self.press(bench, "mark", key="k")
        assert len(bench.alarms()) == 1

    def test_a_press_nobody_took_for_long_is_not_carried_out(self, bench):
        bench.spool.presses.put("k", "record", "on")
        bench.pass_time(11)
        bench.panel.take_presses()
        assert bench.spool.presses.find_answer("k")["code"] == "late"
        assert bench.spool.state.get("recording_wanted") is None

    def test_an_sos_nobody_took_for_long_is_sent_with_its_own_time(self, bench):
        bench.spool.presses.put("k", "sos")
        (press,) = bench.spool.presses.waiting()
        bench.pass_time(300)
        bench.panel.take_presses()
        (alarm,) = bench.alarms()
        assert (alarm.pressed_ms, alarm.boot_ms) == (press.at_ms, 1_000_000)

    @pytest.mark.parametrize("act", ["sos", "mark"])
    def test_a_panel_that_dies_between_press_and_answer_doubles_nothing(self, bench, monkeypatch, act):
        bench.spool.presses.put("k", act)
        monkeypatch.setattr(bench.spool.presses, "answer", lambda *_: (_ for _ in ()).throw(RuntimeError("dies")))
        with pytest.raises(RuntimeError, match="dies"):
            bench.panel.take_presses()
        durable = len(bench.alarms())
        assert bench.patterns() == ["sos_sent"][:durable], "nothing is felt that is not durable"
        assert durable == (1 if act == "sos" else 0), "a cry for help does not wait for its answer to be written"
        monkeypatch.undo()
        bench.clocks.s += 9 if act == "mark" else 60
        bench.panel = bench.make_panel()
        bench.panel.take_presses()
        assert len(bench.alarms()) == 1 and bench.spool.presses.find_answer("k")["done"] == act

    def test_one_that_was_stored_meanwhile_is_not_called_again(self, bench):
        bench.spool.presses.put("k", "sos")
        with sqlite3.connect(bench.folder / "spool.db") as other:
            other.execute("CREATE TRIGGER refuse BEFORE INSERT ON outbox BEGIN SELECT RAISE(FAIL, 'no'); END")
        bench.panel.take_presses()
        bench.pass_time(20)
        with other:
            other.execute("DROP TRIGGER refuse")
        other.close()
        bench.pass_time(2)
        assert len(bench.alarms()) == 1, "from memory"
        bench.panel.take_presses()
        assert len(bench.alarms()) == 1, "one press is one cry for help, however late it was stored"

    def test_a_card_that_fails_in_the_commit_keeps_no_sos_from_the_link(self, bench):
        """A full or dying card takes every row and fails in the end."""
        bench.spool.presses.put("k", "sos")
        connection = bench.spool._store.connection
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
            "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);"
            "CREATE TRIGGER orphan AFTER INSERT ON outbox BEGIN INSERT INTO child VALUES (1); END"
        )
        bell = Doorbell(bench.folder, "control")
        bench.panel.take_presses()
        assert bench.alarms() == [] and bell.wait(0)
        (word,) = bell.take_words()
        bell.close()
        assert word.startswith(UNSTORED_WORD), "it leaves from memory"
        told = decode(word[len(UNSTORED_WORD) :], Alarm)
        connection.execute("DROP TRIGGER orphan")
        bench.panel.take_presses()
        assert [alarm.alarm_id for alarm in bench.alarms()] == [told.alarm_id]

    def test_a_card_that_refuses_tries_on(self, bench):
        bench.spool.presses.put("k", "sos")
        with sqlite3.connect(bench.folder / "spool.db") as other:
            other.execute("CREATE TRIGGER refuse BEFORE INSERT ON outbox BEGIN SELECT RAISE(FAIL, 'no'); END")
        for _ in range(3):
            bench.panel.take_presses()
        assert bench.patterns() == ["fault"]
        assert bench.spool.presses.find_answer("k") is None
        with other:
            other.execute("DROP TRIGGER refuse")
        other.close()
        bench.panel.take_presses()
        bench.pass_time(3)
        assert len(bench.alarms()) == 1
        assert bench.spool.presses.find_answer("k")["alarm_id"] == bench.alarms()[0].alarm_id


class TestLocked:
    @pytest.mark.parametrize("act", [act for act in Act if act is not Act.SOS])
    def test_a_locked_kit_does_nothing_but_call_for_help(self, bench, act):
        bench.spool.state.set("lost", {"step": "locked", "since_ms": 1, "by": "样例", "reason": "遗失"})
        assert bench.panel.perform(act, by="button")["code"] == "locked"
        assert bench.alarms() == []
        assert bench.panel.perform(Act.SOS, by="button")["done"] == "sos"


class TestWheelAndQuiet:
    def test_holding_mark_turns_the_wheel_and_comes_round(self, bench):
        told = [bench.panel.perform(Act.MARK_HELD, by="button")["category"] for _ in range(len(CATEGORIES) + 2)]
        assert told == [*CATEGORIES, "", CATEGORIES[0]]
        assert bench.spool.state.get("category")["code"] == CATEGORIES[0]

    def test_the_place_can_be_counted_in_a_glove(self):
        assert [on_s for on_s, _ in count_out(7).steps] == [0.4, 0.1, 0.1]
        assert [on_s for on_s, _ in count_out(0).steps] == [0.8]

    def test_right_after_an_sos_holding_mark_is_meant_for_it(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        bench.pass_time(5)
        assert bench.panel.perform(Act.MARK_HELD, by="button")["done"] == "withdraw"
        bench.panel.perform(Act.SOS, by="button")
        bench.pass_time(30)
        assert bench.panel.perform(Act.MARK_HELD, by="button")["code"] == "withdraw_late"
        assert bench.spool.state.get("category") is None
        bench.pass_time(40)
        assert bench.panel.perform(Act.MARK_HELD, by="button")["done"] == "category"

    def test_a_mark_names_category_and_task(self, bench):
        bench.panel.perform(Act.CATEGORY, by="page", value=CATEGORIES[1])
        bench.spool.tasks.put(4, encode(Task(title="样例")), 1)
        bench.spool.tasks.answer(4, "accepted")
        bench.panel.perform(Act.MARK, by="button")
        (alarm,) = bench.alarms()
        assert (alarm.category, alarm.task) == (CATEGORIES[1], 4)

    def test_a_category_unknown_here_is_refused(self, bench):
        assert bench.panel.perform(Act.CATEGORY, by="page", value="parking")["code"] == "unknown_category"

    def test_quiet_mode_outlives_the_process(self, bench):
        assert bench.panel.perform(Act.QUIET, by="button") == {"done": "quiet", "quiet": True}
        assert bench.outputs.quiet is True
        bench.panel = bench.make_panel()
        bench.outputs.quiet = None
        bench.panel.attend()
        assert bench.outputs.quiet is True
        assert bench.panel.perform(Act.QUIET, by="button")["quiet"] is False


class TestOtherButtons:
    def test_record_turns_on_and_off(self, bench):
        assert bench.panel.perform(Act.RECORD, by="button")["recording_wanted"] is True
        assert bench.spool.state.get("recording_wanted") == {"on": True, "cause": "officer", "by": "button"}
        assert bench.panel.perform(Act.RECORD, by="button")["recording_wanted"] is False

    def test_sliding_on_does_not_restart_what_runs_for_an_sos(self, bench):
        bench.panel.perform(Act.SOS, by="button")
        wanted = bench.spool.state.get("recording_wanted")
        bench.panel.perform(Act.RECORD_ON, by="button")
        assert bench.spool.state.get("recording_wanted") == {**wanted, "own": "officer"}

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
