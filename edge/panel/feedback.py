"""What the officer feels, hears and sees: patterns for light, buzzer and vibration, and a quiet mode."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from edge.options import PanelSettings


@dataclass(frozen=True, slots=True)
class Pattern:
    """``steps`` are (on, off) seconds. ``urgent``: pushes aside what is playing; without ``buzz``: light alone."""

    name: str
    light: str
    steps: tuple[tuple[float, float], ...]
    urgent: bool = False
    buzz: bool = True


SOS_SENT: Final = Pattern("sos_sent", "red", ((0.08, 0.08),) * 3, urgent=True)
CENTRE_HAS_IT: Final = Pattern("centre_has_it", "red", ((0.2, 0.15),) * 2, urgent=True)
PERSON_HAS_IT: Final = Pattern("person_has_it", "green", ((0.6, 0.2),) * 3, urgent=True)
WITHDRAWN: Final = Pattern("withdrawn", "red", ((0.5, 0.1),))
MARKED: Final = Pattern("marked", "green", ((0.06, 0.06),))
RECORDING_ON: Final = Pattern("recording_on", "red", ((0.15, 0.1),))
RECORDING_OFF: Final = Pattern("recording_off", "red", ((0.15, 0.1),) * 2)
DUTY_ON: Final = Pattern("duty_on", "green", ((0.15, 0.1),))
DUTY_OFF: Final = Pattern("duty_off", "green", ((0.15, 0.1),) * 2)
QUIET_ON: Final = Pattern("quiet_on", "green", ((0.3, 0.1),))
QUIET_OFF: Final = Pattern("quiet_off", "green", ((0.3, 0.1),) * 2)
TASK: Final = Pattern("task", "green", ((0.3, 0.15), (0.1, 0.15)) * 2)
TASK_URGENT: Final = Pattern("task_urgent", "green", ((0.3, 0.1), (0.1, 0.1)) * 4)
TASK_RECALLED: Final = Pattern("task_recalled", "red", ((0.1, 0.15), (0.3, 0.15)) * 2)
LITTLE_ROOM: Final = Pattern("little_room", "red", ((0.1, 0.1), (0.4, 0.2)) * 2)
RECORDING_LOST: Final = Pattern("recording_lost", "red", ((1.0, 0.3),) * 3, urgent=True)
# A session of remote command begins, somebody looks (again), the session has ended.
LIVE_BEGUN: Final = Pattern("live_begun", "red", ((0.5, 0.15), (0.15, 0.15), (0.5, 0.15)))
WATCHED: Final = Pattern("watched", "red", ((0.15, 0.1), (0.5, 0.1)))
LIVE_ENDED: Final = Pattern("live_ended", "green", ((0.15, 0.15), (0.5, 0.15), (0.15, 0.15)))
# While somebody looks: a wink of the light, or in quiet mode a touch.
WATCHED_WINK: Final = Pattern("watched_wink", "green", ((0.08, 0.12),) * 2, buzz=False)
WATCHED_TOUCH: Final = Pattern("watched_touch", "green", ((0.05, 0.0),))
INSTRUCTION: Final = Pattern("instruction", "green", ((0.1, 0.1), (0.1, 0.1), (0.5, 0.15)) * 2)
WATCH_ASKED: Final = Pattern("watch_asked", "green", ((0.08, 0.08), (0.4, 0.1)))
WATCH_WITHDRAWN: Final = Pattern("watch_withdrawn", "green", ((0.4, 0.1), (0.08, 0.08)))
FAULT: Final = Pattern("fault", "red", ((0.05, 0.05),) * 6)
REFUSED: Final = Pattern("refused", "red", ((0.4, 0.1),))


def count_out(place: int) -> Pattern:
    """The pattern of a place on the wheel, to be counted with a hand in a glove: long for five, short for one."""
    fives, ones = divmod(place, 5)
    return Pattern("category", "green", ((0.4, 0.2),) * fives + ((0.1, 0.2),) * ones or ((0.8, 0.1),))


class Outputs(Protocol):
    """Where patterns go."""

    @property
    def note(self) -> str:
        """By what the officer could feel it."""
        ...

    def set_quiet(self, quiet: bool) -> None:
        """Quiet mode: no light, no sound; vibration goes on."""
        ...

    def set_light(self, name: str, on: bool) -> None:
        """``name`` is red or green."""
        ...

    def set_buzz(self, on: bool) -> None:
        """Sound and vibration, or vibration alone in quiet mode."""
        ...

    def close(self) -> None:
        """Let go of the pins."""
        ...


class GpioOutputs:
    """LEDs, buzzer and vibration motor on GPIO pins."""

    def __init__(self, settings: PanelSettings, *, pin_factory: Any = None) -> None:
        from gpiozero import DigitalOutputDevice

        def make(pin: int) -> Any:
            return DigitalOutputDevice(pin, pin_factory=pin_factory)

        self._lights = {"red": make(settings.red_pin), "green": make(settings.green_pin)}
        self._vibration = make(settings.vibration_pin)
        self._buzzer = make(settings.buzzer_pin)
        self._lit = dict.fromkeys(self._lights, False)
        self._buzzing = False
        self._quiet = settings.quiet

    @property
    def note(self) -> str:
        """By what the officer could feel it."""
        return "vibration only (quiet mode)" if self._quiet else "sound, light and vibration"

    def set_quiet(self, quiet: bool) -> None:
        """Takes effect at once, also in the middle of a pattern."""
        if quiet == self._quiet:
            return
        self._quiet = quiet
        for name, on in self._lit.items():
            self.set_light(name, on)
        self.set_buzz(self._buzzing)

    def set_light(self, name: str, on: bool) -> None:
        """In quiet mode all lights stay dark: they give an officer away as much as a sound does."""
        self._lit[name] = on
        self._lights[name].value = on and not self._quiet

    def set_buzz(self, on: bool) -> None:
        """Vibration always, sound unless quiet."""
        self._buzzing = on
        self._vibration.value = on
        self._buzzer.value = on and not self._quiet

    def close(self) -> None:
        """Everything off."""
        for device in (*self._lights.values(), self._vibration, self._buzzer):
            device.close()


class NoOutputs:
    """No pins: only the officer's page shows what would be felt, and the receipt to the centre says so."""

    note = "shown on the officer's page; this kit has no buzzer"

    def set_quiet(self, quiet: bool) -> None:
        """Nothing to silence."""

    def set_light(self, name: str, on: bool) -> None:
        """Nothing to light."""

    def set_buzz(self, on: bool) -> None:
        """Nothing to sound."""

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(slots=True)
class _Playing:
    pattern: Pattern
    done: Callable[[], None] | None
    edges: list[tuple[float, bool]]


