"""How the relay's listeners speak WebSocket: small buffers, no compression, and an end that does not wait.

Once a connection is accepted, whole binary messages are taken and given here, without a queue, a task's turn or a
second parser for each of them: there are thousands a second, half of them a viewer's words of 16 bytes. Everything
else (control frames, texts, messages in parts, what breaks the protocol) is the server's own, frame by frame.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, ClassVar, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from central.relay.framing import BINARY, Found, find_frame, frame_binary, unmask

# What waits here cannot be taken back for a slow reader; a key frame is a few of these.
_HIGH_WATER_BYTES: Final = 64 * 1024
_NOTSENT_LOWAT_BYTES: Final = 64 * 1024
_TCP_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # linux/tcp.h
READ_AT_ONCE: Final = 32
"""What has come already is read without a pause; after so many frames everybody else gets their turn.

Else the words for a burst, one a frame, would gather as with somebody who does not read, and he would be closed.
"""


class LiveProtocol(WebSocketsSansIOProtocol):
    """Gives applications itself as ``scope["state"]["connection"]`` (`central.relay.line.Connection`).

    Reads nothing of a connection before `serve`: what the other side sends beforehand stays in the kernel.
    """

    accept_s: ClassVar[float] = 15.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._take: Callable[[bytes], None] | None = None
        self._on_writable: Callable[[], None] | None = None
        self._coming = bytearray()
        self._is_resting = False
        self._is_foreign = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep little in memory for a reader that is slow."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOTSENT_LOWAT_BYTES)

    def handle_connect(self, event: Request) -> None:
        """Begin the application, and read no further until it wants to."""
        self.app_state: dict[str, Any] = {**self.app_state, "connection": self}
        super().handle_connect(event)
        if not self.close_sent and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    # -- as the application has it

    async def serve(self, take: Callable[[bytes], None], on_writable: Callable[[], None]) -> None:
        """Read to the end; each binary message goes to ``take``, a text is handed over as b"".

        ``on_writable`` is called when `is_writable` is true again.
        """
        self._take, self._on_writable = take, on_writable
        while (await self.receive())["type"] != "websocket.disconnect":  # the first one lets reading begin
            pass

    @property
    def is_writable(self) -> bool:
        """Whether the other side reads what it is sent, and may be sent more."""
        return self.writable.is_set() and not self.close_sent and not self.transport.is_closing()

    def write(self, message: bytes) -> None:
        """Send a binary message; does not wait. Only while `is_writable`."""
        self.transport.write(frame_binary(message))

    def abort(self) -> None:
        """End the connection now, whatever waits in it."""
        if self.transport is not None:
            self.transport.abort()

    # -- as the event loop has it

    def resume_writing(self) -> None:
        """The other side has read."""
        super().resume_writing()
        if self._on_writable is not None:
            self._on_writable()

    def data_received(self, data: bytes) -> None:
        """Bytes came: the head of the request, or frames."""
        if not self.handshake_initiated:
            super().data_received(data)
            return
        self._coming += data
        if self._take is not None and not self._is_resting:
            self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """What came before the end is taken first."""
        if self._is_resting:
            self._is_resting = False
            self._read(len(self._coming))
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        """A message that is no plain frame is whole."""
        data, self.frames = b"".join(self.frames), []
        if not self.close_sent and self._take is not None:
            self._take(data if self.curr_msg_data_type == "bytes" else b"")

    def _read(self, at_most: int = READ_AT_ONCE) -> None:
        coming, at = self._coming, 0
        for _ in range(at_most):
            found = None if self._is_foreign else find_frame(coming, at, self.config.ws_max_size)
            if found is None:
                break
            if found.is_strange:
                self._is_foreign = True  # the server says what is wrong with it, and ends the connection
                break
            if found.end > len(coming):
                break
            self._take_frame(coming, at, found)
            at = found.end
        else:
            self._rest()
        if self._is_foreign:
            super().data_received(bytes(coming[at:]))
            at = len(coming)
        del coming[:at]

    def _take_frame(self, coming: bytearray, at: int, found: Found) -> None:
        if coming[at] != BINARY or self.frames:  # frames: parts of a message that is not whole
            super().data_received(bytes(coming[at : found.end]))
        elif self.conn.state is State.OPEN and self._take is not None:
            self._take(unmask(coming, found.body, found.end))

    def _rest(self) -> None:
        """There may be more: it has its turn after everybody else's."""
        self._is_resting = True
        self.transport.pause_reading()
        self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self._is_resting:
            return  # the connection ended meanwhile
        self._is_resting = False
        try:
            self._read()
        except Exception:
            self.transport.abort()
            raise
        if not self._is_resting and not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
