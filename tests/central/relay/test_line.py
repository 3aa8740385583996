"""A line without a network: what comes is a list, what is sent is kept (a double)."""

from __future__ import annotations

import asyncio
from typing import Any

from central.relay.bounds import CONTROL_QUEUE, FRAMES_AT_ONCE
from central.relay.line import Line


def run_burst(count: int, *, reads: bool) -> list[dict[str, Any]]:
    """So many frames have come already, each is answered at once; what was sent, and whether it was closed."""
    coming = [{"type": "websocket.receive", "bytes": b"frame"}] * count + [{"type": "websocket.disconnect"}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop(0)

    async def send(message: Any) -> None:
        if not reads:
            await asyncio.Event().wait()
        sent.append(message)

    async def serve() -> None:
        line = Line(receive, send, lambda: None)
        await line.run(lambda _message: line.put(b"word"))
        sent.extend([{"type": "closing"}] if line._closing != (1006, "") else [])

    asyncio.run(serve())
    return sent


def test_a_burst_within_bounds_is_answered_and_closes_nobody() -> None:
    sent = run_burst(int(FRAMES_AT_ONCE), reads=True)
    assert {message["type"] for message in sent} == {"websocket.send"}
    assert len(sent) > FRAMES_AT_ONCE - CONTROL_QUEUE


def test_who_does_not_read_his_words_is_closed() -> None:
    assert run_burst(CONTROL_QUEUE + 100, reads=False) == [{"type": "closing"}]
