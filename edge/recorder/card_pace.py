"""Whether the card keeps up with the camera; one that does not is stated before it costs pictures."""

from __future__ import annotations

from collections import deque
from typing import Final

from edge.recorder.faults import build_fault
from edge.recorder.moment import Moment
from edge.spool import Spool, ring

_REMEMBERED: Final = 5
# Share of a segment's own time that storing it may take: above the first it is slow, below the second well again.
SLOW_SHARE: Final = 0.5
WELL_SHARE: Final = 0.25


class CardPace:
    """Compares how long storing takes with how long the pictures last; pure. ``is_slow`` is its judgement."""

    def __init__(self) -> None:
        self._shares: deque[float] = deque(maxlen=_REMEMBERED)
        self.is_slow = False

    def note(self, took_ms: int, length_ms: int) -> bool:
        """A segment of ``length_ms`` took ``took_ms`` to store; True when the judgement changed."""
        self._shares.append(took_ms / max(1, length_ms))
        share = sum(self._shares) / len(self._shares)
        before = self.is_slow
        if self.is_slow:
            self.is_slow = share > WELL_SHARE
        else:
            # One long wait is a card that tidies up; it is slow when it does not make up for it.
            self.is_slow = share > SLOW_SHARE and len(self._shares) >= 2
        return self.is_slow != before


class CardWatch:
    """Keeps the state ``card`` and tells the centre once when the card becomes slow."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._pace = CardPace()

    @property
    def is_slow(self) -> bool:
        """Whether it does not keep up at present."""
        return self._pace.is_slow

    def note_stored(self, now: Moment, took_ms: int, length_ms: int) -> None:
        """A segment was stored."""
        if self._pace.note(took_ms, length_ms):
            self._tell(now, took_ms, length_ms)

    def note_back(self, now: Moment, cause: str) -> None:
        """The card works again after ``cause`` (``card_read_only``, ``card_failed``): told late, but told."""
        with self._spool.transaction():
            text = "The card took nothing for a while and works again: check or replace it."
            self._spool.outbox.append("alarm", build_fault(now, cause, text), urgent=True)
            self._spool.state.set("card", {"state": "ok", "text": text})
        ring(self._spool.dir, "control")

    def begin(self) -> None:
        """A process begins that found the card well."""
        if self._spool.state.get("card") is None or (self._spool.state.get("card") or {}).get("state") == "slow":
            self._spool.state.set("card", {"state": "ok", "text": ""})

    def _tell(self, now: Moment, took_ms: int, length_ms: int) -> None:
        if not self.is_slow:
            self._spool.state.set("card", {"state": "ok", "text": ""})
            return
        text = f"The card takes {took_ms / 1000:.1f} s to store {length_ms / 1000:.1f} s: use a quicker one."
        with self._spool.transaction():
            self._spool.outbox.append("alarm", build_fault(now, "card_slow", text), urgent=True)
            self._spool.state.set("card", {"state": "slow", "text": text})
        ring(self._spool.dir, "panel")
        ring(self._spool.dir, "control")
