"""A line without a network: what comes is a list, what is sent is kept (a double)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from central.relay.bounds import CONTROL_QUEUE, FRAMES_AT_ONCE
from central.relay.line import Line


@dataclass
class Coming:
    """A connection over which so many frames have come already; it takes words while it `is_writable`."""

    count: int
    is_writable: bool
    sent: list[bytes] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)

    async def serve(self, take: Callable[[bytes], None], _on_writable: Callable[[], None]) -> None:
        for _ in range(self.count):
            take(b"frame")
        await asyncio.sleep(0)

    def write(self, message: bytes) -> None:
        self.sent.append(message)

    async def send(self, message: Any) -> None:
        self.events.append(message)

    def abort(self) -> None:
        self.events.append("aborted")


def run_burst(count: int, *, reads: bool) -> tuple[Coming, tuple[int, str] | None]:
    """So many frames have come already, each is answered at once; what was sent, and why it was closed."""

    async def serve() -> tuple[Coming, tuple[int, str] | None]:
        coming = Coming(count, reads)
        line = Line(coming)
        await line.run(lambda _message: line.put(b"word"))
        return coming, line._closing

    return asyncio.run(serve())


def test_a_burst_within_bounds_is_answered_and_closes_nobody() -> None:
    coming, closing = run_burst(int(FRAMES_AT_ONCE), reads=True)
    assert coming.sent == [b"word"] * int(FRAMES_AT_ONCE)
    assert closing == (1006, "")
    assert not coming.events


def test_who_does_not_read_his_words_is_closed() -> None:
    coming, closing = run_burst(CONTROL_QUEUE + 100, reads=False)
    assert closing == (4429, "too slow")
    assert not coming.sent
