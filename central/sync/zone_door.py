"""The zone's devices' door: it judges who sends, holds what came whole, and hands out what the inside answered.

It knows no rule about recordings: a request is held as it came, with the kit's proof, and the door inside
(`central.sync.door`) answers it. While the inside is there, the kit waits for that answer; else it is told
"held" (202), which is no receipt.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from anyio import to_thread
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI, Request, Response

from central.base.clock import Clock
from central.base.settings import Settings
from central.evidence.vault import Draft
from central.sync.admission import Gate
from central.sync.cutting import Lines
from central.sync.door import NonceOnEveryAnswer, add_common_routes, make_app
from central.sync.incoming import (
    Claim,
    CutShortError,
    Incoming,
    check_body,
    check_content_digest,
    receive,
    too_large,
)
from central.sync.problems import ProblemError, answer_with
from central.sync.proof import Nonces, Proof, Prover
from central.sync.segments import read_offset, read_token_digest
from central.sync.zone_store import Held, Verdict, ZoneStore, name_place, name_request, now_ms
from contract import door_auth

# While the inside is there, its answer takes a round trip and its disk: worth waiting for.
ANSWER_S: Final = 5.0
# The inside asks all the time; silent for longer, it is away.
AWAY_AFTER_S: Final = 5.0
HELD_RETRY_S: Final = 5
# The more of a kit is held, the less often it asks for each; an answer makes it ask for all.
RETRY_PER_HELD_S: Final = 4
MAX_RETRY_S: Final = 600


class Inside:
    """What the two doors of the zone tell each other. Used on their one event loop only."""

    def __init__(self) -> None:
        self.held = asyncio.Event()
        self._asked_s = -AWAY_AFTER_S
        self._asking = 0
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @property
    def is_there(self) -> bool:
        """Whether the inside fetches."""
        return self._asking > 0 or time.monotonic() - self._asked_s < AWAY_AFTER_S

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """While the inside's question is open."""
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            self._asked_s = time.monotonic()

    def tell_answered(self, name: str) -> None:
        """Wake whoever waits for the answer to a request."""
        for event in self._waiting.get(name, ()):
            event.set()

    async def wait_answered(self, name: str, limit_s: float) -> None:
        """Wait for the answer, at most so long."""
        event = asyncio.Event()
        self._waiting[name].add(event)
        try:
            async with asyncio.timeout(limit_s):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting[name].discard(event)
            if not self._waiting[name]:
                del self._waiting[name]


@dataclass
class ZoneDoor:
    """What the routes need. ``refusals`` counts problems by type."""

    settings: Settings
    clock: Clock
    store: ZoneStore
    gate: Gate
    prover: Prover
    nonces: Nonces
    inside: Inside = field(default_factory=Inside)
    refusals: Counter[str] = field(default_factory=Counter)
    lines: Lines = field(default_factory=Lines)
    incoming: Incoming = field(default_factory=Incoming)
    follow: Callable[[], Awaitable[None]] | None = None
    """Puts a changed register in force at once (`central.sync.zone_process`)."""

    async def prove(self, request: Request) -> Proof:
        """Check the token before a byte of the body is read; the request ends when its kit is revoked."""
        authorization = request.headers.get("authorization", "")
        proof = await to_thread.run_sync(
            lambda: self.prover.check(authorization, method=request.method, path=request.url.path)
        )
        admission = proof.admission
        is_known = self.gate.directory.find_by_serial(admission.serial) is not None
        self.lines.follow(request, admission.kit.kit_id, is_known=is_known)
        return proof

    def count_problem(self, problem: ProblemError) -> None:
        """Count a refusal by its type."""
        self.refusals[problem.kind.removeprefix(door_auth.PROBLEM_PREFIX)] += 1


