"""Sealed segments at the devices' door: how far one came, the rest of it, its receipt."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Final

from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi import Path as InPath

from central.evidence import reception
from central.evidence.proxies import receive_proxy
from central.evidence.vault import Draft, part_name
from central.sync.incoming import (
    Claim,
    CutShortError,
    check_body,
    check_content_digest,
    read_small_body,
    receive,
    too_large,
)
from central.sync.problems import ProblemError
from central.sync.proof import Proof, sha256
from contract import door_auth, proxy
from contract.package import MAX_SEQ

if TYPE_CHECKING:
    from central.sync.door import Door

CBOR: Final = "application/cbor"
RecordingId = Annotated[str, InPath(pattern="^[0-9a-f]{32}$")]
Seq = Annotated[int, InPath(ge=0, le=MAX_SEQ)]
_PATH: Final = "/v1/recordings/{recording_id}/segments/{seq}"


def add_segment_routes(app: FastAPI, door: Door) -> None:
    """HEAD tells how far a segment came (``Upload-Offset``), PUT brings it, whole or from there on."""

    @app.head(_PATH)
    async def tell_offset(request: Request, recording_id: RecordingId, seq: Seq) -> Response:
        proof = await door.prove(request)
        offset = await _find_offset(door, proof, recording_id, seq)
        return Response(headers={door_auth.OFFSET_HEADER: str(offset), "Cache-Control": "no-store"})

    @app.put(_PATH)
    async def take_segment(request: Request, recording_id: RecordingId, seq: Seq) -> Response:
        proof = await door.prove(request)
        part = await _judge_head(request, door, proof, recording_id, seq)
        async with door.incoming.claim(part) as claim:
            return await _take(request, door, proof, claim, (recording_id, seq, part))


def add_proxy_routes(app: FastAPI, door: Door) -> None:
    """PUT brings a segment's small picture (``contract.proxy``), for a link too thin for the segment."""

    @app.put("/v1/recordings/{recording_id}/proxies/{seq}")
    async def take_proxy(request: Request, recording_id: RecordingId, seq: Seq) -> Response:
        proof = await door.prove(request)
        parcel = await read_small_body(request, proxy.MAX_PARCEL_BYTES)
        check_body(request, proof, sha256(parcel))
        kit = proof.admission.kit
        is_new = await to_thread.run_sync(
            lambda: receive_proxy(door.store, door.vault, kit=kit, recording_id=recording_id, seq=seq, parcel=parcel)
        )
        return Response(status_code=201 if is_new else 200)


async def _find_offset(door: Door, proof: Proof, recording_id: str, seq: int) -> int:
    kit = proof.admission.kit
    find = reception.find_coming
    coming = await to_thread.run_sync(lambda: find(door.store, kit=kit, recording_id=recording_id, seq=seq))
    if coming is None:
        return 0
    await door.incoming.take_over(coming.part)
    return coming.length if coming.stored else door.vault.measure_part(coming.part)


async def _judge_head(request: Request, door: Door, proof: Proof, recording_id: str, seq: int) -> str:
    """Refuse before the body what would be refused after it; returns what the segment's part is called."""
    offset, told = read_offset(request), request.headers.get("content-length")
    limit = door.settings.max_segment_bytes
    coming = int(told) if told is not None else 0
    if offset + coming > limit:
        raise too_large(limit)
    digest = read_token_digest(proof)
    if offset == 0:
        check_content_digest(request, digest)
    await to_thread.run_sync(door.vault.check_room, coming)
    await to_thread.run_sync(
        lambda: reception.check_coming(
            door.store,
            kit=proof.admission.kit,
            recording_id=recording_id,
            seq=seq,
            cipher_hash=digest,
            length=offset + coming if told is not None else None,
        )
    )
    return part_name(recording_id, seq, digest)


