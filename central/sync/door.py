"""The devices' HTTP door: segments, chain records, the trust list. It translates and nothing more.

Every answer carries the next nonce; every refusal is a problem (RFC 9457) whose detail says the remedy. Hashing,
disk and database work happens on threads, so that the door stays open to others meanwhile.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec
from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central.base.clock import Clock
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.evidence import service as evidence
from central.evidence.rules import RecordVerdict
from central.evidence.vault import Vault
from central.sync.admission import Gate
from central.sync.cutting import Lines, end_line
from central.sync.incoming import Incoming, check_body, read_small_body
from central.sync.logs import add_log_routes
from central.sync.problems import ProblemError, add_handlers
from central.sync.proof import Nonces, Proof, Prover, sha256
from central.sync.registry import TRUST_FILE
from central.sync.renewal import add_renewal_route
from central.sync.segments import CBOR, RecordingId, add_proxy_routes, add_segment_routes
from central.sync.tally import CountAnswers, Tally
from contract import chain, door_auth
from contract.signing import CodecError, Signed, loads

log = logging.getLogger(__name__)

CHAIN_REFUSED: Final = door_auth.PROBLEM_PREFIX + "chain-refused"
NOT_HANDED_OVER: Final = door_auth.PROBLEM_PREFIX + "not-handed-over"
MAX_CHAIN_POST_BYTES: Final = 2 * 1024 * 1024
MAX_RECORDS: Final = 1000


@dataclass
class Door:
    """What the routes need. ``refusals`` counts problems by type until somebody writes them down."""

    settings: Settings
    store: Store
    vault: Vault
    receipt_key: Ed25519PrivateKey
    gate: Gate
    prover: Prover
    nonces: Nonces
    refusals: Counter[str] = field(default_factory=Counter)
    known_serials: set[str] = field(default_factory=set)
    lines: Lines = field(default_factory=Lines)
    incoming: Incoming = field(default_factory=Incoming)
    tally: Tally = field(default_factory=Tally)

    async def prove(self, request: Request) -> Proof:
        """Check the token before a byte of the body is read; remember the certificate it shows.

        From here on the request ends as soon as its kit is revoked (`central.sync.cutting`).
        """
        authorization = request.headers.get("authorization", "")
        proof = await to_thread.run_sync(
            lambda: self.prover.check(authorization, method=request.method, path=request.url.path)
        )
        if proof.admission.serial not in self.known_serials:
            await to_thread.run_sync(self._keep_signer, proof)
        admission = proof.admission
        is_known = self.gate.directory.find_by_serial(admission.serial) is not None
        self.lines.follow(request, admission.kit.kit_id, is_known=is_known)
        return proof

    def _keep_signer(self, proof: Proof) -> None:
        admission = proof.admission
        with self.store.write() as uow:
            evidence.keep_signer(uow, admission.kit, admission.serial, admission.chain_pem(self.gate.kits_ca))
        self.known_serials.add(admission.serial)

    def count_problem(self, problem: ProblemError) -> None:
        """Count a refusal by its type."""
        self.refusals[problem.kind.removeprefix(door_auth.PROBLEM_PREFIX)] += 1


def create_app(door: Door) -> FastAPI:
    """The application."""
    app = make_app(door.count_problem)
    add_common_routes(app, door, door.store.clock)
    add_segment_routes(app, door)
    add_proxy_routes(app, door)
    add_log_routes(app, door)
    add_renewal_route(app, door)

    @app.post("/v1/recordings/{recording_id}/chain")
    async def take_records(request: Request, recording_id: RecordingId) -> Response:
        proof = await door.prove(request)
        body = await read_small_body(request, MAX_CHAIN_POST_BYTES)
        check_body(request, proof, sha256(body))
        records = _read_records(body, bytes.fromhex(recording_id))
        verdicts = await to_thread.run_sync(_join_records, door, proof, records)
        for verdict in verdicts:
            if verdict.verdict == "refused":
                raise ProblemError(409, CHAIN_REFUSED, f"Record {verdict.seq}: {verdict.reason}")
        counts = Counter(verdict.verdict for verdict in verdicts)
        return Response(msgspec.json.encode(counts), media_type="application/json")

    app.add_middleware(NonceOnEveryAnswer, nonces=door.nonces)
    app.add_middleware(CountAnswers, tally=door.tally)
    return app


def make_app(count_problem: Callable[[ProblemError], None]) -> FastAPI:
    """An application without routes whose every refusal is a problem."""
    app = FastAPI(title="Zhixing devices' door", openapi_url=None, docs_url=None, redoc_url=None)
    add_handlers(app, count_problem)
    return app


class FrontDoor(Protocol):
    """What every devices' door has, in the centre and in a zone before it."""

    settings: Settings
    nonces: Nonces

    async def prove(self, request: Request) -> Proof:
        """Check a request's token."""
        ...