class Player:
    """Plays one pattern at a time; between them the lights show the steady state. Driven by :meth:`tick`."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._waiting: deque[tuple[Pattern, Callable[[], None] | None]] = deque()
        self._playing: _Playing | None = None
        self._steady = {"red": False, "green": False}

    def play(self, pattern: Pattern, now_s: float, *, done: Callable[[], None] | None = None) -> None:
        """Begin ``pattern``, or let it wait its turn; ``done`` is called when it was felt to its end."""
        if pattern.urgent:
            # What was promised to be reported as felt is still played, after this one.
            kept = [entry for entry in self._waiting if entry[1] is not None]
            if self._playing is not None and self._playing.done is not None:
                kept.insert(0, (self._playing.pattern, self._playing.done))
            self._waiting = deque([(pattern, done), *kept])
            self._finish_playing()
        else:
            self._waiting.append((pattern, done))
        self.tick(now_s)

    def set_steady(self, *, red: bool, green: bool) -> None:
        """What the lights show while nothing plays."""
        steady = {"red": red, "green": green}
        if steady != self._steady:
            self._steady = steady
            if self._playing is None:
                self._show_steady()

    def tick(self, now_s: float) -> None:
        """Switch what is due; call it by :attr:`due_s`."""
        if self._playing is None and self._waiting:
            self._begin(now_s)
        playing = self._playing
        while playing is not None and playing.edges and playing.edges[0][0] <= now_s:
            _, on = playing.edges.pop(0)
            self._outputs.set_buzz(on and playing.pattern.buzz)
            self._outputs.set_light(playing.pattern.light, on)
        if playing is not None and not playing.edges:
            done = playing.done
            self._finish_playing()
            if done is not None:
                done()
            if self._waiting:
                self.tick(now_s)

    @property
    def due_s(self) -> float | None:
        """When the next switch is due; None while nothing plays."""
        return self._playing.edges[0][0] if self._playing and self._playing.edges else None

    @property
    def is_idle(self) -> bool:
        """Whether nothing plays and nothing waits."""
        return self._playing is None and not self._waiting

    def _begin(self, now_s: float) -> None:
        pattern, done = self._waiting.popleft()
        edges, at_s = [], now_s
        for on_s, off_s in pattern.steps:
            edges += [(at_s, True), (at_s + on_s, False)]
            at_s += on_s + off_s
        edges.append((at_s, False))
        for light in self._steady:
            self._outputs.set_light(light, False)
        self._playing = _Playing(pattern, done, edges)

    def _finish_playing(self) -> None:
        if self._playing is not None:
            self._outputs.set_buzz(False)
            self._playing = None
        self._show_steady()

    def _show_steady(self) -> None:
        for light, on in self._steady.items():
            self._outputs.set_light(light, on)