async def _take(request: Request, door: Door, proof: Proof, claim: Claim, name: tuple[str, int, str]) -> Response:
    draft = await _open_draft(door, name[2], read_offset(request))
    if draft is None:
        return await _answer_offset(door, proof, name, offset=read_offset(request))
    try:
        await receive(claim, request, draft, limit_bytes=door.settings.max_segment_bytes)
        check_body(request, proof, draft.digest.digest(), is_whole=read_offset(request) == 0)
        received = await to_thread.run_sync(_enter, door, proof, name, draft)
    except CutShortError as cut:
        draft.keep()
        if await _is_stored(door, proof, name):
            await to_thread.run_sync(draft.discard)  # an old request, overtaken by the one that brought the whole
        raise cut.problem from cut
    except BaseException:
        await to_thread.run_sync(draft.discard)
        raise
    await to_thread.run_sync(draft.discard)
    return Response(received.receipt, 201 if received.is_new else 200, media_type=CBOR)


def _enter(door: Door, proof: Proof, name: tuple[str, int, str], draft: Draft) -> reception.Reception:
    kit, (recording_id, seq, _) = proof.admission.kit, name
    return reception.receive_segment(
        door.store, door.vault, door.receipt_key, kit=kit, recording_id=recording_id, seq=seq, draft=draft
    )


async def _is_stored(door: Door, proof: Proof, name: tuple[str, int, str]) -> bool:
    kit, (recording_id, seq, _) = proof.admission.kit, name

    def look() -> bool:
        coming = reception.find_coming(door.store, kit=kit, recording_id=recording_id, seq=seq)
        return coming is not None and coming.stored and door.vault.holds(recording_id, seq, coming.cipher_hash)

    return await to_thread.run_sync(look)


async def _open_draft(door: Door, part: str, offset: int) -> Draft | None:
    """The draft to go on with; None when what came does not end at ``offset``."""
    if offset == 0:
        return await to_thread.run_sync(door.vault.new_draft, part)
    if door.vault.measure_part(part) != offset:
        return None
    return await to_thread.run_sync(door.vault.resume_draft, part)


async def _answer_offset(door: Door, proof: Proof, name: tuple[str, int, str], *, offset: int) -> Response:
    """The rest does not begin where the part ends: the receipt when the segment is stored, else a refusal."""
    recording_id, seq, _ = name
    find, kit = reception.find_coming, proof.admission.kit
    coming = await to_thread.run_sync(lambda: find(door.store, kit=kit, recording_id=recording_id, seq=seq))
    if coming is not None and coming.stored and offset == coming.length:
        receipt = await to_thread.run_sync(
            lambda: reception.repeat_receipt(
                door.store, door.vault, door.receipt_key, recording_id=recording_id, seq=seq, coming=coming
            )
        )
        if receipt is not None:
            return Response(receipt, 200, media_type=CBOR)
    raise ProblemError(
        409,
        door_auth.OFFSET_MISMATCH,
        f"What came of this segment does not end at byte {offset}: ask how far it came (HEAD), and go on from there.",
    )


def read_offset(request: Request) -> int:
    """Where the body begins in the whole; 0 when the request does not say. Raises ProblemError (400)."""
    told = request.headers.get(door_auth.OFFSET_HEADER, "0")
    if not (told.isascii() and told.isdecimal() and len(told) < 16):
        text = f"{door_auth.OFFSET_HEADER} must be a number of bytes."
        raise ProblemError(400, door_auth.BAD_REQUEST, text)
    return int(told)


def read_token_digest(proof: Proof) -> bytes:
    """The SHA-256 of the whole that the token names. Raises ProblemError (400)."""
    try:
        digest = base64.urlsafe_b64decode(proof.body_hash + "=" * (-len(proof.body_hash) % 4))
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 32 or door_auth.body_hash(digest) != proof.body_hash:
        raise ProblemError(400, door_auth.BAD_REQUEST, "Claim bh must be a SHA-256, base64url without padding.")
    return digest
