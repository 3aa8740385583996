"""How much that kits have announced has not arrived, for the centre's own figures (no actor)."""

from __future__ import annotations

from typing import NamedTuple

from sqlmodel import Session, col, func, select

from central.evidence.models import ChainLink, Recording
from contract.chain import Kind


class Backlog(NamedTuple):
    """Segments and bytes announced and not stored, and when the oldest recording among them was received."""

    segments: int
    size_bytes: int
    oldest_ms: int | None


def measure_backlog(session: Session) -> Backlog:
    """Return what is still with the kits."""
    is_open = col(Recording.segment_count) > col(Recording.stored_count)
    wanted = func.sum(Recording.segment_count - Recording.stored_count)
    segments, stored_bytes, oldest_ms = session.exec(
        select(wanted, func.sum(Recording.stored_bytes), func.min(Recording.received_ms)).where(is_open)
    ).one()
    told = select(func.sum(ChainLink.length)).join(Recording, col(Recording.id) == ChainLink.recording_id)
    told_bytes = session.exec(told.where(is_open, ChainLink.kind == Kind.SEGMENT)).one()
    return Backlog(int(segments or 0), max(0, int(told_bytes or 0) - int(stored_bytes or 0)), oldest_ms)
