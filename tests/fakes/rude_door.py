"""A devices' door over real TLS that checks every proof and then behaves as badly as the test asks."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract import door_auth, receipts
from contract.signing import loads


@dataclass
class Request:
    """What came in, its proof already checked."""

    method: str
    path: str
    body: bytes
    digest: str
    kit_id: str

    def receipt(self, key: Ed25519PrivateKey, **changes: object) -> bytes:
        _, _, _, rid, _, seq = self.path.split("/")
        facts: dict[str, object] = {
            "recording_id": bytes.fromhex(rid),
            "seq": int(seq),
            "cipher_hash": hashlib.sha256(self.body).digest(),
            "length": len(self.body),
            "stored_ms": 1,
            "centre": "云29",
            **changes,
        }
        return receipts.sign_segment_receipt(key, receipts.SegmentReceipt(**facts))  # type: ignore[arg-type]


@dataclass
class Reply:
    """What goes out; `silence_s` delays it past the kit's patience."""

    status: int
    body: bytes = b""
    media_type: str = "application/cbor"
    headers: dict[str, str] = field(default_factory=dict)
    silence_s: float = 0.0
    hang_up: bool = False


def problem(status: int, kind: str, detail: str = "said the door", **headers: str) -> Reply:
    body = json.dumps({"type": kind, "detail": detail}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body, "application/problem+json", named)


class RudeDoor:
    """`moods` are used up one a PUT; afterwards the door is honest and gives true receipts."""

    def __init__(self, keys: Path, receipt_key: Ed25519PrivateKey, *, trust: bytes) -> None:
        self.receipt_key = receipt_key
        self.trust = trust
        self.moods: list[Callable[[Request], Reply]] = []
        self.chain_moods: list[Callable[[Request], Reply]] = []
        self.requests: list[Request] = []
        self.records: dict[str, list[list[bytes]]] = {}
        self.nonces: set[str] = set()
        self.proof_errors: list[str] = []
        self.shown: dict[str, x509.Certificate] = {}
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                door._answer(self)

            def do_PUT(self) -> None:
                door._answer(self)

            def do_HEAD(self) -> None:
                door._answer(self)

            def do_POST(self) -> None:
                door._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys / "server.crt", keys / "server.key")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # kits hang up: that is the test
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}"

    @property
    def puts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "PUT"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if handler.path.startswith("/v1/nonce"):
            more = [self._make_nonce() for _ in range(7)] if "several=true" in handler.path else []
            told = {"nonce": self._make_nonce(), "now_ms": time.time_ns() // 1_000_000, "more": more}
            self._send(handler, Reply(200, json.dumps(told).encode(), "application/json"))
            return
        try:
            kit_id = self._check_proof(handler, body)
        except (jwt.PyJWTError, KeyError, ValueError) as error:
            self.proof_errors.append(str(error))
            self._send(handler, problem(401, door_auth.BAD_TOKEN, str(error)))
            return
        digest = handler.headers.get("Content-Digest") or ""
        request = Request(handler.command, handler.path, body, digest, kit_id)
        self.requests.append(request)
        self._send(handler, self._decide(request))

    def _decide(self, request: Request) -> Reply:
        if request.method == "HEAD":
            return Reply(200, b"", headers={door_auth.OFFSET_HEADER: "0"})
        if request.path == "/v1/trust":
            return Reply(200, self.trust)
        if request.method == "POST":
            if self.chain_moods:
                return self.chain_moods.pop(0)(request)
            self.records.setdefault(request.path.split("/")[3], []).extend(loads(request.body))
            return Reply(200, b"", "application/json")
        if self.moods:
            return self.moods.pop(0)(request)
        return Reply(201, request.receipt(self.receipt_key))

    def _make_nonce(self) -> str:
        nonce = secrets.token_urlsafe(12)
        self.nonces.add(nonce)
        return nonce

    def _check_proof(self, handler: BaseHTTPRequestHandler, body: bytes) -> str:
        scheme, _, token = handler.headers["Authorization"].partition(" ")
        assert scheme == "Bearer"
        head = jwt.get_unverified_header(token)
        if "x5c" in head:
            leaf = x509.load_der_x509_certificate(base64.b64decode(head["x5c"][0]))
            issuer = x509.load_der_x509_certificate(base64.b64decode(head["x5c"][1]))
            leaf.verify_directly_issued_by(issuer)
            self.shown[door_auth.thumbprint(base64.b64decode(head["x5c"][0]))] = leaf
        else:
            leaf = self.shown[head[door_auth.THUMBPRINT]]
        if head["typ"] != door_auth.TOKEN_TYPE or head.get("kid") not in (None, f"{leaf.serial_number:x}"):
            raise ValueError("wrong header")
        claims = jwt.decode(
            token,
            leaf.public_key(),  # type: ignore[arg-type]
            algorithms=[door_auth.ALGORITHM],
            audience=door_auth.AUDIENCE,
            options={"require": ["aud", "iss", "sub", "jti"]},
        )
        wanted = (handler.command, handler.path, door_auth.body_hash(hashlib.sha256(body).digest()))
        if (claims["htm"], claims["htu"], claims["bh"]) != wanted:
            raise ValueError("the proof is of another request")
        if claims["nonce"] not in self.nonces:
            raise ValueError("the nonce is not known or was used")
        self.nonces.discard(claims["nonce"])
        return str(claims["sub"])

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        time.sleep(reply.silence_s)
        if reply.hang_up:
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        handler.send_header("Content-Type", reply.media_type)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.send_header(door_auth.NONCE_HEADER, self._make_nonce())
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(reply.body)
