"""How the relay's listeners speak WebSocket: small buffers, no compression, and an end that does not wait."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, ClassVar, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

# What waits here cannot be taken back for a slow reader; a key frame is a few of these.
_HIGH_WATER_BYTES: Final = 64 * 1024
_NOTSENT_LOWAT_BYTES: Final = 64 * 1024
_TCP_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # linux/tcp.h


class LiveProtocol(WebSocketsSansIOProtocol):
    """Gives applications ``scope["state"]["abort"]``; reads nothing of a connection that is not accepted yet."""

    accept_s: ClassVar[float] = 15.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep little in memory for a reader that is slow."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOTSENT_LOWAT_BYTES)

    def handle_connect(self, event: Request) -> None:
        """Begin the application; what the other side sends beforehand stays in the kernel."""
        self.app_state: dict[str, Any] = {**self.app_state, "abort": self._abort}
        super().handle_connect(event)
        if not self.close_sent and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
