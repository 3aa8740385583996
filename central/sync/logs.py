"""Logs that the centre asked a kit for, at the devices' door: taken up again where a cut left them.

The path names directive and digest, so that HEAD can tell how much of this very file has come.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi import Path as InPath

from central.base.unit_of_work import Store
from central.devices import logs
from central.devices.logs import LogShelf
from central.devices.rules import KitRef
from central.evidence.vault import Draft
from central.sync.incoming import Claim, CutShortError, check_body, check_content_digest, receive, too_large
from central.sync.problems import ProblemError
from central.sync.proof import Proof
from central.sync.segments import read_offset, read_token_digest
from contract import door_auth

if TYPE_CHECKING:
    from central.sync.door import Door

Number = Annotated[int, InPath(ge=1, le=2**53 - 1)]
Digest = Annotated[str, InPath(pattern="^[0-9a-f]{64}$")]
_PATH: Final = "/v1/logs/{number}/{digest}"


def add_log_routes(app: FastAPI, door: Door) -> None:
    """HEAD tells how far the file came (``Upload-Offset``), PUT brings it, whole or from there on."""

    @app.head(_PATH)
    async def tell_offset(request: Request, number: Number, digest: Digest) -> Response:
        proof = await door.prove(request)
        is_here = await _check_expected(door, proof, number, digest)
        part = part_name(proof.admission.kit, number, digest)
        await door.incoming.take_over(part)
        offset = 0 if is_here else door.vault.measure_part(part)
        return Response(headers={door_auth.OFFSET_HEADER: str(offset), "Cache-Control": "no-store"})

    @app.put(_PATH)
    async def take_log(request: Request, number: Number, digest: Digest) -> Response:
        proof = await door.prove(request)
        if read_token_digest(proof).hex() != digest:
            raise ProblemError(400, door_auth.DIGEST_MISMATCH, "The token names another file than the path.")
        await _check_head(request, door, proof, number, digest)
        part = part_name(proof.admission.kit, number, digest)
        async with door.incoming.claim(part) as claim:
            is_new = await _take(request, door, proof, claim, (number, part))
        return Response(status_code=201 if is_new else 200)


def part_name(kit: KitRef, number: int, digest: str) -> str:
    """What the file is called while it comes."""
    return f"log-{kit.kit_no}-{number}-{digest}.part"


async def _check_head(request: Request, door: Door, proof: Proof, number: int, digest: str) -> None:
    offset, told = read_offset(request), request.headers.get("content-length", "")
    if offset + (int(told) if told.isdecimal() and len(told) < 16 else 0) > door_auth.MAX_LOG_BYTES:
        raise too_large(door_auth.MAX_LOG_BYTES)
    if offset == 0:
        check_content_digest(request, bytes.fromhex(digest))
    await to_thread.run_sync(door.vault.check_room, door_auth.MAX_LOG_BYTES)
    await _check_expected(door, proof, number, digest)


async def _check_expected(door: Door, proof: Proof, number: int, digest: str) -> bool:
    return await to_thread.run_sync(_ask, door.store, proof.admission.kit, number, bytes.fromhex(digest))


def _ask(store: Store, kit: KitRef, number: int, digest: bytes) -> bool:
    with store.read() as session:
        return logs.check_expected(session, kit, number, digest)


async def _take(request: Request, door: Door, proof: Proof, claim: Claim, name: tuple[int, str]) -> bool:
    number, part = name
    offset = read_offset(request)
    if offset and door.vault.measure_part(part) != offset:
        text = f"What came of these logs does not end at byte {offset}: ask how far they came (HEAD)."
        raise ProblemError(409, door_auth.OFFSET_MISMATCH, text)
    draft = await to_thread.run_sync(door.vault.resume_draft if offset else door.vault.new_draft, part)
    try:
        await receive(claim, request, draft, limit_bytes=door_auth.MAX_LOG_BYTES)
        check_body(request, proof, draft.digest.digest(), is_whole=offset == 0)
        return await to_thread.run_sync(_enter, door, proof, number, draft)
    except CutShortError as cut:
        draft.keep()
        raise cut.problem from cut
    finally:
        if not draft.file.closed:
            await to_thread.run_sync(draft.discard)


def _enter(door: Door, proof: Proof, number: int, draft: Draft) -> bool:
    draft.file.close()
    shelf = LogShelf(Path(door.settings.data_dir))
    try:
        return logs.keep_log(
            door.store, shelf, proof.admission.kit, number, source=draft.path, digest=draft.digest.digest()
        )
    finally:
        draft.path.unlink(missing_ok=True)
