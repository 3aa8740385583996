"""One WebSocket connection at the relay: what is sent, in order, and an end that comes whether it is read or not.

Everything here belongs to the event loop. Whoever puts something in never waits; the line's own writer does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from central.relay.bounds import CLOSE_WITHIN_S, CONTROL_QUEUE, GONE_WITHIN_S
from contract.live import CLOSE_TOO_SLOW, Control, End, pack_control

log = logging.getLogger(__name__)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


READ_AT_ONCE: Final = 32
"""What has come already is read without a pause; after so many the writer and everybody else get their turn.

Else the words for a burst, one a frame, would gather as with somebody who does not read, and he would be closed.
"""


class Line:
    """A connection that was accepted. ``take_next`` gives what is to be sent after the control messages."""

    def __init__(self, receive: Receive, send: Send, abort: Callable[[], None]) -> None:
        self._receive, self._send, self._abort = receive, send, abort
        self._loop = asyncio.get_running_loop()
        self._controls: deque[bytes] = deque()
        self._stirred = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self.take_next: Callable[[], bytes | None] = _nothing
        self.sending_since_s: float | None = None
        """Since when a send waits for the other side to read (the loop's time); None while none does."""
        self.is_over = False
        self.sent_bytes = 0

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
        self._stirred.set()

    def stir(self) -> None:
        """There is something at `take_next`."""
        self._stirred.set()

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
        self._stirred.set()
        self._loop.call_later(CLOSE_WITHIN_S, self._cut)
        # Told is not gone: who does not read leaves a close in its buffers unanswered, and what is before it unread.
        self._loop.call_later(GONE_WITHIN_S, self._abort)

    def _cut(self) -> None:
        if not self.is_over:
            self._abort()

    async def run(self, take: Callable[[bytes], None]) -> None:
        """Read until the end; every binary message goes to ``take``, a text is handed over as b""."""
        writer = asyncio.create_task(self._write())
        taken = 0
        try:
            while True:
                message = await self._receive()
                if message["type"] == "websocket.disconnect":
                    return
                if self._closing is None:
                    take(message.get("bytes") or b"")
                taken += 1
                if taken % READ_AT_ONCE == 0:
                    await asyncio.sleep(0)
        finally:
            self.is_over = True
            self._closing = self._closing or (1006, "")
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await writer

    async def _write(self) -> None:
        try:
            while True:
                if not self._stirred.is_set():
                    await self._stirred.wait()
                self._stirred.clear()
                while (message := self._take()) is not None:
                    self.sending_since_s = self._loop.time()
                    await self._send({"type": "websocket.send", "bytes": message})
                    self.sending_since_s = None
                    self.sent_bytes += len(message)
                if self._closing is not None:
                    code, reason = self._closing
                    await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})
                    self.is_over = True
                    return
        except (OSError, RuntimeError) as error:  # the other side is gone; the reader hears of it, too
            log.debug("relay: a send failed: %s", error)
            self._abort()

    def _take(self) -> bytes | None:
        if self._controls:
            return self._controls.popleft()
        return None if self._closing is not None else self.take_next()


def _nothing() -> None:
    return None
