"""Running totals of a busy process, written down now and then instead of with every message."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central.base.unit_of_work import UnitOfWork
from central.devices import service as devices

# Names that begin so are figures for Prometheus (`central.metrics`), not remarks for a person.
TOTAL: Final = "total."
EVERY_MS: Final = 10_000


class Tally:
    """Counts in memory; `write` adds them to the database's totals. For any threads."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._written_ms = 0
        self._lock = threading.Lock()

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._counts[name] += count

    def is_due(self, now_ms: int) -> bool:
        """Whether there is something, and it has waited long enough."""
        return bool(self._counts) and now_ms - self._written_ms >= EVERY_MS

    def write(self, uow: UnitOfWork) -> None:
        """Add what was counted, in the caller's transaction; it is forgotten once that is committed."""
        with self._lock:
            written = Counter(self._counts)
        for name, count in sorted(written.items()):
            devices.add_to_counter(uow, TOTAL + name, count)
        uow.after_commit(lambda: self._forget(written, uow.now_ms))

    def _forget(self, written: Counter[str], now_ms: int) -> None:
        with self._lock:
            self._counts = self._counts - written
        self._written_ms = now_ms


class CountAnswers:
    """Counts a door's answers by their status."""

    def __init__(self, app: ASGIApp, tally: Tally) -> None:
        self._app = app
        self._tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI asks."""

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._tally.add(f"answers.{message['status']}")
            await send(message)

        await self._app(scope, receive, send_and_count if scope["type"] == "http" else send)
