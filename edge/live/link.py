"""Connections to the relay: proven by the device key, over TCP that does not hoard what is already late."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from contract import door_auth
from contract.live import CLOSE_UNPROVEN, NONCE_PATH
from edge.live.sessions import Sessions
from edge.reach import tcp
from edge.reach.identity import Identity
from edge.reach.proofs import Proofs
from edge.reach.trusted_time import DatedContext, TrustedTime
from edge.settings import Settings
from edge.spool.store import read_boot_ms

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

CONNECT_S: Final = 2.5
OPEN_S: Final = 4.0
MAX_ANSWER_BYTES: Final = 16 * 1024
# What comes from the relay: control messages, acknowledgements, packets of voice.
MAX_MESSAGE_BYTES: Final = 64 * 1024
WRITE_LIMIT_BYTES: Final = 16 * 1024
NOTSENT_LOWAT_BYTES: Final = 16 * 1024
_TCP_NOTSENT_LOWAT: Final = 25  # linux/tcp.h


class LinkError(RuntimeError):
    """No connection to the relay came about; the text is one sentence."""


class RefusedError(LinkError):
    """The relay does not want this kit now; ``code`` is the HTTP status or the close code of ``contract.live``."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


FAILURES: Final = (LinkError, OSError, TimeoutError, EOFError)


class _Nonce(msgspec.Struct):
    nonce: str
    now_ms: int = 0
    more: list[str] = []


class Connector:
    """Makes connections for one process; the nonces at hand serve several."""

    def __init__(
        self,
        settings: Settings,
        sessions: Sessions,
        trusted_time: TrustedTime,
        *,
        load_identity: Callable[[Path], Identity] = Identity,
    ) -> None:
        self._settings, self._sessions, self._trusted_time = settings, sessions, trusted_time
        self._load_identity = load_identity
        self._identity_of = 0
        self._identity: Identity | None = None
        self._proofs: Proofs | None = None
        self._context: DatedContext | None = None
        self._asking = asyncio.Lock()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the relay now; raises LinkError when nobody has told one."""
        current = self._sessions.current
        url = self._settings.live.url or (current[-1].url if current else "")
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port or 443
        except ValueError:
            host, port = None, 0
        if not host or parts.scheme not in ("https", "wss"):
            raise LinkError(f"{url!r} is no address of a relay: set live.url or have the centre send one.")
        return host, port

    def forget_proofs(self) -> None:
        """The relay did not take the last one: the next comes with a fresh nonce and the whole certificate."""
        if self._proofs is not None:
            self._proofs.forget()

    async def connect(self, path: str) -> ClientConnection:
        """A proven WebSocket to ``path``; raises LinkError, OSError or TimeoutError (`FAILURES`)."""
        try:
            return await self._connect(path)
        except RefusedError as error:
            if error.code not in (401, CLOSE_UNPROVEN):
                raise
        # A nonce grows old while the kit is out of reach: once more with a fresh one.
        self.forget_proofs()
        return await self._connect(path)

    async def _connect(self, path: str) -> ClientConnection:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

        host, port = self.address
        async with self._asking:
            proofs, context = self._load()
            if not proofs.has_nonce():
                async with asyncio.timeout(CONNECT_S):
                    proofs.renew(await self._fetch_nonces(host, port, context))
            token = proofs.make("GET", path, door_auth.EMPTY_BODY_DIGEST)
        connection = await dial(host, port)
        try:
            opened = await connect(
                f"wss://{host}:{port}{path}",
                sock=connection,
                ssl=context,
                server_hostname=host,
                additional_headers={"Authorization": f"Bearer {token}"},
                user_agent_header=None,
                compression=None,
                proxy=None,
                open_timeout=OPEN_S,
                close_timeout=0.5,
                ping_interval=5.0,
                ping_timeout=10.0,
                max_size=MAX_MESSAGE_BYTES,
                write_limit=WRITE_LIMIT_BYTES,
            )
        except InvalidStatus as error:
            connection.close()
            code = error.response.status_code
            raise RefusedError(f"{host}:{port} answers {code}", code) from error
        except (InvalidHandshake, WebSocketException) as error:
            connection.close()
            raise LinkError(f"{host}:{port} is no relay ({error})") from error
        except BaseException:
            connection.close()
            raise
        proofs.note_known()
        return opened

    def _load(self) -> tuple[Proofs, DatedContext]:
        # The certificate is renewed by the control process while this one works.
        changed = (self._settings.data_dir / "device.crt").stat().st_mtime_ns
        if self._identity is None or changed != self._identity_of or self._proofs is None or self._context is None:
            self._identity, self._identity_of = self._load_identity(self._settings.data_dir), changed
            self._proofs = Proofs(self._identity)
            self._context = self._identity.make_tls_context(self._trusted_time, with_certificate=False)
        return self._proofs, self._context

    async def _fetch_nonces(self, host: str, port: int, context: ssl.SSLContext) -> list[str]:
        connection = await dial(host, port)
        reader, writer = await asyncio.open_connection(sock=connection, ssl=context, server_hostname=host)
        try:
            head = f"GET {NONCE_PATH}?several=true HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
            asked_ms = read_boot_ms()
            writer.write(head.encode("latin-1"))
            answer = await reader.read(MAX_ANSWER_BYTES)
            while b"}" not in answer and (more := await reader.read(MAX_ANSWER_BYTES)):
                answer += more
        finally:
            writer.close()
            # A peer that leaves without TLS's own farewell has said all it had to.
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(0.2):
                    await writer.wait_closed()
        return self._read_nonces(answer, f"{host}:{port}", asked_ms)

    def _read_nonces(self, answer: bytes, where: str, asked_ms: int) -> list[str]:
        _, _, body = answer.partition(b"\r\n\r\n")
        try:
            told = msgspec.json.decode(body[body.find(b"{") : body.rfind(b"}") + 1], type=_Nonce)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            first = answer.partition(b"\r\n")[0][:100].decode("latin-1")
            raise LinkError(f"{where} gave no nonce ({first}): is it the relay?") from error
        if told.now_ms:
            self._trusted_time.learn_now(told.now_ms, round_trip_ms=read_boot_ms() - asked_ms)
        return [told.nonce, *told.more]


async def dial(host: str, port: int) -> socket.socket:
    """A TCP connection with the options of `edge.reach.tcp` and little room for what is not sent yet.

    Raises OSError or TimeoutError.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_S):
        family, _, _, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await loop.sock_connect(connection, address)
            tcp.make_stubborn(connection)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
        except BaseException:
            connection.close()
            raise
    return connection


def drop(connection: ClientConnection) -> None:
    """End a connection at once; what lies in the kernel is thrown away, not sent when the light comes back."""
    found = connection.transport.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


def find_source_address(host: str, port: int) -> str:
    """The address this machine would call ``host`` from; "" without a way there. Sends nothing."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
    except OSError:
        return ""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address)
            return str(probe.getsockname()[0])
        except OSError:
            return ""
