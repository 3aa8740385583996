"""The officer feels that he is watched, asks to be, and talks while he holds the button."""

import msgspec
import pytest

from contract.messages import encode
from contract.orders import Instruction
from edge.options import PanelSettings
from edge.panel.buttons import TALK_HOLD_S, WATCH_TAPS_WITHIN_S, Buttons
from edge.panel.feedback import GpioOutputs
from edge.panel.gestures import Act
from edge.panel.panel import Panel
from edge.panel.watching import TOUCH_S, WINK_S
from edge.spool.talk import TO_CENTRE, VALID_MS, find_talk
from tests.edge.panel.test_panel import Bench
from tests.fakes.hand import Clocks, Pins

SESSION = {
    "session": "a" * 32,
    "number": 7,
    "by": "样例指挥长",
    "court": "样例中院",
    "purpose": "样例",
    "voice": "ptt",
}
WATCHER = {"name": "样例值班员", "court": "样例中院"}


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.spool.close()


def begin(bench, *more, **changes):
    bench.spool.state.set("live_sessions", [*more, {**SESSION, **changes}])
    bench.panel.attend()
    bench.pass_time(3)


def watch(bench, *watchers):
    bench.spool.state.set("live_status", {"connected": True, "watchers": list(watchers)})
    bench.panel.attend()


class TestSessions:
    def test_a_session_is_felt_once_and_told_as_felt(self, bench):
        begin(bench)
        bench.panel.attend()
        assert bench.patterns() == ["live_begun"]
        assert [(told.number, told.state, told.note) for told in bench.receipts()] == [(7, "felt", "felt in a test")]

    def test_a_panel_started_anew_repeats_nothing_that_was_felt(self, bench):
        begin(bench)
        bench.panel = bench.make_panel()
        bench.panel.attend()
        bench.pass_time(3)
        assert bench.patterns() == [] and len(bench.receipts()) == 1

    def test_one_killed_before_it_was_felt_lets_the_next_panel_tell_it(self, bench):
        bench.spool.state.set("live_sessions", [SESSION])
        bench.panel.attend()
        assert bench.receipts() == [], "played, but not yet to its end"
        bench.panel = bench.make_panel()
        bench.panel.attend()
        bench.pass_time(3)
        assert bench.patterns() == ["live_begun"] and len(bench.receipts()) == 1

    def test_the_end_is_felt_too_for_each_session(self, bench):
        begin(bench, {**SESSION, "session": "b" * 32, "number": 6})
        bench.spool.state.set("live_sessions", [SESSION])
        bench.panel.attend()
        bench.pass_time(3)
        bench.spool.state.set("live_sessions", [])
        bench.panel.attend()
        bench.pass_time(3)
        assert bench.patterns() == ["live_begun", "live_begun", "live_ended", "live_ended"]


class TestWatchers:
    def test_light_while_somebody_looks_and_none_before_or_after(self, bench):
        begin(bench)
        bench.pass_time(20)
        seen = Sensed(bench)
        bench.pass_time(12)
        assert seen.lights == 0, "in a session, but nobody looks"
        watch(bench, WATCHER)
        bench.pass_time(2)
        assert bench.patterns()[-1] == "watched"
        seen.lights = seen.buzzes = 0
        bench.pass_time(3 * WINK_S)
        assert seen.lights == 6 and seen.buzzes == 0, "a double wink each five seconds, without a sound"
        watch(bench)
        seen.lights = 0
        bench.pass_time(3 * WINK_S)
        assert seen.lights == 0

    def test_in_quiet_mode_a_touch_instead(self, bench):
        bench.spool.state.set("quiet", True)
        begin(bench)
        watch(bench, WATCHER)
        bench.pass_time(15)
        seen = Sensed(bench)
        bench.pass_time(2 * TOUCH_S)
        assert seen.buzzes == 2

    def test_who_looks_at_once_is_no_second_news(self, bench):
        begin(bench)
        watch(bench, WATCHER)
        bench.pass_time(3)
        assert bench.patterns() == ["live_begun"]

    def test_the_winks_cost_the_card_nothing(self, bench):
        begin(bench)
        watch(bench, WATCHER)
        bench.pass_time(5)
        before = bench.spool._store.connection.total_changes
        bench.pass_time(60)
        assert bench.spool._store.connection.total_changes == before


class Sensed:
    """Counts what the officer would see and feel from now on."""

    def __init__(self, bench):
        self.lights = self.buzzes = 0
        bench.outputs.set_light = self.set_light
        bench.outputs.set_buzz = self.set_buzz

    def set_light(self, _name, on):
        self.lights += on

    def set_buzz(self, on):
        self.buzzes += on


