"""Reads of a session's record of lines, for whoever has the session (no actor), and the proof of its chain."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from central.command import rules
from central.command.models import SessionEntry


def list_entries(session: Session, session_id: str, *, after_no: int = 0) -> Sequence[SessionEntry]:
    """Return the lines of a session's record, oldest first, for whoever has the session (no actor)."""
    query = select(SessionEntry).where(SessionEntry.session_id == session_id, SessionEntry.no > after_no)
    return session.exec(query.order_by(col(SessionEntry.no))).all()


def list_publishing(session: Session, session_id: str) -> dict[str, str]:
    """Return who shows his own camera in a session: by source (``p:`` and a user id) his name (no actor)."""
    query = select(SessionEntry).where(
        SessionEntry.session_id == session_id, col(SessionEntry.kind).in_(("published", "unpublished"))
    )
    found: dict[str, str] = {}
    for entry in session.exec(query.order_by(col(SessionEntry.no))).all():
        source = str(entry.detail.get("source", ""))
        if entry.kind == "published":
            found[source] = entry.actor
        else:
            found.pop(source, None)
    return found


def verify_entries(session: Session, session_id: str) -> bytes:
    """Return the head of a session's chain, 32 bytes; raises EntryChainError at the first line that does not fit."""
    previous = rules.GENESIS
    for no, entry in enumerate(list_entries(session, session_id), start=1):
        digest = rules.hash_entry(
            session_id=session_id, no=no, at_ms=entry.at_ms, kind=entry.kind, actor=entry.actor, detail=entry.detail,
            prev_hash=previous,
        )  # fmt: skip
        if (entry.no, entry.prev_hash, entry.hash) != (no, previous, digest):
            raise rules.EntryChainError(
                f"Entry {no} of session {session_id} is not what was written; compare with a backup.", seq=no
            )
        previous = digest
    return previous
