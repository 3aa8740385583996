"""Buttons on GPIO pins through gpiozero, debounced here: its own bounce time loses edges, and mock pins ignore it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from edge.options import PanelSettings
from edge.panel.gestures import (
    Act,
    Debouncer,
    HoldGesture,
    SlideGesture,
    TalkGesture,
    TapHoldGesture,
    TwoHoldGesture,
)

MARK_HOLD_S: Final = 1.0
QUIET_HOLD_S: Final = 3.0
DUTY_HOLD_S: Final = 2.0
# Three taps, not two: a belt that rubs over the button must not start a camera.
WATCH_TAPS: Final = 3
WATCH_TAPS_WITHIN_S: Final = 2.0
# So long is a mark: a hand in a glove needs 0.2 s for a short press.
TALK_HOLD_S: Final = 0.4

_Gesture = HoldGesture | TwoHoldGesture | SlideGesture | TapHoldGesture | TalkGesture


@dataclass
class _Key:
    device: Any
    debouncer: Debouncer
    gesture: _Gesture


class PinError(Exception):
    """The GPIO pins cannot be used; the text says why."""


def open_pin_factory() -> Any:
    """The machine's own pins; raise PinError where there are none."""
    from gpiozero import Device
    from gpiozero.exc import BadPinFactory

    try:
        with warnings.catch_warnings():
            # gpiozero tries one library after the other and warns of each; the last word is its exception.
            warnings.simplefilter("ignore")
            Device.ensure_pin_factory()
    except BadPinFactory as error:
        raise PinError(
            "panel.kind = 'gpio', but this machine has no GPIO pins that gpiozero can use: install python3-lgpio on "
            "a Raspberry Pi, or set panel.kind = 'none'."
        ) from error
    return Device.pin_factory


class Buttons:
    """Three buttons for one hand in a glove, told apart by place and by how long they are held, and a key to talk by.

    SOS: held; tapped three times it asks to be watched. Mark: short marks; held for a second it withdraws an SOS just
    pressed, else turns the wheel of categories; held for three it is quiet mode. Record: pressed or slid (press held:
    duty on or off). Where there is no talk key, the mark button held talks while :meth:`set_talk` is on.
    """

    def __init__(
        self,
        settings: PanelSettings,
        *,
        pin_factory: Any = None,
        wake: Callable[[], None] = lambda: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        from gpiozero import Button

        self._now_s, self._wake = now_s, wake
        self._edges: SimpleQueue[tuple[_Key, bool, float]] = SimpleQueue()
        record: _Gesture = HoldGesture(DUTY_HOLD_S, held=Act.DUTY, short=Act.RECORD)
        if settings.record_switch == "slide":
            record = SlideGesture()
        mark = TwoHoldGesture(MARK_HOLD_S, QUIET_HOLD_S, short=Act.MARK, held=Act.MARK_HELD, long=Act.QUIET)
        sos = TapHoldGesture(
            settings.sos_hold_s, held=Act.SOS, taps=WATCH_TAPS, within_s=WATCH_TAPS_WITHIN_S, tapped=Act.WATCH_ME
        )
        table: list[tuple[int, _Gesture]] = [
            (settings.sos_pin, sos),
            (settings.mark_pin, mark),
            (settings.record_pin, record),
        ]
        if settings.talk_pin is not None:
            table.append((settings.talk_pin, TalkGesture()))
        self._keys = [
            _Key(Button(pin, pin_factory=pin_factory), Debouncer(settings.debounce_s), gesture)
            for pin, gesture in table
        ]
        self._has_talk_key = settings.talk_pin is not None
        self._talks = False
        self._mark_key, self._mark = self._keys[1], mark
        for key in self._keys:
            key.device.when_pressed = self._watch(key, level=True)
            key.device.when_released = self._watch(key, level=False)

    def set_talk(self, on: bool) -> None:
        """Whether the mark button held talks now; while it is down it keeps the meaning with which it was pressed."""
        if self._has_talk_key or on == self._talks or self._mark_key.device.is_pressed:
            return
        if self._mark_key.gesture.due_s is None and self._mark_key.debouncer.due_s is None:
            self._talks = on
            self._mark_key.gesture = TalkGesture(TALK_HOLD_S, short=Act.MARK) if on else self._mark

    def poll(self) -> list[Act]:
        """Acts that became certain since the last call; call it again by :attr:`due_s`."""
        self._take_edges()
        now_s = self._now_s()
        acts = []
        for key in self._keys:
            # The level itself, too: an edge that was lost must not lose the press.
            key.debouncer.feed(bool(key.device.is_pressed), now_s)
            change = key.debouncer.poll(now_s)
            if change is not None:
                acts.append(key.gesture.change(change))
            acts.append(key.gesture.poll(now_s))
        return [act for act in acts if act is not None]

    @property
    def due_s(self) -> float | None:
        """The next moment at which :meth:`poll` may have an act; None while nothing is touched."""
        due = [when for key in self._keys for when in (key.debouncer.due_s, key.gesture.due_s)]
        return min((when for when in due if when is not None), default=None)

    def close(self) -> None:
        """Let go of the pins."""
        for key in self._keys:
            key.device.close()

    def _watch(self, key: _Key, *, level: bool) -> Callable[[], None]:
        def note() -> None:
            # Runs in gpiozero's thread: only notes the edge and its time.
            self._edges.put((key, level, self._now_s()))
            self._wake()

        return note

    def _take_edges(self) -> None:
        while True:
            try:
                key, level, at_s = self._edges.get_nowait()
            except Empty:
                return
            key.debouncer.feed(level, at_s)