class TestWatchMe:
    def test_it_is_durable_before_it_is_felt_and_the_recording_is_wanted(self, bench):
        answer = bench.panel.perform(Act.WATCH_ME, by="button")
        (alarm,) = bench.alarms()
        assert (alarm.kind, alarm.alarm_id) == ("watch_me", answer["alarm_id"])
        assert bench.outputs.outbox_at_first_buzz == 1
        wanted = bench.spool.state.get("recording_wanted")
        assert wanted == {"on": True, "cause": "watch_me", "by": "button", "recording_id": alarm.recording_id}
        assert bench.spool.outbox.pending(5, ["alarm"])[0].urgent

    def test_a_recording_that_runs_goes_on_as_it_is(self, bench):
        bench.spool.state.set("recording_wanted", {"on": True, "cause": "officer", "by": "page"})
        bench.spool.state.set("recorder_status", {"recording": True, "recording_id": "c" * 32})
        bench.panel.perform(Act.WATCH_ME, by="page")
        assert bench.alarms()[0].recording_id == "c" * 32
        assert bench.spool.state.get("recording_wanted")["cause"] == "officer"
        bench.panel.perform(Act.WATCH_ME, by="page")
        assert bench.spool.state.get("recording_wanted")["on"], "taken back, but the officer's own goes on"

    def test_pressed_again_it_is_taken_back_under_its_id(self, bench):
        bench.panel.perform(Act.WATCH_ME, by="button")
        bench.panel.perform(Act.WATCH_ME, by="button")
        asked, withdrawn = bench.alarms()
        assert (withdrawn.kind, withdrawn.alarm_id) == ("watch_me_withdrawn", asked.alarm_id)
        assert bench.spool.state.get("watch_me") is None
        assert bench.spool.state.get("recording_wanted") == {"on": False, "cause": "officer", "by": "button"}

    def test_on_twice_is_one_and_off_without_any_is_refused(self, bench):
        first = bench.panel.perform(Act.WATCH_ME, by="page", value="on")
        again = bench.panel.perform(Act.WATCH_ME, by="page", value="on")
        assert again["alarm_id"] == first["alarm_id"] and len(bench.alarms()) == 1
        bench.panel.perform(Act.WATCH_ME, by="page", value="off")
        assert bench.panel.perform(Act.WATCH_ME, by="page", value="off")["code"] == "not_asked"

    def test_a_session_answers_it_and_its_end_ends_it(self, bench):
        bench.panel.perform(Act.WATCH_ME, by="button")
        begin(bench)
        assert bench.spool.state.get("watch_me")["taken"] == {
            "session": "a" * 32,
            "by": "样例指挥长",
            "court": "样例中院",
        }
        assert bench.panel.perform(Act.WATCH_ME, by="button")["code"] == "watch_taken"
        assert [alarm.kind for alarm in bench.alarms()] == ["watch_me"]
        bench.spool.state.set("live_sessions", [])
        bench.panel.attend()
        assert bench.spool.state.get("watch_me") is None
        assert bench.spool.state.get("recording_wanted") == {"on": False, "cause": "live", "by": "样例指挥长"}


class TestOrders:
    def test_one_is_felt_when_it_stands_on_the_page_and_not_before(self, bench):
        body = encode(Instruction(session="a" * 32, no=1, text="从北门进入。"))
        bench.spool.inbox.put(1, "instruct", body, 1)
        bench.panel.attend()
        assert bench.patterns() == []
        bench.spool.instructions.put(1, body, 1)
        bench.panel.attend()
        bench.pass_time(4)
        assert bench.patterns() == ["instruction"]
        assert [(told.number, told.state) for told in bench.receipts()] == [(1, "felt")]
        assert bench.spool.inbox.unhandled() == []


