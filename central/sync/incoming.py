"""Segments on their way in: each is received in one place at a time, and what a cut left is taken up again.

A kit on a bad link comes back before its old connection is known to be dead here. Whoever asks for a segment's
offset or sends more of it takes it over: the older request ends, and what it had received stays in the part.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from anyio import to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect

from central.evidence.vault import Draft
from central.sync.cutting import Line
from central.sync.problems import ProblemError
from central.sync.proof import Proof, body_matches
from contract import door_auth

TOO_SLOW: Final = door_auth.PROBLEM_PREFIX + "too-slow"
# A body may pause this long; then its connection is given to somebody else.
PAUSE_S: Final = 60.0
# What came is written this often at the latest: so much of a bad link's work is at stake when this process dies.
WRITE_EVERY_S: Final = 0.5
WRITE_BYTES: Final = 512 * 1024
_CONTENT_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/=]{44}):")


class CutShortError(Exception):
    """The body did not come to its end; what came of it is in the draft. ``problem`` is what the kit is told."""

    def __init__(self, problem: ProblemError) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass
class Claim:
    """One request's hold on one segment."""

    limit: asyncio.Timeout | None = None
    is_superseded: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """Somebody else goes on with the segment: wait for no more of this request's body."""
        self.is_superseded = True
        if self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time())

    @property
    def pause_s(self) -> float | None:
        """How long the body may be waited for here: once somebody else goes on, only what is at hand is taken."""
        return 0.0 if self.is_superseded else None

    def explain_end(self) -> ProblemError:
        """Why no more of the body is waited for."""
        if self.is_superseded:
            text = "The kit goes on with this segment over another connection."
            return ProblemError(409, door_auth.OFFSET_MISMATCH, text)
        text = "The body paused for too long: ask how far it came, and go on from there."
        return ProblemError(408, TOO_SLOW, text)


class Incoming:
    """Which segments are being received, by name. One per door; used on its event loop only."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}

    async def take_over(self, name: str) -> None:
        """End the request that receives this segment, if there is one, and wait until its part is written."""
        while (claim := self._claims.get(name)) is not None:
            claim.end()
            await claim.done.wait()

    @contextlib.asynccontextmanager
    async def claim(self, name: str) -> AsyncIterator[Claim]:
        """Be the one request that receives this segment, from the opening of its draft to its receipt."""
        await self.take_over(name)
        claim = self._claims[name] = Claim()
        try:
            yield claim
        finally:
            del self._claims[name]
            claim.done.set()


async def receive(claim: Claim, request: Request, draft: Draft, *, limit_bytes: int) -> None:
    """Write the request's body to the draft. Raises CutShortError, ProblemError (413)."""
    await _write_parts(_parts(request, claim), draft, limit_bytes)


async def read_small_body(request: Request, limit_bytes: int) -> bytes:
    """A body that fits into memory. Raises ProblemError (400, 408, 413)."""
    body = bytearray()
    try:
        async for part in _parts(request, Claim()):
            body += part
            if len(body) > limit_bytes:
                raise too_large(limit_bytes)
    except CutShortError as cut:
        raise cut.problem from cut
    return bytes(body)


def check_body(request: Request, proof: Proof, digest: bytes, *, is_whole: bool = True) -> None:
    """Check that what came is what the token names, and Content-Digest where it speaks of the whole.

    Raises ProblemError (400; 403 when the kit was revoked meanwhile).
    """
    request.state.line.check()
    if is_whole:
        check_content_digest(request, digest)
    if not body_matches(proof, digest):
        raise _mismatch()


def check_content_digest(request: Request, digest: bytes) -> None:
    """Check the Content-Digest header (RFC 9530), where there is one. Raises ProblemError (400)."""
    told = request.headers.get("content-digest")
    if told is None:
        return
    if _CONTENT_DIGEST.fullmatch(told) is None:
        raise ProblemError(400, door_auth.BAD_REQUEST, "Content-Digest must read sha-256=:<base64>: (RFC 9530).")
    if told != door_auth.content_digest(digest):
        raise _mismatch()


def _mismatch() -> ProblemError:
    text = "The body that came is not the one the token or Content-Digest names: send it again."
    return ProblemError(400, door_auth.DIGEST_MISMATCH, text)


def too_large(limit_bytes: int) -> ProblemError:
    """The refusal of what exceeds the door's measure."""
    text = f"More than {limit_bytes} bytes are not taken: cut smaller segments."
    return ProblemError(413, door_auth.TOO_LARGE, text)


async def _write_parts(parts: AsyncIterator[bytes], draft: Draft, limit_bytes: int) -> None:
    held = bytearray()
    clock = asyncio.get_running_loop().time
    written_s = clock()
    try:
        async for part in parts:
            held += part
            if draft.length + len(held) > limit_bytes:
                raise too_large(limit_bytes)
            if len(held) >= WRITE_BYTES or clock() - written_s >= WRITE_EVERY_S:
                await to_thread.run_sync(draft.write, bytes(held))
                held.clear()
                written_s = clock()
    finally:
        # Also when the connection broke: the kit will ask how far it came, and go on from there.
        draft.write(bytes(held))


async def _parts(request: Request, claim: Claim) -> AsyncIterator[bytes]:
    stream = request.stream().__aiter__()
    line: Line = request.state.line
    while True:
        try:
            async with asyncio.timeout(claim.pause_s) as claim.limit, line.waiting(PAUSE_S):
                part = await anext(stream, None)
        except TimeoutError as error:
            raise CutShortError(claim.explain_end()) from error
        except ClientDisconnect as error:
            text = "The body ended early: ask how far it came, and go on from there."
            raise CutShortError(ProblemError(400, door_auth.BAD_REQUEST, text)) from error
        finally:
            claim.limit = None
        if part is None:
            return
        yield part
