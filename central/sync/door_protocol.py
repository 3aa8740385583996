"""HTTP connections of the devices' door that do not wait for ever: the server by itself closes only idle ones.

A connection is one of a limited number, and anybody can open one. So its first byte and each request's head have a
limited time, and so has what is left of a body after its answer. A body that is wanted is watched by its route.

What came of a body before its connection broke is given to the route all the same: the server by itself throws it
away, and a kit on a bad link would send it again.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from starlette.types import Message, Receive
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class TimedProtocol(HttpToolsProtocol):
    """Times in seconds. Generous: over a link that loses every third packet a head may take long."""

    head_s: ClassVar[float] = 30.0
    rest_s: ClassVar[float] = 15.0

    _limit: asyncio.TimerHandle | None = None
    _is_whole = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, for a while."""
        super().connection_made(transport)
        self._set_limit(self.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._set_limit(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._is_whole = False
        self._set_limit(self.head_s)

    def on_headers_complete(self) -> None:
        """The head is here; from now on the route watches."""
        self._set_limit(None)
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not None and self.cycle is not before:
            # Its task was made, but has not begun.
            self.cycle.receive = _give_what_came(self.cycle)  # type: ignore[assignment,method-assign]

    def on_message_complete(self) -> None:
        """The body is here, too."""
        self._is_whole = True
        if self.cycle is not None and self.cycle.response_complete:
            self._set_limit(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer has left; what is left of the body is read into the void, for a while."""
        super().on_response_complete()
        if not self._is_whole and not self.pipeline and not self.transport.is_closing():
            self._set_limit(self.rest_s)

    def _set_limit(self, after_s: float | None) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit = None if after_s is None else self.loop.call_later(after_s, self._end)

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def _give_what_came(cycle: RequestResponseCycle) -> Receive:
    receive = cycle.receive

    async def give() -> Message:
        message: Message = await receive()  # type: ignore[assignment]
        if message["type"] != "http.disconnect" or not cycle.body or cycle.response_complete:
            return message
        body, cycle.body = bytes(cycle.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": cycle.more_body}

    return give
