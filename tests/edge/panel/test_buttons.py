import pytest

from edge.options import PanelSettings
from edge.panel.buttons import Buttons
from edge.panel.gestures import Act
from tests.fakes.hand import Clocks, Pins

SETTINGS = PanelSettings(kind="gpio")


@pytest.fixture
def hand():
    return Clocks(), Pins()


def make(hand, **options):
    clocks, pins = hand
    woken = []
    settings = PanelSettings(kind="gpio", **options)
    return Buttons(settings, pin_factory=pins.factory, now_s=clocks.now_s, wake=lambda: woken.append(1)), woken


def pass_time(clocks, buttons, until_s, step_s=0.01):
    acts = []
    while clocks.s < until_s:
        clocks.s = round(clocks.s + step_s, 3)
        acts += [(act, clocks.s) for act in buttons.poll()]
    return acts


def test_sos_is_held_for_a_second(hand):
    clocks, pins = hand
    buttons, woken = make(hand)
    pins.press(SETTINGS.sos_pin)
    assert woken
    acts = pass_time(clocks, buttons, 1003.0)
    assert [act for act, _ in acts] == [Act.SOS]
    assert acts[0][1] == pytest.approx(1001.0, abs=0.02)
    buttons.close()


def test_bounces_do_not_restart_the_second(hand):
    clocks, pins = hand
    buttons, _ = make(hand)
    for _ in range(4):
        pins.press(SETTINGS.sos_pin)
        clocks.s += 0.003
        pins.release(SETTINGS.sos_pin)
        clocks.s += 0.003
    pins.press(SETTINGS.sos_pin)
    acts = pass_time(clocks, buttons, 1003.0)
    assert [act for act, _ in acts] == [Act.SOS]
    assert acts[0][1] < 1001.05
    buttons.close()


def test_a_brush_against_sos_is_nothing(hand):
    clocks, pins = hand
    buttons, _ = make(hand)
    pins.press(SETTINGS.sos_pin)
    assert pass_time(clocks, buttons, 1000.7) == []
    pins.release(SETTINGS.sos_pin)
    assert pass_time(clocks, buttons, 1003.0) == []
    buttons.close()


@pytest.mark.parametrize(
    ("pin", "held_s", "act"),
    [
        (SETTINGS.mark_pin, 0.2, Act.MARK),
        (SETTINGS.mark_pin, 1.2, Act.MARK_HELD),
        (SETTINGS.mark_pin, 3.2, Act.QUIET),
        (SETTINGS.record_pin, 0.3, Act.RECORD),
        (SETTINGS.record_pin, 2.2, Act.DUTY),
    ],
)
def test_what_the_buttons_mean(hand, pin, held_s, act):
    clocks, pins = hand
    buttons, _ = make(hand)
    pins.press(pin)
    acts = pass_time(clocks, buttons, 1000.0 + held_s)
    pins.release(pin)
    acts += pass_time(clocks, buttons, 1005.0)
    assert [found for found, _ in acts] == [act]
    buttons.close()


def test_a_slide_switch_left_on_counts_from_the_start(hand):
    clocks, pins = hand
    buttons, _ = make(hand, record_switch="slide")
    pins.press(SETTINGS.record_pin)
    assert [act for act, _ in pass_time(clocks, buttons, 1001.0)] == [Act.RECORD_ON]
    pins.release(SETTINGS.record_pin)
    assert [act for act, _ in pass_time(clocks, buttons, 1002.0)] == [Act.RECORD_OFF]
    buttons.close()


def test_two_buttons_at_once(hand):
    clocks, pins = hand
    buttons, _ = make(hand)
    pins.press(SETTINGS.sos_pin)
    pins.press(SETTINGS.record_pin)
    acts = pass_time(clocks, buttons, 1000.5)
    pins.release(SETTINGS.record_pin)
    acts += pass_time(clocks, buttons, 1002.0)
    assert {act for act, _ in acts} == {Act.SOS, Act.RECORD}
    buttons.close()


def test_at_rest_nothing_is_due(hand):
    clocks, pins = hand
    buttons, _ = make(hand)
    pass_time(clocks, buttons, 1000.1)
    assert buttons.due_s is None
    pins.press(SETTINGS.sos_pin)
    buttons.poll()
    assert buttons.due_s == pytest.approx(clocks.s + SETTINGS.debounce_s)
    buttons.close()
