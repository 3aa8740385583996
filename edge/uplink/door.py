"""The devices' HTTP door from the kit's side: one kept-open connection, each request proven by a JWT.

Files are sent without waiting for the answers before them, so that a slow link is never empty for a round trip.
"""

import contextlib
import hashlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from contract import door_auth
from edge.options import DoorSettings
from edge.reach.identity import Identity
from edge.reach.proofs import Proofs
from edge.reach.trusted_time import TrustedTime
from edge.spool.store import read_boot_ms
from edge.uplink.door_answers import Answer, read_answer
from edge.uplink.http_answers import MalformedAnswerError
from edge.uplink.link_failures import describe_failure
from edge.uplink.pace import Speed
from edge.uplink.wire import StoppedError, Wire

MAX_ANSWER_BYTES = 256 * 1024


class DoorUnreachableError(RuntimeError):
    """No answer came; the text is one sentence. What was in flight may have come through or not.

    `had_answered`: on this connection the door had given an answer before.
    """

    had_answered = False


class DoorClosedError(DoorUnreachableError):
    """The door closed a connection that had worked: no failure of the network."""


class _Nonce(msgspec.Struct):
    nonce: str
    now_ms: int
    more: list[str] = []


class Door:
    """Not shared between threads.

    `get`, `head` and `post` bring their answer and are not for when files are in flight; of `send_file` several may
    be, and `take_answer` gives their answers in the order they were sent.
    """

    def __init__(
        self,
        settings: DoorSettings,
        identity: Identity,
        trusted_time: TrustedTime,
        *,
        make_context: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        parts = urlsplit(settings.url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._timeout_s = settings.timeout_s
        self._identity = identity
        self._trusted_time = trusted_time
        self._make_context = make_context or (lambda: identity.make_tls_context(trusted_time))
        self._wire: Wire | None = None
        self._proofs = Proofs(identity)
        self._ahead: set[int] = set()  # requests on this connection whose answer nobody waits for
        self.speed = Speed()

    @property
    def in_flight(self) -> int:
        """Files sent whose answer was not taken yet."""
        return self._wire.outstanding - len(self._ahead) if self._wire is not None else 0

    @property
    def can_send(self) -> bool:
        """Whether another file may be sent ahead: a proof needs a nonce, and to fetch one is a request itself."""
        if self._wire is not None and self._wire.is_spent:
            return False
        return self._proofs.has_nonce() or not self.in_flight

    def get(self, path: str) -> Answer:
        """GET with proof; raises DoorUnreachableError."""
        return self._prove("GET", path, b"", {})

    def head(self, path: str) -> Answer:
        """HEAD with proof; raises DoorUnreachableError."""
        return self._prove("HEAD", path, b"", {})

    def post(self, path: str, body: bytes, media_type: str) -> Answer:
        """POST with proof; raises DoorUnreachableError."""
        return self._prove("POST", path, body, {"Content-Type": media_type})

    def post_ahead(self, path: str, body: bytes, media_type: str) -> bool:
        """POST ahead of a file, without waiting: `take_answer` passes over its answer. Raises DoorUnreachableError.

        False, and nothing was sent, where that file would then lack a nonce. Whoever needs what was posted says so.
        """
        if not self.can_send or not self._proofs.has_nonce(2):
            return False
        headers = {"Content-Type": media_type, "Content-Length": str(len(body))}
        with self._closing_on_failure():
            wire = self._send_head("POST", path, hashlib.sha256(body).digest(), headers, body)
            self._ahead.add(wire.asked)
        return True

    def send_file(
        self,
        path: str,
        file: Path,
        digest: bytes,
        *,
        offset: int = 0,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """PUT a file whose SHA-256 is `digest`, from `offset` on, without waiting for the answer.

        Raises DoorUnreachableError, wire.StoppedError (when `should_stop` said so; then nothing is in flight any
        more), OSError for the file.
        """
        with file.open("rb") as content:
            content.seek(offset)
            # No Content-Digest: the token names the digest and is signed. Each byte here goes with every segment.
            headers = {"Content-Length": str(file.stat().st_size - offset)}
            if offset:
                headers[door_auth.OFFSET_HEADER] = str(offset)
            with self._closing_on_failure():
                wire = self._send_head("PUT", path, digest, headers)
                wire.send_file(content, should_stop=should_stop)

    def take_answer(self) -> Answer:
        """The answer to the oldest file in flight; raises DoorUnreachableError, after which nothing is."""
        with self._closing_on_failure():
            self._pass_over()
            return self._receive()

    def forget_nonces(self) -> None:
        """The door does not take them any more; it may not know the certificate any more, either."""
        self._proofs.forget()

    def ask_time(self) -> None:
        """Have the centre tell the time, which asks for no proof; raises DoorUnreachableError."""
        with self._closing_on_failure():
            self._pass_over()
            self._fetch_nonces()

    def close(self) -> None:
        """Close the connection; what was in flight may have come through or not."""
        self._ahead.clear()
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _pass_over(self) -> None:
        """Take the answers nobody waits for, as far as they come next."""
        while self._wire is not None and self._wire.answered + 1 in self._ahead:
            self._ahead.discard(self._wire.answered + 1)
            self._receive()

    def _prove(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        digest = hashlib.sha256(body).digest()
        if body:
            headers = {**headers, "Content-Length": str(len(body))}
        closed = refused = False
        while True:
            try:
                with self._closing_on_failure():
                    self._pass_over()
                    self._send_head(method, path, digest, headers, body)
                    answer = self._receive()
            except DoorClosedError:
                if closed:
                    raise
                closed = True  # the door may have seen the proof: the next try has a new one
                continue
            if answer.status != 401 or refused:
                if answer.status < 400:
                    self._proofs.note_known()
                return answer
            # A nonce grows old while the kit is out of reach: once more with a fresh one.
            refused = True
            self._proofs.forget()

    def _send_head(self, method: str, path: str, digest: bytes, headers: dict[str, str], body: bytes = b"") -> Wire:
        if not self._proofs.has_nonce():
            self._fetch_nonces()
        proof = self._proofs.make(method, path, digest)
        wire = self._connect()
        wire.send_head(method, self._write_head(method, path, {**headers, "Authorization": f"Bearer {proof}"}) + body)
        return wire

    def _write_head(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _connect(self) -> Wire:
        if self._wire is not None and not self._wire.outstanding and not self._wire.is_open():
            self.close()  # kept open from before, and closed by the door meanwhile
        if self._wire is None:
            self._wire = Wire(
                self._host,
                self._port,
                self._make_context(),
                timeout_s=self._timeout_s,
                speed=self.speed,
                max_answer_bytes=MAX_ANSWER_BYTES,
            )
        return self._wire

    @contextlib.contextmanager
    def _closing_on_failure(self) -> Iterator[None]:
        try:
            yield
        except StoppedError:
            self.close()
            raise
        except (OSError, MalformedAnswerError) as error:
            had_worked = self._wire is not None and self._wire.answered > 0
            self.close()
            where = f"{self._host}:{self._port}"
            if had_worked and isinstance(error, ConnectionError | ssl.SSLEOFError):
                failure: DoorUnreachableError = DoorClosedError(f"{where} closes the connection instead of answering")
            elif isinstance(error, MalformedAnswerError):
                failure = DoorUnreachableError(f"{error}: is {where} the devices' door?")
            else:
                failure = DoorUnreachableError(describe_failure(error, where))
            failure.had_answered = had_worked
            raise failure from error

    def _fetch_nonces(self) -> None:
        wire = self._connect()
        asked_ms = read_boot_ms()
        wire.send_head("GET", self._write_head("GET", "/v1/nonce?several=true", {}))
        answer = self._receive()
        try:
            told = msgspec.json.decode(answer.body, type=_Nonce)
        except msgspec.MsgspecError as error:
            raise DoorUnreachableError(
                f"the door gave no nonce ({answer.describe()}): is {self._host}:{self._port} the devices' door?"
            ) from error
        self._proofs.renew([told.nonce, *told.more])
        self._trusted_time.learn_now(told.now_ms, round_trip_ms=read_boot_ms() - asked_ms)

    def _receive(self) -> Answer:
        wire = self._wire
        if wire is None:
            raise DoorUnreachableError(f"nothing is on its way to {self._host}:{self._port}")
        raw = wire.receive()
        if raw.closes:
            self.close()
        nonce = raw.headers.get(door_auth.NONCE_HEADER.lower())
        if nonce:
            self._proofs.add(nonce)
        return read_answer(raw)
