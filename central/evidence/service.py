"""The evidence room's writer: chains joined, segments entered, every opening audited. Never commits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlmodel import Session, col, delete

from central.audit import service as audit
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission
from central.devices.rules import KitRef
from central.evidence import queries, rules
from central.evidence.beginnings import settle_beginnings
from central.evidence.joining import accept_chain_records, tell_recording
from central.evidence.models import Recording, StoredProxy, StoredSegment, WaitingRecord
from central.evidence.signers import keep_signer
from central.evidence.vault import Vault
from contract import chain, receipts
from contract.chain import Kind
from contract.segment import SegmentHeader

__all__ = [
    "ClearSegment",
    "accept_chain_records",
    "audit_export",
    "check_segment",
    "enter_segment",
    "keep_signer",
    "open_clear_segment",
    "prune_waiting",
    "settle_beginnings",
    "state_head",
    "view_recording",
]


@dataclass(frozen=True)
class ClearSegment:
    """A segment being decrypted: its header, and the fMP4 bytes as they come."""

    header: SegmentHeader
    chunks: Iterator[bytes]


def enter_segment(
    uow: UnitOfWork, kit: KitRef, recording_id: str, seq: int, *, cipher_hash: bytes, length: int
) -> int:
    """Enter a segment that was placed on disk and re-read; returns since when it is stored (ms).

    Raises ForeignRecordingError, ChainRecordMissingError, DigestMismatchError. A repeat is harmless.
    """
    check_segment(uow.session, kit, recording_id, seq, cipher_hash=cipher_hash, length=length)
    row = queries.find_segment(uow.session, recording_id, seq)
    if row is not None:
        return row.stored_ms
    row = StoredSegment(
        recording_id=recording_id, seq=seq, cipher_hash=cipher_hash, length=length, stored_ms=uow.now_ms
    )
    uow.session.add(row)
    proxy = uow.session.get(StoredProxy, (recording_id, seq))
    if proxy is not None:  # the original takes its place
        uow.session.delete(proxy)
    recording = uow.session.get_one(Recording, recording_id)
    recording.stored_count += 1
    recording.stored_bytes += length
    recording.last_ms = uow.now_ms
    uow.session.add(recording)
    uow.session.flush()
    whole = recording.closed_ms is not None and recording.stored_count == recording.segment_count
    tell_recording(uow, recording, at_once=whole or recording.stored_count == 1)
    return row.stored_ms


def check_segment(
    session: Session, kit: KitRef, recording_id: str, seq: int, *, cipher_hash: bytes, length: int
) -> None:
    """Check that a segment is the one its signed record names.

    Raises ForeignRecordingError, ChainRecordMissingError, DigestMismatchError.
    """
    recording = queries.find_recording(session, recording_id)
    link = queries.find_link(session, recording_id, seq)
    if recording is not None and recording.kit_no != kit.kit_no:
        raise rules.ForeignRecordingError(rules.FOREIGN_TEXT, recording_id=recording_id)
    if recording is None or link is None:
        raise rules.ChainRecordMissingError(
            f"The chain record {seq} of this recording is not here yet: send it first, keep the segment, try again.",
            recording_id=recording_id,
            seq=seq,
        )
    if link.kind != Kind.SEGMENT or (link.cipher_hash, link.length) != (cipher_hash, length):
        raise rules.DigestMismatchError(
            f"The signed record {seq} names {link.length} bytes with digest {link.cipher_hash.hex()[:16]}..., these "
            f"are {length} with {cipher_hash.hex()[:16]}...: send the segment the record names, unchanged.",
            recording_id=recording_id,
            seq=seq,
        )


def state_head(uow: UnitOfWork, key: Ed25519PrivateKey, recording: Recording) -> bytes:
    """The centre's signed statement of how far it holds a chain."""
    return receipts.sign_head(
        key,
        receipts.HeadStatement(
            recording_id=bytes.fromhex(recording.id),
            count=recording.next_seq,
            head=recording.head,
            closed=recording.closed_ms is not None,
            stated_ms=uow.now_ms,
            centre=rules.CENTRE_NAME,
        ),
    )


def view_recording(uow: UnitOfWork, actor: Actor, recording_id: str) -> queries.RecordingView:
    """A recording's index and continuity for a person's eyes; that they looked is audited in this transaction.

    Raises ForbiddenError, NotFoundError.
    """
    view = queries.view_recording(uow.session, actor, recording_id)
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=view.recording.court_code,
        action="evidence:recording:view",
        subject=recording_id,
        detail={"kit_id": view.recording.kit_id},
    )
    return view


def open_clear_segment(  # noqa: PLR0917 -- who, with what, which: read as one sentence at the one call
    uow: UnitOfWork,
    actor: Actor,
    vault: Vault,
    identity: X25519PrivateKey,
    recording_id: str,
    seq: int,
    *,
    purpose: str,
) -> ClearSegment:
    """Decrypt one segment for a person: header at once, then the fMP4 bytes; the act is audited in this transaction.

    Take the chunks after the commit: nothing is shown whose audit entry is not durable. Raises ForbiddenError,
    NotFoundError, SegmentNotStoredError, PurposeMissingError, SegmentDamagedError (also while taking chunks).
    """
    check_permission(actor, "play_recording")
    purpose = rules.check_purpose(purpose)
    recording = queries.get_recording(uow.session, actor, recording_id)
    link = queries.find_link(uow.session, recording_id, seq)
    if link is None or queries.find_segment(uow.session, recording_id, seq) is None:
        raise rules.SegmentNotStoredError(
            f"Segment {seq} of this recording has not arrived from the kit yet.", recording_id=recording_id, seq=seq
        )
    record = chain.decode(link.body)
    header, chunks = vault.open_clear(recording_id, seq, identity, clear_hash=record.clear_hash)
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=recording.court_code,
        action="evidence:segment:open",
        subject=f"{recording_id}/{seq}",
        purpose=purpose,
        detail={"kit_id": recording.kit_id, "started_ms": link.started_ms},
    )
    return ClearSegment(header, chunks)


def audit_export(uow: UnitOfWork, actor: Actor, recording: Recording, *, purpose: str, head: bytes) -> None:
    """Enter that a recording leaves the house, before it does."""
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=recording.court_code,
        action="evidence:recording:export",
        subject=recording.id,
        purpose=purpose,
        detail={
            "kit_id": recording.kit_id,
            "records": recording.next_seq,
            "segments": recording.stored_count,
            "head": recording.head.hex(),
            "head_statement": hashlib.sha256(head).hexdigest(),
        },
    )


def prune_waiting(uow: UnitOfWork, *, before_ms: int) -> int:
    """Drop records whose predecessors never came; the kit still holds them unless it was lost. Returns how many."""
    rule = delete(WaitingRecord).where(col(WaitingRecord.received_ms) < before_ms)
    return uow.connection.execute(rule).rowcount
