"""What both doors of the relay share: accepting, refusing, and reading frames within bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs

from central.relay import bounds
from central.relay.bounds import GarbageError, Guard
from central.relay.line import Line, Receive, Send
from central.relay.relay import Relay
from contract.live import CLOSE_GARBAGE, CLOSE_RESTARTING, HEADER, Frame, LiveError, Type, unpack

log = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]

JSON: Final = b"application/json"
_ACK: Final = int(Type.ACK)


class Closed(Exception):  # noqa: N818 -- not an error: how a door says that it lets nobody in
    """The door refuses; ``code`` is the close code of `contract.live`, ``reason`` a stable word."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def header(scope: Scope, name: str) -> str:
    """A request's header, "" when it is missing."""
    wanted = name.lower().encode()
    found = next((value for key, value in scope["headers"] if key.lower() == wanted), b"")
    return bytes(found).decode("latin-1")


def query(scope: Scope, name: str, default: str = "") -> str:
    """The first value of a name in the address."""
    return parse_qs(bytes(scope["query_string"]).decode("latin-1")).get(name, [default])[0]


async def accept(
    scope: Scope, receive: Receive, send: Send, headers: list[tuple[bytes, bytes]] | None = None
) -> Line:
    """Take the connection; what it sends is read from now on."""
    await receive()  # websocket.connect
    await send({"type": "websocket.accept", "headers": headers or []})
    abort = scope["state"].get("abort") or (lambda: None)
    return Line(receive, send, abort)


async def refuse(scope: Scope, receive: Receive, send: Send, relay: Relay, closed: Closed) -> None:
    """Accept and close: a browser tells its page the code of nothing else."""
    relay.count_refusal(closed.reason)
    line = await accept(scope, receive, send)
    line.end(closed.code, closed.reason)
    await line.run(lambda _message: None)


async def reject(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """Answer a WebSocket's request with a status instead."""
    told = [(b"content-type", JSON), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "websocket.http.response.start", "status": status, "headers": told})
    await send({"type": "websocket.http.response.body", "body": body})


async def respond(send: Send, status: int, body: bytes, kind: bytes = JSON) -> None:
    """Answer an HTTP request."""
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def check_room(relay: Relay) -> None:
    """Raise Closed while the relay ends, or when it is full."""
    if relay.is_ending or relay.sockets >= bounds.MAX_SOCKETS:
        raise Closed(CLOSE_RESTARTING, "restarting" if relay.is_ending else "full")


async def read(
    relay: Relay,
    line: Line,
    guard: Guard,
    take: Callable[[bytes, Frame], None],
    take_ack: Callable[[int], None] | None = None,
) -> None:
    """Read a connection to its end: each frame within bounds goes to ``take``; garbage closes it.

    ``take_ack`` gets the number of each acknowledgement, which viewers send as often as they are sent pictures.
    """
    now = asyncio.get_running_loop().time

    def judge(message: bytes) -> None:
        if take_ack is not None and len(message) == HEADER.size and message[0] == _ACK:
            if guard.controls.take(now()):
                take_ack(int.from_bytes(message[4:8], "big"))
            return
        try:
            try:
                frame = unpack(message)
                if guard.admit(frame, len(message), now()):
                    take(message, frame)
            except LiveError as error:
                guard.note_garbage(error)
        except GarbageError as error:
            log.warning("relay: a connection is closed: %s", error)
            line.close(CLOSE_GARBAGE, "garbage")

    relay.sockets += 1
    try:
        await line.run(judge)
    finally:
        relay.sockets -= 1
        if guard.refused:
            relay.ledger.count("total.live.refused.frames", guard.refused)
