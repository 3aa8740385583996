import pytest

from edge.options import PanelSettings
from edge.panel import feedback
from edge.panel.feedback import GpioOutputs, Player
from tests.fakes.hand import Clocks, Pins

SETTINGS = PanelSettings(kind="gpio")


class Bench:
    def __init__(self, *, quiet=False):
        self.clocks, self.pins = Clocks(), Pins()
        settings = PanelSettings(kind="gpio", quiet=quiet)
        self.outputs = GpioOutputs(settings, pin_factory=self.pins.factory)
        self.player = Player(self.outputs)

    def play(self, pattern, done=None):
        self.player.play(pattern, self.clocks.s, done=done)

    def felt(self, pin, for_s):
        """Lengths of the pulses on a pin during the next seconds."""
        end_s, pulses, on_since = self.clocks.s + for_s, [], None
        while self.clocks.s < end_s:
            self.player.tick(self.clocks.s)
            if self.pins.is_on(pin) and on_since is None:
                on_since = self.clocks.s
            elif not self.pins.is_on(pin) and on_since is not None:
                pulses.append(round(self.clocks.s - on_since, 2))
                on_since = None
            self.clocks.s += 0.01
        return pulses


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.outputs.close()


def test_the_two_answers_feel_different(bench):
    bench.play(feedback.CENTRE_HAS_IT)
    received = bench.felt(SETTINGS.vibration_pin, 2)
    bench.play(feedback.PERSON_HAS_IT)
    acknowledged = bench.felt(SETTINGS.vibration_pin, 4)
    assert received == pytest.approx([0.2] * 2, abs=0.02)
    assert acknowledged == pytest.approx([0.6] * 3, abs=0.02)


def test_buzzer_sounds_with_the_vibration(bench):
    bench.play(feedback.SOS_SENT)
    assert len(bench.felt(SETTINGS.buzzer_pin, 2)) == 3


def test_quiet_mode_is_dark_and_silent_but_felt():
    bench = Bench(quiet=True)
    bench.player.set_steady(red=True, green=True)
    bench.play(feedback.PERSON_HAS_IT)
    assert bench.pins.is_on(SETTINGS.vibration_pin)
    assert not any(bench.pins.is_on(pin) for pin in (SETTINGS.buzzer_pin, SETTINGS.red_pin, SETTINGS.green_pin))
    bench.felt(SETTINGS.vibration_pin, 4)
    assert not bench.pins.is_on(SETTINGS.red_pin)
    bench.outputs.close()


def test_quiet_mode_turned_on_in_the_middle_of_a_pattern(bench):
    bench.player.set_steady(red=True, green=False)
    bench.play(feedback.PERSON_HAS_IT)
    assert bench.pins.is_on(SETTINGS.buzzer_pin)
    bench.outputs.set_quiet(True)
    assert bench.pins.is_on(SETTINGS.vibration_pin)
    assert not any(bench.pins.is_on(pin) for pin in (SETTINGS.buzzer_pin, SETTINGS.red_pin, SETTINGS.green_pin))
    assert "quiet" in bench.outputs.note
    bench.felt(SETTINGS.vibration_pin, 4)
    bench.outputs.set_quiet(False)
    assert bench.pins.is_on(SETTINGS.red_pin), "the steady light comes back by itself"


def test_done_is_told_only_when_it_was_felt_to_the_end(bench):
    told = []
    bench.play(feedback.PERSON_HAS_IT, done=lambda: told.append(bench.clocks.s))
    started = bench.clocks.s
    bench.felt(SETTINGS.vibration_pin, 2)
    assert told == []
    bench.felt(SETTINGS.vibration_pin, 1)
    assert told == [pytest.approx(started + 2.4, abs=0.02)]


def test_an_urgent_pattern_pushes_aside_but_a_promised_one_is_played_again(bench):
    told = []
    bench.play(feedback.PERSON_HAS_IT, done=lambda: told.append("felt"))
    bench.felt(SETTINGS.vibration_pin, 0.3)
    bench.play(feedback.SOS_SENT)
    pulses = bench.felt(SETTINGS.vibration_pin, 5)
    assert pulses == pytest.approx([0.08] * 3 + [0.6] * 3, abs=0.02)
    assert told == ["felt"]


def test_patterns_that_can_wait_come_one_after_another(bench):
    bench.play(feedback.RECORDING_ON)
    bench.play(feedback.MARKED)
    assert bench.felt(SETTINGS.vibration_pin, 1) == pytest.approx([0.15, 0.06], abs=0.02)


def test_lights_show_the_steady_state_between_patterns(bench):
    bench.player.set_steady(red=True, green=False)
    assert bench.pins.is_on(SETTINGS.red_pin)
    bench.play(feedback.MARKED)
    assert not bench.pins.is_on(SETTINGS.red_pin)
    assert bench.pins.is_on(SETTINGS.green_pin)
    bench.felt(SETTINGS.green_pin, 1)
    assert bench.pins.is_on(SETTINGS.red_pin)
    assert not bench.pins.is_on(SETTINGS.green_pin)
    assert bench.player.due_s is None