def add_common_routes(app: FastAPI, door: FrontDoor, clock: Clock) -> None:
    """What a door tells by itself: nonces with the time, and the trust list."""

    @app.get("/v1/nonce")
    async def give_nonce(*, several: bool = False) -> Response:
        # A kit that sends several requests ahead of their answers needs as many nonces.
        more = [door.nonces.make() for _ in range(door_auth.MAX_NONCES_AT_ONCE - 1)] if several else []
        body = {"nonce": door.nonces.make(), "now_ms": clock.now_ms(), "more": more}
        return Response(msgspec.json.encode(body), media_type="application/json")

    @app.get("/v1/trust")
    async def give_trust(request: Request) -> Response:
        await door.prove(request)
        return Response(await to_thread.run_sync(_read_trust, door.settings), media_type=CBOR)


class NonceOnEveryAnswer:
    """Adds the next nonce, so that a kit needs no round trip of its own for it; ends the request's line."""

    def __init__(self, app: ASGIApp, nonces: Nonces) -> None:
        self._app = app
        self._nonces = nonces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with one header more."""

        async def send_with_nonce(message: Message) -> None:
            if message["type"] == "http.response.start":
                header = (door_auth.NONCE_HEADER.lower().encode(), self._nonces.make().encode())
                message = {**message, "headers": [*message.get("headers", []), header]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_nonce if scope["type"] == "http" else send)
        finally:
            end_line(scope)


def _read_records(body: bytes, recording_id: bytes) -> list[Signed]:
    try:
        value = loads(body, limit_bytes=MAX_CHAIN_POST_BYTES)
        if not isinstance(value, list) or not 0 < len(value) <= MAX_RECORDS:
            raise CodecError(f"An array of 1 to {MAX_RECORDS} records is wanted.")
        for item in value:
            if not (isinstance(item, list) and len(item) == 2 and all(isinstance(part, bytes) for part in item)):
                raise CodecError("Each record must be an array of two byte strings.")
    except CodecError as error:
        raise ProblemError(400, door_auth.BAD_REQUEST, f"{error} Send a CBOR array of [body, signature].") from error
    records = [Signed(body, sig) for body, sig in value]
    if any(_names_another(record, recording_id) for record in records):
        raise ProblemError(409, CHAIN_REFUSED, "A record is of another recording: send each to its own recording.")
    return records


def _names_another(record: Signed, recording_id: bytes) -> bool:
    try:
        return chain.decode(record.body).recording_id != recording_id
    except CodecError:
        return False  # evidence refuses it with its own reason, and keeps it aside


def _join_records(door: Door, proof: Proof, records: list[Signed]) -> list[RecordVerdict]:
    with door.store.write() as uow:
        return evidence.accept_chain_records(uow, proof.admission.kit, records)


def _read_trust(settings: Settings) -> bytes:
    try:
        return (Path(settings.handover_dir) / TRUST_FILE).read_bytes()
    except FileNotFoundError as error:
        text = "The device authority has not handed over a trust list yet: try again later."
        raise ProblemError(404, NOT_HANDED_OVER, text, retry_after_s=60) from error
