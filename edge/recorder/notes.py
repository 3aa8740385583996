"""What happens during a recording besides pictures: gathered here, stated in the next segment's signed record."""

from __future__ import annotations

from collections import deque
from typing import Any

from contract.notes import MAX_NOTES, NOTES
from edge.recorder.moment import Moment
from edge.recorder.wish import Wishes


class Notes:
    """Notes of one recording (``contract.notes``); those not yet stated come back by :meth:`waiting`."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque()

    def compare(self, before: Wishes, now: Wishes, at: Moment) -> None:
        """Note what somebody has said since ``before``."""
        if now.mark is not None and now.mark != before.mark:
            stands = {"category": now.category} if now.category else {}
            task = {"task": now.task.number} if now.task else {}
            self.add("mark", now.mark.at_ms, **stands, **task)
        if now.category != before.category:
            self.add("category", at.wall_ms, category=now.category)
        if _number(now) != _number(before):
            self.add("task", at.wall_ms, task=_number(now))
        if now.held and not before.held:
            self.add("hold", at.wall_ms)
        elif now.recording.on and not now.held and now.recording.cause != before.recording.cause:
            self.add("wish", at.wall_ms, cause=now.recording.cause[:64])

    def add(self, what: str, at_ms: int, **facts: Any) -> None:
        """Note one thing."""
        self._waiting.append({"what": what, "at_ms": max(0, at_ms), **facts})

    def waiting(self) -> dict[str, Any]:
        """What the next record is to state, as its extra; empty when nothing happened."""
        told = [self._waiting[place] for place in range(min(MAX_NOTES, len(self._waiting)))]
        return {NOTES: told} if told else {}

    def stated(self, extra: dict[str, Any]) -> None:
        """A record with this extra is on the card."""
        for _ in extra.get(NOTES, ()):
            self._waiting.popleft()


def _number(wishes: Wishes) -> int | None:
    return wishes.task.number if wishes.task else None
