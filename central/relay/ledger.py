"""Lines of the sessions' records and counts: gathered in the event loop, written down on a thread."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from central.base.errors import DomainError
from central.base.unit_of_work import Store
from central.command import service as command
from central.devices import service as devices

log = logging.getLogger(__name__)

MAX_WAITING: Final = 20_000


@dataclass(frozen=True)
class Line:
    """One line of a session's record."""

    session_id: str
    kind: str
    actor_name: str
    detail: Mapping[str, Any]
    at_ms: int


class Ledger:
    """`note` and `count` in the event loop; `write` on a thread, by one caller at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lines: list[Line] = []
        self.counts: Counter[str] = Counter()
        self._now: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self.lost = 0
        self.stirred = asyncio.Event()
        """A line waits."""

    @property
    def is_due(self) -> bool:
        """Whether anything waits."""
        return bool(self._lines or self.counts) or self._now != self._written

    def note(self, session_id: str, kind: str, actor_name: str, **detail: Any) -> None:
        """Add a line to a session's record, with the time of now."""
        if len(self._lines) >= MAX_WAITING:
            self.lost += 1
            if self.lost == 1:
                log.error("relay: the database has taken nothing for long; lines of sessions' records are lost")
            return
        self._lines.append(Line(session_id, kind, actor_name, detail, self._store.clock.now_ms()))
        self.stirred.set()

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter of the centre."""
        self.counts[name] += number

    def tell_now(self, numbers: Mapping[str, int]) -> None:
        """How many there are of what at this moment, by counter."""
        self._now = dict(numbers)

    def write(self) -> None:
        """Write down what waits; what the database does not take now waits for the next call."""
        lines, self._lines = self._lines, []
        counts, self.counts = self.counts, Counter()
        now = self._now
        try:
            with self._store.write() as uow:
                for line in lines:
                    self._add(uow, line)
                for name, number in counts.items():
                    devices.add_to_counter(uow, name, number)
                for name, number in now.items():
                    if self._written.get(name) != number:
                        devices.set_counter(uow, name, number)
            self._written = now
        except SQLAlchemyError as error:
            log.warning("relay: lines of sessions' records are not written yet (%s)", error)
            self._lines = lines + self._lines
            self.counts.update(counts)

    @staticmethod
    def _add(uow: Any, line: Line) -> None:
        try:
            command.add_entry(uow, line.session_id, line.kind, line.actor_name, line.detail, at_ms=line.at_ms)
        except DomainError as error:
            log.error("relay: a line of session %s cannot be kept: %s", line.session_id, error)
