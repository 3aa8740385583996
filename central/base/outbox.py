"""What screens must hear, written in the same transaction as the change itself and read by id afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, delete, func
from sqlmodel import JSON, Column, Field, Session, SQLModel, col, select

INCIDENT_OPENED = "incident_opened"
INCIDENT_CHANGED = "incident_changed"
RECORDING_CHANGED = "recording_changed"
KIT_CHANGED = "kit_changed"
SESSION_CHANGED = "session_changed"
"""A session of remote command, a request for one or its decision: {session_id, court_code, kits, change}."""


class OutboxEntry(SQLModel, table=True):
    """One event for the screens of a court and its superiors."""

    __tablename__ = "outbox"
    # Pruning may empty the table; without AUTOINCREMENT ids would start again below what readers have seen.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=40)
    court_code: str = Field(max_length=20)
    payload: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    created_ms: int = Field(index=True, sa_type=BigInteger)


def read_outbox(session: Session, *, after_id: int, limit: int = 500) -> Sequence[OutboxEntry]:
    """Return entries with id above `after_id`, oldest first. One writer at a time keeps ids in commit order."""
    rule = select(OutboxEntry).where(col(OutboxEntry.id) > after_id).order_by(col(OutboxEntry.id)).limit(limit)
    return session.exec(rule).all()


def last_outbox_id(session: Session) -> int:
    """Return the newest id, 0 when there is none: where a fresh reader starts."""
    return session.exec(select(func.max(OutboxEntry.id))).one() or 0


def prune_outbox(session: Session, *, before_ms: int) -> int:
    """Delete entries created before `before_ms`; returns how many. Screens take a snapshot instead."""
    return session.connection().execute(delete(OutboxEntry).where(col(OutboxEntry.created_ms) < before_ms)).rowcount
