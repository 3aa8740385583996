"""A relay of one kit for tests of the kit alone: real TLS, nonces, proofs and frames; it looks by itself as told.

Not the centre's relay (`central.relay`), which has viewers and rights; here the test says what is wanted, hears what
comes and can be as rude as it likes. Runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from contract import door_auth
from contract.live import (
    NONCE_PATH,
    PICTURE_PATH,
    VOICE_PATH,
    WANTS_ACK,
    Control,
    Frame,
    Type,
    Want,
    pack,
    pack_control,
    read_control,
    unpack,
)


@dataclass(frozen=True)
class Came:
    """A frame and when it came (wall clock, seconds)."""

    frame: Frame
    at_s: float

    @property
    def age_ms(self) -> float:
        return self.at_s * 1000 - self.frame.time_us / 1000


@dataclass
class SmallRelay:
    """``wants`` is said to each picture connection; ``acks`` False: it goes silent without closing."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    wants: list[int] = field(default_factory=lambda: [0])
    acks: bool = True
    close_with: int = 0
    came: list[Came] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._nonces: set[str] = set()
        self._known: dict[str, x509.Certificate] = {}
        self.open: list[ServerConnection] = []
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(20):
            raise RuntimeError("the small relay did not start")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()

    def want(self, *streams: int, key: bool = False) -> None:
        self.wants = list(streams)
        self.say(Want(list(streams), key))

    def say(self, message: Control) -> None:
        self.send(pack_control(message))

    def send(self, data: bytes | str) -> None:
        async def run() -> None:
            for connection in list(self.open):
                await connection.send(data)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def close_all(self, code: int) -> None:
        async def run() -> None:
            for connection in list(self.open):
                await connection.close(code)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def pictures(self, stream: int = 0, *, since_s: float = 0.0) -> list[Came]:
        return [
            item
            for item in list(self.came)
            if item.frame.type is Type.VIDEO and item.frame.stream == stream and item.at_s >= since_s
        ]

    async def _serve(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        server: Server = await serve(
            self._handle,
            self.host,
            self.port,
            ssl=context,
            process_request=self._check,
            compression=None,
            max_size=None,
            ping_interval=None,
            close_timeout=0.2,
        )
        self.port = next(iter(server.sockets)).getsockname()[1]
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            server.close()
            await server.wait_closed()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path.startswith(NONCE_PATH):
            fresh = [secrets.token_urlsafe(12) for _ in range(4)]
            self._nonces.update(fresh)
            body = json.dumps({"nonce": fresh[0], "more": fresh[1:], "now_ms": int(time.time() * 1000)}).encode()
            headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
            return Response(HTTPStatus.OK, "OK", headers, body)
        try:
            self._prove(request)
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            self.refused.append(repr(error))
            return connection.respond(HTTPStatus.UNAUTHORIZED, "unproven")
        return None

    def _prove(self, request: Request) -> None:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        head = jwt.get_unverified_header(token)
        if "x5c" in head:
            import base64

            leaf = x509.load_der_x509_certificate(base64.b64decode(head["x5c"][0]))
            self._known[door_auth.thumbprint(base64.b64decode(head["x5c"][0]))] = leaf
        else:
            leaf = self._known[head[door_auth.THUMBPRINT]]
        key: Any = leaf.public_key()
        claims = jwt.decode(token, key, algorithms=["ES256"], audience=door_auth.AUDIENCE)
        if claims["htm"] != "GET" or claims["htu"] != request.path or claims["nonce"] not in self._nonces:
            raise ValueError("the proof is for something else")
        if claims["bh"] != door_auth.body_hash(door_auth.EMPTY_BODY_DIGEST):
            raise ValueError("the proof is for another body")
        self._nonces.discard(claims["nonce"])

    async def _handle(self, connection: ServerConnection) -> None:
        path = connection.request.path if connection.request else ""
        if path == PICTURE_PATH:
            self.connections.append(time.time())
        if self.close_with:
            await connection.close(self.close_with)
            return
        if path not in (PICTURE_PATH, VOICE_PATH):
            await connection.close(1002)
            return
        self.open.append(connection)
        try:
            if path == PICTURE_PATH:
                await connection.send(pack_control(Want(self.wants)))
            async for message in connection:
                if isinstance(message, bytes):
                    await self._take(connection, message)
        except ConnectionClosed:
            return
        finally:
            self.open.remove(connection)

    async def _take(self, connection: ServerConnection, message: bytes) -> None:
        frame = unpack(message)
        self.came.append(Came(frame, time.time()))
        if frame.type is Type.CONTROL:
            self.controls.append(read_control(frame))
        if frame.flags & WANTS_ACK and self.acks:
            await connection.send(pack(Type.ACK, stream=frame.stream, seq=frame.seq))


@contextmanager
def run_relay(folder: Path, **options: Any) -> Iterator[SmallRelay]:
    relay = SmallRelay(folder, **options)
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()
