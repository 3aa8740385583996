"""The RTSP outlet: conference and wall systems (seed 18(2)) take a kit's picture, by a grant inside a session.

Over TCP only (interleaved): one connection passes every firewall, and cutting it cuts the picture. The address names
a grant; its user and password are shown once to who grants (central.command.outlets). A grant that has ended is
cut with the next look, twice a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from central.relay.outlets import digest, rtsp_wire
from central.relay.outlets.adapter import NoChannelError, Pictures
from central.relay.outlets.rtsp_wire import Request, WireError
from central.relay.outlets.stream import RtpStream

MAX_CONNECTIONS: Final = 64
MAX_FAILURES: Final = 3
PROVE_WITHIN_S: Final = 10.0
IDLE_S: Final = 60.0
"""A client that neither plays nor asks is let go; said in the Session header."""
PICTURE_WITHIN_S: Final = 8.0
LOOK_EVERY_S: Final = 0.5
_METHODS: Final = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opening:
    """A grant as the outlet needs it. `secret` is HA1 (`digest.hash_secret`), `system` who takes the picture."""

    id: str
    session_id: str
    source: str
    stream: int
    system: str
    secret: str


FindOpening = Callable[[str], Awaitable["Opening | None"]]
"""The grant of that id if it holds now."""
StillOpen = Callable[[Iterable[str]], Awaitable[set[str]]]
"""Which of these grants hold now."""


class RtspOutlet:
    """The server; `start` and `close` it in the relay's loop."""

    def __init__(self, pictures: Pictures, find: FindOpening, still_open: StillOpen) -> None:
        self._pictures, self._find, self._still_open = pictures, find, still_open
        self._clients: dict[_Client, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None  # noqa: S101 -- asked after `start` only
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def playing(self) -> int:
        """How many systems take a picture now."""
        return sum(client.is_playing for client in self._clients)

    async def start(self, host: str, port: int) -> None:
        """Listen; raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=rtsp_wire.MAX_HEAD)
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Cut everybody and stop listening."""
        tasks = list(self._clients.values())
        if self._looking is not None:
            tasks.append(self._looking)
        if self._server is not None:
            self._server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MAX_CONNECTIONS:
            writer.close()
            return
        client = _Client(reader, writer, self._pictures, self._find)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine of asyncio's server runs in one
        self._clients[client] = task
        try:
            await client.run()
        finally:
            self._clients.pop(client, None)

    async def _look(self) -> None:
        """Cut whose grant or session has ended."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            held = {client.opening.id for client in self._clients if client.opening is not None}
            if not held:
                continue
            try:
                open_ = await self._still_open(held)
            except Exception:  # the database may be away: what nobody can confirm is cut
                _LOG.exception("outlets: nobody can tell which grants still hold; all are cut")
                open_ = set()
            for client in list(self._clients):
                if client.opening is not None and client.opening.id not in open_:
                    client.cut("its grant or session has ended")


class _Client:
    """One connection of a foreign system."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pictures: Pictures, find: FindOpening
    ) -> None:
        self._reader, self._writer = reader, writer
        self._pictures, self._find = pictures, find
        self._nonce = secrets.token_hex(16)
        self._session = secrets.token_hex(8)
        self._channel: int | None = None
        self._stream: RtpStream | None = None
        self._failures = 0
        self.opening: Opening | None = None

    @property
    def is_playing(self) -> bool:
        """Whether packets go out."""
        return self._stream is not None and self._stream.is_playing

    def cut(self, why: str) -> None:
        """End the connection at once, whatever is on its way."""
        _LOG.info("outlet %s cut: %s", self.opening.id if self.opening else "-", why)
        if self._stream is not None:
            self._stream.stop()
        self._writer.transport.abort()

    async def run(self) -> None:
        """Answer requests until the other side or its grant ends."""
        try:
            while True:
                limit_s = None if self.is_playing else IDLE_S if self.opening else PROVE_WITHIN_S
                async with asyncio.timeout(limit_s):
                    request = await rtsp_wire.read_request(self._reader)
                if request is None or not await self._answer(request):
                    break
        except (TimeoutError, WireError, ConnectionError) as error:
            _LOG.info("outlet: a connection ended (%s)", error or type(error).__name__)
        finally:
            if self._stream is not None:
                self._stream.stop()
            self._writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self._writer.wait_closed()

    async def _answer(self, request: Request) -> bool:
        """Answer one request; False: the connection is over."""
        if request.method == "OPTIONS":
            self._send(request, 200, {"Public": _METHODS})
            return True
        if not await self._is_proven(request):
            return self._failures < MAX_FAILURES
        acts = {
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "GET_PARAMETER": self._nothing,
            "SET_PARAMETER": self._nothing,
        }
        if request.method == "TEARDOWN":
            self._send(request, 200)
            return False
        act = acts.get(request.method)
        if act is None:
            self._send(request, 405, {"Allow": _METHODS})
            return True
        try:
            await act(request)
        except NoChannelError:
            self._send(request, 404)
        return True

    async def _is_proven(self, request: Request) -> bool:
        """Whether the request shows the password of the grant that its address names; each request does."""
        given = digest.read_answer(request.headers.get("authorization", ""))
        if given is None:
            self._challenge(request)
            return False
        named = urlsplit(request.uri).path.strip("/").split("/")[0]
        opening = await self._find(given.username) if given.username == named else None
        if (
            opening is None
            or given.nonce != self._nonce
            or not digest.is_right(given, opening.secret, request.method)
        ):
            self._failures += 1
            self._challenge(request)
            return False
        if self.opening is not None and self.opening.id != opening.id:
            raise WireError("one connection, two grants")
        self.opening = opening
        return True

    def _challenge(self, request: Request) -> None:
        self._send(request, 401, {"WWW-Authenticate": digest.challenge(self._nonce)})

    async def _describe(self, request: Request) -> None:
        stream = self._open_stream()
        try:
            async with asyncio.timeout(PICTURE_WITHIN_S):
                await stream.ready.wait()
        except TimeoutError:
            self._send(request, 503, {"Retry-After": "5"})
            return
        if stream.parameters is None:
            self._send(request, 415)  # a browser's VP8, say
            return
        host = self._writer.get_extra_info("sockname")[0]
        base = request.uri.rstrip("/") + "/"
        self._send(request, 200, {"Content-Base": base}, stream.describe(host, int(self._session, 16)))

    async def _setup(self, request: Request) -> None:
        channel = read_channel(request.headers.get("transport", ""))
        if channel is None:
            self._send(request, 461)
            return
        self._channel = channel
        self._open_stream()
        told = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        self._send(request, 200, {"Transport": told, "Session": f"{self._session};timeout={IDLE_S:.0f}"})

    async def _play(self, request: Request) -> None:
        if not self._is_session(request):
            return
        if self._channel is None:
            self._send(request, 455)
            return
        self._send(request, 200, {"Session": self._session, "Range": "npt=now-"})
        self._open_stream().play(self._channel)

    async def _pause(self, request: Request) -> None:
        if self._is_session(request):
            self._open_stream().pause()
            self._send(request, 200, {"Session": self._session})

    async def _nothing(self, request: Request) -> None:
        self._send(request, 200, {"Session": self._session})

    def _is_session(self, request: Request) -> bool:
        if request.headers.get("session", "").split(";")[0].strip() == self._session:
            return True
        self._send(request, 454)
        return False

    def _open_stream(self) -> RtpStream:
        """The picture, watched from now on."""
        opening = self.opening
        assert opening is not None  # noqa: S101 -- only who is proven comes here
        if self._stream is None:
            stream = RtpStream(self._writer, on_end=lambda: self.cut("the picture ended"))
            where = opening.session_id, opening.source, opening.stream
            stream.begin(self._pictures.watch(*where, name=opening.system, take=stream.take))
            self._stream = stream
        return self._stream

    def _send(self, request: Request, status: int, headers: dict[str, str] | None = None, body: str = "") -> None:
        self._writer.write(rtsp_wire.answer(request, status, headers, body))


def read_channel(transport: str) -> int | None:
    """The interleaved channel a client proposes in its Transport header; None: it wants something else (UDP)."""
    for offer in transport.split(","):
        parts = [part.strip() for part in offer.split(";")]
        if parts[0].upper() != "RTP/AVP/TCP" or any(part.startswith("mode=") and "RECORD" in part for part in parts):
            continue
        asked = next((part.removeprefix("interleaved=") for part in parts if part.startswith("interleaved=")), "0-1")
        first = asked.split("-")[0]
        if first.isdigit() and int(first) <= 254:
            return int(first)
    return None