class TestTalk:
    def test_it_is_held_open_by_renewal_and_closes_by_itself(self, bench):
        begin(bench)
        assert bench.panel.perform(Act.TALK_ON, by="button")["talk"]
        first = find_talk(bench.spool, round(bench.clocks.s * 1000))
        assert first.to == TO_CENTRE and first.by == "button"
        changes = bench.spool._store.connection.total_changes
        bench.pass_time(2.5)
        assert bench.spool._store.connection.total_changes >= changes + 2, "renewed while it is held"
        assert find_talk(bench.spool, first.mono_ms + 10 * VALID_MS) is None, "a panel that was killed holds nothing"
        bench.panel.perform(Act.TALK_OFF, by="button")
        assert find_talk(bench.spool, round(bench.clocks.s * 1000)) is None
        changes = bench.spool._store.connection.total_changes
        bench.pass_time(2.5)
        assert bench.spool._store.connection.total_changes == changes

    def test_to_whom_the_page_has_chosen(self, bench):
        begin(bench)
        bench.spool.state.set("talk_to", {"id": "dl-2902-01"})
        bench.panel.perform(Act.TALK_ON, by="button")
        assert find_talk(bench.spool, round(bench.clocks.s * 1000)).to == "dl-2902-01"

    @pytest.mark.parametrize("sessions", [[], [{**SESSION, "voice": "off"}]])
    def test_without_a_session_with_voice_there_is_none(self, bench, sessions):
        bench.spool.state.set("live_sessions", sessions)
        assert bench.panel.perform(Act.TALK_ON, by="button")["code"] == "no_session"
        assert find_talk(bench.spool, round(bench.clocks.s * 1000)) is None

    def test_a_session_that_ends_under_the_held_button_ends_the_talk(self, bench):
        begin(bench)
        bench.panel.perform(Act.TALK_ON, by="button")
        bench.spool.state.set("live_sessions", [])
        bench.pass_time(1.5)
        assert bench.patterns()[-1] == "refused"
        assert find_talk(bench.spool, round(bench.clocks.s * 1000)) is None


class Hand:
    def __init__(self, spool, **settings):
        self.clocks, self.pins = Clocks(), Pins()
        self.settings = msgspec.structs.replace(PanelSettings(kind="gpio"), **settings)
        self.buttons = Buttons(self.settings, pin_factory=self.pins.factory, now_s=self.clocks.now_s)
        outputs = GpioOutputs(self.settings, pin_factory=self.pins.factory)
        self.panel = Panel(spool, self.settings, outputs, self.clocks.panel_clock())

    def step(self, seconds):
        acts = []
        for _ in range(round(seconds / 0.01)):
            self.clocks.s += 0.01
            acts += self.buttons.poll()
        return acts

    def press(self, pin, seconds):
        self.pins.press(pin)
        acts = self.step(seconds)
        self.pins.release(pin)
        return acts + self.step(0.1)


class TestButtons:
    @pytest.fixture
    def hand(self, tmp_path, bench):
        made = Hand(bench.spool)
        yield made
        made.buttons.close()

    def test_three_taps_on_sos_ask_to_be_watched_and_a_hold_is_still_a_cry_for_help(self, hand):
        pin = hand.settings.sos_pin
        assert [hand.press(pin, 0.15) for _ in range(3)] == [[], [], [Act.WATCH_ME]]
        assert hand.press(pin, 1.3) == [Act.SOS]
        assert [hand.press(pin, 0.15) for _ in range(2)] == [[], []]
        hand.step(WATCH_TAPS_WITHIN_S)
        assert hand.press(pin, 0.15) == [], "two taps and one much later are no three"
        hand.step(WATCH_TAPS_WITHIN_S)
        assert [hand.press(pin, 0.15), hand.press(pin, 0.15), hand.press(pin, 1.3)] == [[], [], [Act.SOS]]

    def test_in_a_session_the_mark_button_held_talks(self, hand):
        pin = hand.settings.mark_pin
        hand.buttons.set_talk(True)
        assert hand.press(pin, 0.2) == [Act.MARK]
        assert hand.press(pin, TALK_HOLD_S + 2) == [Act.TALK_ON, Act.TALK_OFF]
        hand.pins.press(pin)
        assert hand.step(1) == [Act.TALK_ON]
        hand.buttons.set_talk(False)
        hand.pins.release(pin)
        assert hand.step(0.2) == [Act.TALK_OFF], "the session ended under the finger"
        hand.buttons.set_talk(False)
        assert hand.press(pin, 1.5) == [Act.MARK_HELD]

    def test_a_talk_key_talks_at_once_and_leaves_the_mark_button_alone(self, bench):
        hand = Hand(bench.spool, talk_pin=23)
        hand.buttons.set_talk(True)
        assert hand.press(23, 0.3) == [Act.TALK_ON, Act.TALK_OFF]
        assert hand.press(hand.settings.mark_pin, 1.5) == [Act.MARK_HELD]
        hand.buttons.close()

    def test_a_mark_held_for_an_sos_just_pressed_is_still_its_withdrawal(self, bench):
        begin(bench)
        assert bench.panel.holds_talk
        bench.panel.perform(Act.SOS, by="button")
        assert not bench.panel.holds_talk
