"""One screen's place at the hub: a bounded queue that never makes anybody wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NamedTuple

from central.courts.permissions import Actor

SNAPSHOT = "snapshot"
POSITIONS = "positions"
CLOSED = "closed"


class Event(NamedTuple):
    """An event for a screen. `data` is JSON text on one line; `id` the outbox id, if it came from there."""

    name: str
    data: str
    id: int | None = None


class Subscription:
    """Async iterator of events, beginning with a snapshot; leave its `with` block to end it.

    A reader too slow for its queue loses the queued events and gets a fresh snapshot instead.
    After `closed` (log-in ended, scope changed) the iteration stops.
    """

    def __init__(
        self,
        actor: Actor,
        recheck: Callable[[], Actor | None],
        take_snapshot: Callable[[Actor], Awaitable[Event]],
        forget: Callable[[Subscription], None],
        limit: int,
    ) -> None:
        self.actor = actor
        self.recheck = recheck
        self.dropped = 0
        self._take_snapshot = take_snapshot
        self._forget = forget
        self._limit = limit
        self._events: deque[Event] = deque()
        self._stirred = asyncio.Event()
        self._wants_snapshot = True
        self._closed: Event | None = None
        self._stirred.set()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget(self)

    def put(self, event: Event) -> None:
        """Queue an event, or fall back to a snapshot when the reader is too slow."""
        if len(self._events) >= self._limit:
            self.dropped += len(self._events)
            self._events.clear()
            self._wants_snapshot = True
        else:
            self._events.append(event)
        self._stirred.set()

    def close(self, reason: str) -> None:
        """End the stream with a `closed` event whose reason is a code."""
        self._closed = Event(CLOSED, f'{{"reason":"{reason}"}}')
        self._stirred.set()

    async def next(self, timeout_s: float) -> Event | None:
        """Return the next event, or None when nothing came within `timeout_s` (send a comment to keep the line).

        Raises StopAsyncIteration after the `closed` event was given out.
        """
        if not self._events and not self._wants_snapshot and self._closed is None:
            try:
                async with asyncio.timeout(timeout_s):  # wait_for may swallow a cancellation, see Hub
                    await self._stirred.wait()
            except TimeoutError:
                return None
        self._stirred.clear()
        if self._closed is not None:
            return self._give_closed()
        if self._wants_snapshot:
            self._wants_snapshot = False
            self._events.clear()
            return await self._take_snapshot(self.actor)
        return self._events.popleft() if self._events else None

    def _give_closed(self) -> Event:
        if self._closed is None or self._closed.name == "":
            raise StopAsyncIteration
        closed, self._closed = self._closed, Event("", "")
        return closed
