"""The trail of a kit by time, on an index that holds only every 64th number.

A full index on time would cost the intake a fifth of its CPU a fix (measured: 7 of 40 us), because every fix then
rewrites a page of one more tree. Within a spool numbers count the fixes in the order they were taken, so the
64th ones are milestones: what lies between two times lies between the milestones around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, literal_column
from sqlmodel import Session, SQLModel, col, delete, func, select

from central.base.unit_of_work import UnitOfWork
from central.devices.models import MILESTONE, KitSpool, Position, ReceivedItem

# In the very words of the partial index, or SQLite would not use it; the number has to stand there as text.
_AT_MILESTONE: Final[ColumnElement[bool]] = literal_column(MILESTONE)


def read_trail(session: Session, kit_no: int, *, from_ms: int, to_ms: int, limit: int) -> Sequence[Position]:
    """Return the kit's fixes between two times by their own time, newest `limit` of them, oldest first.

    A clock that jumps away and back between two milestones (a minute) hides its own fixes from a narrow window
    far from them; they stay in the trail and in every window around their neighbours.
    """
    found: list[Position] = []
    for spool_no in session.exec(select(KitSpool.spool_no).where(KitSpool.kit_no == kit_no)).all():
        low, high = _find_span(session, kit_no, spool_no or 0, from_ms, to_ms)
        query = select(Position).where(
            Position.kit_no == kit_no,
            Position.spool_no == spool_no,
            col(Position.seq).between(low, high),
            col(Position.trail_ms).between(from_ms, to_ms),
        )
        found += session.exec(query.order_by(col(Position.seq).desc()).limit(limit)).all()
    found.sort(key=lambda fix: (fix.trail_ms, fix.seq))
    return found[-limit:]


def _find_span(session: Session, kit_no: int, spool_no: int, from_ms: int, to_ms: int) -> tuple[int, int]:
    """First and last number that can lie in the window: the milestones inside, and the next ones around it."""
    seq, trail_ms = col(Position.seq), col(Position.trail_ms)
    mine = (Position.kit_no == kit_no, Position.spool_no == spool_no, _AT_MILESTONE)
    before, after, first, last = (
        session.exec(query).one()
        for query in (
            select(func.max(seq)).where(*mine, trail_ms < from_ms),
            select(func.min(seq)).where(*mine, trail_ms > to_ms),
            select(func.min(seq)).where(*mine, trail_ms.between(from_ms, to_ms)),
            select(func.max(seq)).where(*mine, trail_ms.between(from_ms, to_ms)),
        )
    )
    newest = session.exec(select(func.max(seq)).where(Position.kit_no == kit_no, Position.spool_no == spool_no)).one()
    lows = [number for number in (before, first) if number is not None]
    highs = [number for number in (after, last) if number is not None]
    low = min(lows) if before is not None else 0
    return low, max(highs) if after is not None else newest or 0


def prune_positions(uow: UnitOfWork, *, before_ms: int, limit: int = 5000) -> int:
    """Delete at most `limit` fixes taken before `before_ms`, oldest numbers first; returns how many."""
    return _prune_oldest(uow, Position, col(Position.trail_ms), before_ms, limit)


def prune_items(uow: UnitOfWork, *, before_ms: int, limit: int = 5000) -> int:
    """Forget at most `limit` items received before `before_ms`, oldest numbers first; returns how many.

    What comes again later than that acts again; alarms, chain records and receipts know their repeats themselves.
    """
    return _prune_oldest(uow, ReceivedItem, col(ReceivedItem.received_ms), before_ms, limit)


def _prune_oldest(uow: UnitOfWork, table: type[SQLModel], time_ms: Any, before_ms: int, limit: int) -> int:
    columns: Any = table
    count = 0
    for spool in uow.session.exec(select(KitSpool)).all():
        mine = (columns.kit_no == spool.kit_no, columns.spool_no == spool.spool_no)
        first = select(columns.seq, time_ms).where(*mine).order_by(columns.seq).limit(limit - count)
        newest_old = None
        for seq, at_ms in uow.connection.execute(first):
            if at_ms >= before_ms:
                break
            newest_old = seq
        if newest_old is not None:
            count += uow.connection.execute(delete(table).where(*mine, columns.seq <= newest_old)).rowcount
        if count >= limit:
            break
    return count