def create_zone_app(door: ZoneDoor) -> FastAPI:
    """The application that kits reach."""
    app = make_app(door.count_problem)
    add_common_routes(app, door, door.clock)

    @app.head("/v1/{place:path}")
    async def tell_offset(request: Request) -> Response:
        proof = await door.prove(request)
        place = name_place(proof.admission.kit.kit_id, "PUT", request.url.path)
        offset = await _find_offset(door, place)
        return Response(headers={door_auth.OFFSET_HEADER: str(offset), "Cache-Control": "no-store"})

    @app.api_route("/v1/{place:path}", methods=["PUT", "POST"])
    async def take(request: Request) -> Response:
        proof = await door.prove(request)
        digest = read_token_digest(proof)
        name = name_request(proof.admission.kit.kit_id, request.method, request.url.path, digest)
        if door.store.find_held(name) is None and not await _has_answer(door, name):
            await _judge_head(request, door, digest)
            async with door.incoming.claim(name) as claim:
                if door.store.find_held(name) is None:
                    await _take(request, door, proof, claim, name)
        return await _answer(request, door, proof, name)

    app.add_middleware(NonceOnEveryAnswer, nonces=door.nonces)
    return app


async def _find_offset(door: ZoneDoor, place: str) -> int:
    held = door.store.find_waiting(place)
    if held is not None:
        return held.length
    answered = await to_thread.run_sync(door.store.find_answered_length, place)
    if answered:
        return answered
    part = door.store.find_part(place)
    if not part:
        return 0
    await door.incoming.take_over(part)
    return door.store.measure_part(part)


async def _has_answer(door: ZoneDoor, name: str) -> bool:
    return await to_thread.run_sync(door.store.has_answer, name)


async def _judge_head(request: Request, door: ZoneDoor, digest: bytes) -> None:
    """Refuse before the body what would be refused after it."""
    offset, told = read_offset(request), request.headers.get("content-length")
    limit = door.settings.max_segment_bytes
    coming = int(told) if told is not None else 0
    if offset + coming > limit:
        raise too_large(limit)
    if offset == 0:
        check_content_digest(request, digest)
    await to_thread.run_sync(door.store.check_room, coming)


async def _take(request: Request, door: ZoneDoor, proof: Proof, claim: Claim, name: str) -> None:
    """Receive the body, or the rest of it, and hold the whole."""
    offset = read_offset(request)
    if offset and door.store.measure_part(name) != offset:
        raise ProblemError(
            409,
            door_auth.OFFSET_MISMATCH,
            f"What came of this does not end at byte {offset}: ask how far it came (HEAD), and go on from there.",
        )
    draft = await to_thread.run_sync(lambda: door.store.open_draft(name, resume=offset > 0))
    try:
        await receive(claim, request, draft, limit_bytes=door.settings.max_segment_bytes)
        check_body(request, proof, draft.digest.digest(), is_whole=offset == 0)
        await to_thread.run_sync(door.store.hold, draft, _describe(request, proof, draft, name))
    except CutShortError as cut:
        draft.keep()
        raise cut.problem from cut
    except BaseException:
        await to_thread.run_sync(draft.discard)
        raise
    door.inside.held.set()


def _describe(request: Request, proof: Proof, draft: Draft, name: str) -> Held:
    return Held(
        id=name,
        number=0,
        kit_id=proof.admission.kit.kit_id,
        method=request.method,
        path=request.url.path,
        token=request.headers["authorization"],
        certificate=proof.admission.certificate.public_bytes(Encoding.DER),
        media_type=request.headers.get("content-type", ""),
        digest=draft.digest.hexdigest(),
        length=draft.length,
        held_ms=now_ms(),
    )


async def _answer(request: Request, door: ZoneDoor, proof: Proof, name: str) -> Response:
    """The inside's answer, waited for while it is there; else that the request is held."""
    if door.store.find_held(name) is not None and door.inside.is_there:
        await door.inside.wait_answered(name, ANSWER_S)
    lasts = request.method == "PUT"
    verdict = await to_thread.run_sync(lambda: door.store.find_answer(name, lasts=lasts))
    if verdict is not None:
        return _hand_out(verdict)
    wait_s = HELD_RETRY_S + RETRY_PER_HELD_S * door.store.count_of(proof.admission.kit.kit_id)
    text = "The zone holds it whole; the centre has not answered yet: keep it, ask again later."
    return answer_with(ProblemError(202, door_auth.HELD, text, retry_after_s=min(wait_s, MAX_RETRY_S)))


def _hand_out(verdict: Verdict) -> Response:
    headers = {"Retry-After": verdict.retry_after} if verdict.retry_after else {}
    return Response(verdict.body, verdict.status, headers=headers, media_type=verdict.media_type or None)
