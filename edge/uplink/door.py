"""The devices' HTTP door from the kit's side: one kept-open connection, each request proven by a JWT."""

import contextlib
import hashlib
import http.client
import secrets
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import jwt
import msgspec

from contract import door_auth
from edge.options import DoorSettings
from edge.spool.store import read_boot_ms
from edge.uplink.identity import Identity
from edge.uplink.link import describe_failure
from edge.uplink.trusted_time import TrustedTime

MAX_ANSWER_BYTES = 256 * 1024
BLOCK_BYTES = 64 * 1024
MAX_RETRY_AFTER_S = 3600


class DoorUnreachableError(RuntimeError):
    """No answer came; the text is one sentence."""


class _ClosedMeanwhileError(RuntimeError):
    """The door closed a kept-open connection: no failure of the network."""


class Answer(msgspec.Struct, frozen=True):
    """What the door said. `problem` is the RFC 9457 type, `detail` its remedy, `retry_after_s` 0 for unsaid."""

    status: int
    body: bytes
    media_type: str = ""
    problem: str = ""
    detail: str = ""
    retry_after_s: float = 0.0

    def describe(self) -> str:
        """One line for log and health report."""
        return f"{self.status} {self.detail or self.problem or 'without a reason'}"


class _Nonce(msgspec.Struct):
    nonce: str
    now_ms: int


class _Problem(msgspec.Struct):
    type: str = ""
    detail: str = ""


class Door:
    """Not shared between threads."""

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
        self._connection: http.client.HTTPSConnection | None = None
        self._nonce = ""

    def get(self, path: str) -> Answer:
        """GET with proof; raises DoorUnreachableError."""
        return self._prove("GET", path, None, door_auth.EMPTY_BODY_DIGEST, {})

    def post(self, path: str, body: bytes, media_type: str) -> Answer:
        """POST with proof; raises DoorUnreachableError."""
        return self._prove("POST", path, body, hashlib.sha256(body).digest(), {"Content-Type": media_type})

    def put_file(self, path: str, file: Path, digest: bytes) -> Answer:
        """PUT a file whose SHA-256 is `digest`, streamed; raises DoorUnreachableError, OSError for the file."""
        headers = {"Content-Type": "application/octet-stream", "Content-Digest": door_auth.content_digest(digest)}
        return self._prove("PUT", path, file, digest, headers)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _prove(
        self, method: str, path: str, body: bytes | Path | None, digest: bytes, headers: dict[str, str]
    ) -> Answer:
        refused = closed = False
        while True:
            if not self._nonce:
                self._fetch_nonce()
            proof = self._make_proof(method, path, digest)
            try:
                answer = self._exchange(method, path, body, {**headers, "Authorization": f"Bearer {proof}"})
            except _ClosedMeanwhileError as error:
                if closed:
                    where = f"{self._host}:{self._port}"
                    raise DoorUnreachableError(f"{where} closes the connection instead of answering") from error
                closed = True  # the door may have seen the proof: the next try has a new one
                continue
            if answer.status != 401 or refused:
                return answer
            # A nonce grows old while the kit is out of reach: once more with a fresh one.
            refused, self._nonce = True, ""

    def _fetch_nonce(self) -> None:
        asked_ms = read_boot_ms()
        try:
            answer = self._exchange("GET", "/v1/nonce", None, {})
        except _ClosedMeanwhileError:
            asked_ms = read_boot_ms()
            answer = self._exchange("GET", "/v1/nonce", None, {})
        try:
            told = msgspec.json.decode(answer.body, type=_Nonce)
        except msgspec.MsgspecError as error:
            raise DoorUnreachableError(
                f"the door gave no nonce ({answer.describe()}): is {self._host}:{self._port} the devices' door?"
            ) from error
        self._nonce = told.nonce
        self._trusted_time.learn_now(told.now_ms, round_trip_ms=read_boot_ms() - asked_ms)

    def _make_proof(self, method: str, path: str, digest: bytes) -> str:
        claims = door_auth.claims(
            self._identity.kit_id,
            method=method,
            path=path,
            body_digest=digest,
            nonce=self._nonce,
            jti=secrets.token_hex(16),
        )
        headers = {
            "typ": door_auth.TOKEN_TYPE,
            "kid": self._identity.serial,
            "x5c": self._identity.x5c(),
        }
        # Each nonce proves one request; the answer brings the next one.
        self._nonce = ""
        return jwt.encode(claims, self._identity.key, algorithm=door_auth.ALGORITHM, headers=headers)

    def _exchange(self, method: str, path: str, body: bytes | Path | None, headers: dict[str, str]) -> Answer:
        """One request; raises _ClosedMeanwhileError only on a connection kept open from before."""
        fresh = self._connection is None
        try:
            return self._exchange_once(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            gone = isinstance(error, ConnectionError | http.client.RemoteDisconnected | ssl.SSLEOFError)
            if gone and not fresh:
                raise _ClosedMeanwhileError from error
            raise DoorUnreachableError(describe_failure(error, f"{self._host}:{self._port}")) from error

    def _exchange_once(self, method: str, path: str, body: bytes | Path | None, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self._host,
                self._port,
                timeout=self._timeout_s,
                context=self._make_context(),
                blocksize=BLOCK_BYTES,
            )
        with contextlib.ExitStack() as stack:
            content: bytes | BinaryIO | None = body if not isinstance(body, Path) else None
            if isinstance(body, Path):
                content = stack.enter_context(body.open("rb"))
                headers = {**headers, "Content-Length": str(body.stat().st_size)}
            self._send(self._connection, method, path, content, headers)
            return self._read_answer(self._connection)

    def _send(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        content: "bytes | BinaryIO | None",
        headers: dict[str, str],
    ) -> None:
        try:
            connection.request(method, path, body=content, headers=headers)
        except (BrokenPipeError, ConnectionResetError):
            # The door may refuse (413, 507) and stop reading; its answer may be waiting all the same.
            if connection.sock is None or method != "PUT":
                raise

    def _read_answer(self, connection: http.client.HTTPSConnection) -> Answer:
        response = connection.getresponse()
        body = response.read(MAX_ANSWER_BYTES + 1)
        if len(body) > MAX_ANSWER_BYTES or response.getheader("Connection", "").lower() == "close":
            self.close()
        self._nonce = response.getheader(door_auth.NONCE_HEADER) or ""
        media_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        problem = _Problem()
        if media_type == "application/problem+json":
            with contextlib.suppress(msgspec.MsgspecError):
                problem = msgspec.json.decode(body, type=_Problem)
        return Answer(
            status=response.status,
            body=body,
            media_type=media_type,
            problem=problem.type,
            detail=problem.detail[:300],
            retry_after_s=_read_retry_after(response.getheader("Retry-After") or ""),
        )


def _read_retry_after(text: str) -> float:
    return float(min(int(text), MAX_RETRY_AFTER_S)) if text.isdecimal() and len(text) < 9 else 0.0
