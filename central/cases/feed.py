"""The change feed: what happened to cases, in the order in which it was committed.

Ids are given behind the one write lock, so a reader that goes on after the last id it saw neither skips nor repeats.
A position names its moment too: after a restore from a backup ids are given anew, and the old position is told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from central.cases.change_models import CaseChange
from central.courts.permissions import Viewer, check_permission
from central.courts.queries import in_scope


class Position(NamedTuple):
    """A place in the feed: the change last seen, and its moment in ms since 1970 UTC."""

    change_id: int
    at_ms: int


START = Position(0, 0)


def position_of(change: CaseChange) -> Position:
    """Return the place just behind a change."""
    return Position(change.id or 0, change.at_ms)


def latest_position(session: Session) -> Position:
    """Return the place behind everything committed so far."""
    last = session.exec(select(CaseChange).order_by(col(CaseChange.id).desc()).limit(1)).first()
    return position_of(last) if last else START


def knows_position(session: Session, position: Position) -> bool:
    """Tell whether the feed still has what the position names."""
    if position == START:
        return True
    change = session.get(CaseChange, position.change_id)
    return change is not None and change.at_ms == position.at_ms


def list_changes(session: Session, actor: Viewer, after: Position, limit: int) -> Sequence[CaseChange]:
    """Return changes of the actor's courts behind `after`, oldest first; raises ForbiddenError."""
    check_permission(actor, "read_changes")
    query = select(CaseChange).where(col(CaseChange.id) > after.change_id, in_scope(CaseChange.court_code, actor))
    return session.exec(query.order_by(col(CaseChange.id)).limit(limit)).all()
