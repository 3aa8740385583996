"""HTTP connections of the devices' door that do not wait for ever: the server by itself closes only idle ones.

A connection is one of a limited number, and anybody can open one. So its first byte and each request's head have a
limited time, and so has what is left of a body after its answer. A body that is wanted is watched by its route.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


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
        super().on_headers_complete()

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
