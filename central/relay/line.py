"""One WebSocket connection at the relay: what is sent, in order, and an end that comes whether it is read or not.

Everything here belongs to the event loop. Whoever puts something in never waits; the line's own writer does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol

from central.relay.bounds import CLOSE_WITHIN_S, CONTROL_QUEUE, GONE_WITHIN_S
from contract.live import CLOSE_TOO_SLOW, Control, End, pack_control

log = logging.getLogger(__name__)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_WRITE_AT: Final = 32
"""So many words are written at once rather than left to gather until the event loop's next round."""


class Connection(Protocol):
    """A WebSocket as a line uses it (`central.relay.protocol.LiveProtocol`); only `serve` and `send` wait."""

    async def serve(self, take: Callable[[bytes], None], on_writable: Callable[[], None]) -> None:
        """Read to the end."""

    @property
    def is_writable(self) -> bool:
        """Whether more may be written."""
        ...

    def write(self, message: bytes) -> None:
        """Send a binary message."""

    async def send(self, message: Any) -> None:
        """An ASGI event, here ``websocket.close``."""

    def abort(self) -> None:
        """End now."""


class Line:
    """A connection that was accepted. ``take_next`` gives what is to be sent after the control messages.

    Written is once in a round of the event loop, so that what came about together leaves together.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._controls: deque[bytes] = deque()
        self._closing: tuple[int, str] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._has_begun = False
        self._is_due = False
        self.take_next: Callable[[], bytes | None] = _nothing
        self.sending_since_s: float | None = None
        """Since when a send waits for the other side to read (the loop's time); None while none does."""
        self.is_over = False

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._closing is not None

    def tell(self, message: Control) -> None:
        """Queue a control message."""
        self.put(pack_control(message))

    def put(self, message: bytes) -> None:
        """Queue a frame that is not dropped; who lets too many gather is closed."""
        if self._closing is not None:
            return
        if len(self._controls) >= CONTROL_QUEUE:
            self.close(CLOSE_TOO_SLOW, "too slow")
            return
        self._controls.append(message)
        if len(self._controls) % _WRITE_AT == 0:
            self._write()
        self.stir()

    def stir(self) -> None:
        """There is something at `take_next`."""
        if not self._is_due and self._has_begun:
            self._is_due = True
            self._loop.call_soon(self._write_due)

    def end(self, code: int, reason: str) -> None:
        """Say that it is over, then close."""
        self.tell(End(reason=reason))
        self.close(code, reason)

    def close(self, code: int, reason: str = "") -> None:
        """Close; nothing but control messages already queued is sent any more.

        Who does not read loses the connection without a word: an end does not wait for the slow.
        """
        if self._closing is not None:
            return
        self._closing = (code, reason)
        self.stir()
        self._loop.call_later(CLOSE_WITHIN_S, self._cut)
        # Told is not gone: who does not read leaves a close in its buffers unanswered, and what is before it unread.
        self._loop.call_later(GONE_WITHIN_S, self._connection.abort)

    def _cut(self) -> None:
        if not self.is_over:
            self._connection.abort()

    async def run(self, take: Callable[[bytes], None]) -> None:
        """Read until the end; every binary message goes to ``take``, a text is handed over as b""."""

        def hear(message: bytes) -> None:
            if self._closing is None:
                take(message)

        self._has_begun = True
        self.stir()
        try:
            await self._connection.serve(hear, self._write)
        finally:
            self.is_over = True
            self._closing = self._closing or (1006, "")
            if self._ending is not None:
                self._ending.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await self._ending

    def _write_due(self) -> None:
        self._is_due = False
        self._write()

    def _write(self) -> None:
        """Send what there is, as long as the other side reads."""
        connection = self._connection
        if self.is_over or not self._has_begun or self._ending is not None:
            return
        while connection.is_writable:
            message = self._take()
            if message is None:
                break
            connection.write(message)
        if not connection.is_writable:
            self.sending_since_s = self.sending_since_s or self._loop.time()
            return
        self.sending_since_s = None
        if self._closing is not None:
            self._ending = asyncio.create_task(self._say_end(*self._closing))

    async def _say_end(self, code: int, reason: str) -> None:
        try:
            await self._connection.send({"type": "websocket.close", "code": code, "reason": reason[:120]})
            self.is_over = True
        except (OSError, RuntimeError) as error:  # the other side is gone; the reader hears of it, too
            log.debug("relay: a close failed: %s", error)
            self._connection.abort()

    def _take(self) -> bytes | None:
        if self._controls:
            return self._controls.popleft()
        return None if self._closing is not None else self.take_next()


def _nothing() -> None:
    return None
