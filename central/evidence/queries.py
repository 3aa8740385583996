"""Reads of the evidence room, narrowed to what the actor may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.courts.permissions import Actor, check_permission
from central.courts.queries import in_scope
from central.evidence import rules
from central.evidence.models import (
    ChainLink,
    Recording,
    RecordingNote,
    SignerCertificate,
    StoredProxy,
    StoredSegment,
    WaitingRecord,
)
from contract.chain import Kind
from contract.signing import Signed


@dataclass(frozen=True)
class SegmentEntry:
    """One line of the player's index: a segment (or a stated gap) in order of time."""

    seq: int
    is_gap: bool
    cause: str
    started_ms: int
    duration_ms: int
    size_bytes: int
    stored: bool
    has_proxy: bool = False
    """A small picture stands in for it until it comes."""


@dataclass(frozen=True)
class RecordingView:
    """A recording with its index and its continuity statement."""

    recording: Recording
    segments: tuple[SegmentEntry, ...]
    continuity: rules.Continuity


def list_recordings(
    session: Session,
    actor: Actor,
    *,
    kit_id: str | None = None,
    category: str = "",
    case_no: str = "",
    together: str = "",
    before_ms: int | None = None,
    limit: int = 50,
) -> Sequence[Recording]:
    """Return recordings of the actor's courts, newest first by when they began.

    `category` and `case_no` find what was so at any moment of a recording, `together` those of one call.
    Raises ForbiddenError without `see_recordings`.
    """
    check_permission(actor, "see_recordings")
    query = select(Recording).where(in_scope(Recording.court_code, actor))
    if kit_id is not None:
        query = query.where(Recording.kit_id == kit_id)
    if category:
        query = query.where(_has_note(col(RecordingNote.category) == category))
    if case_no:
        query = query.where(_has_note(col(RecordingNote.case_no) == case_no))
    if together:
        query = query.where(Recording.together == together)
    if before_ms is not None:
        query = query.where(col(Recording.begun_ms) < before_ms)
    return session.exec(query.order_by(col(Recording.begun_ms).desc()).limit(limit)).all()


def get_recording(session: Session, actor: Actor, recording_id: str) -> Recording:
    """Return one recording; raises NotFoundError when it does not exist or is outside the actor's courts."""
    check_permission(actor, "see_recordings")
    query = select(Recording).where(Recording.id == recording_id, in_scope(Recording.court_code, actor))
    recording = session.exec(query).first()
    if recording is None:
        raise NotFoundError(
            f"There is no recording {recording_id[:40]!r} in your courts; see the list of recordings.",
            recording_id=recording_id,
        )
    return recording


def view_recording(session: Session, actor: Actor, recording_id: str) -> RecordingView:
    """Return a recording with its segment index and continuity statement; raises as `get_recording`."""
    recording = get_recording(session, actor, recording_id)
    rows = _links_with_segments(session, recording_id)
    facts = [
        rules.SegmentFacts(
            link.seq, Kind(link.kind), link.started_ms, link.monotonic_ms, link.duration_ms, link.cause,
            segment is not None,
        )
        for link, segment in rows
    ]  # fmt: skip
    continuity = rules.state_continuity(
        facts, closed=recording.closed_ms is not None, waiting=recording.waiting_count > 0
    )
    return RecordingView(recording, tuple(_entries(rows, _list_proxies(session, recording_id))), continuity)


def list_notes(session: Session, recording_id: str) -> Sequence[RecordingNote]:
    """Return what a recording states besides pictures, in its order; for whoever has the recording already."""
    query = select(RecordingNote).where(RecordingNote.recording_id == recording_id)
    return session.exec(query.order_by(col(RecordingNote.seq), col(RecordingNote.place))).all()


def find_recording(session: Session, recording_id: str) -> Recording | None:
    """Return a recording for work inside the centre (no actor)."""
    return session.get(Recording, recording_id)


def find_link(session: Session, recording_id: str, seq: int) -> ChainLink | None:
    """Return one chained record for work inside the centre (no actor)."""
    return session.get(ChainLink, (recording_id, seq))


def find_segment(session: Session, recording_id: str, seq: int) -> StoredSegment | None:
    """Return a stored segment's row for work inside the centre (no actor)."""
    return session.get(StoredSegment, (recording_id, seq))


def list_links(session: Session, recording_id: str) -> Sequence[ChainLink]:
    """Return the whole chain in order, for work inside the centre (no actor)."""
    query = select(ChainLink).where(ChainLink.recording_id == recording_id).order_by(col(ChainLink.seq))
    return session.exec(query).all()


def list_stored_digests(session: Session, recording_id: str) -> dict[int, bytes]:
    """Return number and digest of the segments on disk, for work inside the centre (no actor)."""
    query = select(StoredSegment).where(StoredSegment.recording_id == recording_id)
    return {row.seq: row.cipher_hash for row in session.exec(query.order_by(col(StoredSegment.seq)))}


def list_signers(session: Session, kit_no: int) -> Sequence[SignerCertificate]:
    """Return the certificates a kit has shown, newest first, for work inside the centre (no actor)."""
    query = select(SignerCertificate).where(SignerCertificate.kit_no == kit_no)
    return session.exec(query.order_by(col(SignerCertificate.first_ms).desc())).all()


def list_waiting_records(session: Session, recording_id: str, seq: int) -> Sequence[WaitingRecord]:
    """Return records waiting for their turn at `seq`, for work inside the centre (no actor)."""
    query = select(WaitingRecord).where(WaitingRecord.recording_id == recording_id, WaitingRecord.seq == seq)
    return session.exec(query).all()


def to_signed(links: Sequence[ChainLink]) -> list[Signed]:
    """Return records as their kit signed them."""
    return [Signed(link.body, link.sig) for link in links]


def _has_note(rule: ColumnElement[bool]) -> ColumnElement[bool]:
    return col(Recording.id).in_(select(RecordingNote.recording_id).where(rule))


def _links_with_segments(session: Session, recording_id: str) -> Sequence[Any]:
    on = (col(StoredSegment.recording_id) == ChainLink.recording_id) & (col(StoredSegment.seq) == ChainLink.seq)
    query = (
        select(ChainLink, StoredSegment)
        .join(StoredSegment, on, isouter=True)
        .where(ChainLink.recording_id == recording_id)
        .order_by(col(ChainLink.seq))
    )
    return session.exec(query).all()


def _list_proxies(session: Session, recording_id: str) -> set[int]:
    return set(session.exec(select(StoredProxy.seq).where(StoredProxy.recording_id == recording_id)))


def _entries(rows: Sequence[Any], proxies: set[int]) -> list[SegmentEntry]:
    return [
        SegmentEntry(
            link.seq, link.kind == Kind.GAP, link.cause, link.started_ms, link.duration_ms, link.length,
            segment is not None, link.seq in proxies,
        )
        for link, segment in rows
        if link.kind in (Kind.SEGMENT, Kind.GAP)
    ]  # fmt: skip
