"""From bouncing contacts to what the officer meant. Pure: levels and times go in, acts come out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Act(Enum):
    """What the officer can do at the kit."""

    SOS = "sos"
    WITHDRAW = "withdraw"
    RECORD = "record"
    RECORD_ON = "record_on"
    RECORD_OFF = "record_off"
    MARK = "mark"
    MARK_HELD = "mark_held"
    CATEGORY = "category"
    QUIET = "quiet"
    DUTY = "duty"
    METERED = "metered"
    WATCH_ME = "watch_me"
    TALK_ON = "talk_on"
    TALK_OFF = "talk_off"


@dataclass(frozen=True, slots=True)
class Change:
    """A contact's level that has settled; ``at_s`` is when it first touched."""

    level: bool
    at_s: float


class Debouncer:
    """A level counts once it stood still for ``settle_s``; bounces in between restart the wait."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._stable = False
        self._raw = False
        self._raw_since_s = 0.0
        self._first_touch_s: float | None = None

    def feed(self, level: bool, at_s: float) -> None:
        """The contact was seen at ``level``."""
        if level == self._raw:
            return
        self._raw, self._raw_since_s = level, at_s
        if level != self._stable and self._first_touch_s is None:
            self._first_touch_s = at_s

    def poll(self, now_s: float) -> Change | None:
        """The settled change, once."""
        if self._raw == self._stable:
            # A touch that went back by itself is no press, but only after it, too, has settled.
            if self._first_touch_s is not None and now_s >= self._raw_since_s + self._settle_s:
                self._first_touch_s = None
            return None
        if now_s < self._raw_since_s + self._settle_s:
            return None
        self._stable = self._raw
        at_s, self._first_touch_s = self._first_touch_s, None
        return Change(self._stable, self._raw_since_s if at_s is None else at_s)

    @property
    def due_s(self) -> float | None:
        """When :meth:`poll` will have something to decide; None while the contact is at rest."""
        if self._raw == self._stable and self._first_touch_s is None:
            return None
        return self._raw_since_s + self._settle_s


class HoldGesture:
    """A button with two meanings: let go before ``hold_s`` it is ``short``, held that long it is ``held``."""

    def __init__(self, hold_s: float, *, held: Act, short: Act | None = None) -> None:
        self._hold_s, self._held, self._short = hold_s, held, short
        self._down_s: float | None = None
        self._done = False

    def change(self, change: Change) -> Act | None:
        """The button went down or up."""
        if change.level:
            self._down_s, self._done = change.at_s, False
            return None
        was_short = self._down_s is not None and not self._done
        held_s = change.at_s - (self._down_s or change.at_s)
        self._down_s = None
        if not was_short:
            return None
        # A loop that was late must not turn a hold into a short press.
        return self._held if held_s >= self._hold_s else self._short

    def poll(self, now_s: float) -> Act | None:
        """The act of a hold, once, at the moment it is long enough."""
        if self._down_s is None or self._done or now_s < self._down_s + self._hold_s:
            return None
        self._done = True
        return self._held

    @property
    def due_s(self) -> float | None:
        """When a hold in progress will be long enough."""
        return None if self._down_s is None or self._done else self._down_s + self._hold_s


class TwoHoldGesture:
    """A button with three meanings, told apart by the hand alone: short, held on release, and held long at once."""

    def __init__(self, hold_s: float, long_s: float, *, short: Act, held: Act, long: Act) -> None:
        self._hold_s, self._long_s = hold_s, long_s
        self._short, self._held, self._long = short, held, long
        self._down_s: float | None = None
        self._done = False

    def change(self, change: Change) -> Act | None:
        """The button went down or up."""
        if change.level:
            self._down_s, self._done = change.at_s, False
            return None
        down_s, self._down_s = self._down_s, None
        if down_s is None or self._done:
            return None
        held_s = change.at_s - down_s
        if held_s >= self._long_s:
            return self._long
        return self._held if held_s >= self._hold_s else self._short

    def poll(self, now_s: float) -> Act | None:
        """The act of the long hold, once, at the moment it is long enough."""
        if self._down_s is None or self._done or now_s < self._down_s + self._long_s:
            return None
        self._done = True
        return self._long

    @property
    def due_s(self) -> float | None:
        """When a hold in progress will be a long one."""
        return None if self._down_s is None or self._done else self._down_s + self._long_s


class TapHoldGesture:
    """A button that is held for ``held``, or tapped ``taps`` times within ``within_s`` for ``tapped``."""

    def __init__(self, hold_s: float, *, held: Act, taps: int, within_s: float, tapped: Act) -> None:
        self._hold = HoldGesture(hold_s, held=held, short=tapped)
        self._taps, self._within_s, self._tapped = taps, within_s, tapped
        self._tapped_s: list[float] = []

    def change(self, change: Change) -> Act | None:
        """The button went down or up."""
        act = self._hold.change(change)
        if act is not self._tapped:
            if act is not None:
                self._tapped_s.clear()
            return act
        recent = [at_s for at_s in self._tapped_s if change.at_s - at_s <= self._within_s]
        self._tapped_s = [*recent, change.at_s]
        if len(self._tapped_s) < self._taps:
            return None
        self._tapped_s.clear()
        return self._tapped

    def poll(self, now_s: float) -> Act | None:
        """The act of a hold, once, at the moment it is long enough."""
        act = self._hold.poll(now_s)
        if act is not None:
            self._tapped_s.clear()
        return act

    @property
    def due_s(self) -> float | None:
        """When a hold in progress will be long enough."""
        return self._hold.due_s


class TalkGesture:
    """A key that talks while it is down, from ``hold_s`` on; let go before that it is ``short``."""

    def __init__(self, hold_s: float = 0.0, *, short: Act | None = None) -> None:
        self._hold_s, self._short = hold_s, short
        self._down_s: float | None = None
        self._talking = False

    def change(self, change: Change) -> Act | None:
        """The key went down or up."""
        if change.level:
            self._down_s = change.at_s
            return self.poll(change.at_s)
        was_talking, was_down = self._talking, self._down_s is not None
        self._down_s, self._talking = None, False
        if was_talking:
            return Act.TALK_OFF
        return self._short if was_down else None

    def poll(self, now_s: float) -> Act | None:
        """The beginning of talk, once, when the key was down long enough."""
        if self._down_s is None or self._talking or now_s < self._down_s + self._hold_s:
            return None
        self._talking = True
        return Act.TALK_ON

    @property
    def due_s(self) -> float | None:
        """When a key that is down will begin to talk."""
        return None if self._down_s is None or self._talking else self._down_s + self._hold_s


class SlideGesture:
    """A slide switch: its place is the wish."""

    def __init__(self) -> None:
        self.due_s: float | None = None

    def change(self, change: Change) -> Act | None:
        """The slide was moved."""
        return Act.RECORD_ON if change.level else Act.RECORD_OFF

    def poll(self, now_s: float) -> Act | None:
        """A slide means nothing by time."""
        return None
