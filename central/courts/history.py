"""How a court's history is written on: one line after another, without gap or overlap.

A line entered for a later day is planned: it gives way to the next entry. One taken back ends as it begins and holds
at no moment. Called by the service of this room alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sqlmodel import col, select

from central.base.unit_of_work import UnitOfWork
from central.courts import rules
from central.courts.models import CourtName, CourtSeat

# A line of a court's history.
Line = TypeVar("Line", CourtSeat, CourtName)


def load_lines(uow: UnitOfWork, table: type[Line], court_code: str) -> Sequence[Line]:
    """Return a court's history, oldest first, without what was taken back."""
    query = select(table).where(col(table.court_code) == court_code).order_by(col(table.from_ms))
    return [line for line in uow.session.exec(query).all() if line.until_ms is None or line.until_ms > line.from_ms]


def continue_from(uow: UnitOfWork, table: type[Line], court_code: str, from_ms: int) -> Line:
    """End the present line at `from_ms` and take back what was planned; returns the line that ends.

    Raises LaterChangeError when the present line itself began at that time or later.
    """
    lines = load_lines(uow, table, court_code)
    present = present_line(uow, lines)
    if from_ms <= present.from_ms:
        raise rules.LaterChangeError(
            "A change of that day or a later one is recorded already; enter a later day, or correct that one."
        )
    _take_back(uow, lines)
    present.until_ms = from_ms
    uow.session.add(present)
    return present


def cancel_planned(uow: UnitOfWork, table: type[Line], court_code: str) -> int:
    """Take back what was planned, so that the present line goes on; returns how many lines that were."""
    lines = load_lines(uow, table, court_code)
    count = _take_back(uow, lines)
    if count:
        present = present_line(uow, lines)
        present.until_ms = None
        uow.session.add(present)
    uow.session.flush()
    return count


def present_line(uow: UnitOfWork, lines: Sequence[Line]) -> Line:
    """Return the line that holds now, of those of `load_lines`."""
    return next(line for line in reversed(lines) if line.from_ms <= uow.now_ms)


def _take_back(uow: UnitOfWork, lines: Sequence[Line]) -> int:
    planned = [line for line in lines if line.from_ms > uow.now_ms]
    for line in planned:
        line.until_ms = line.from_ms
        uow.session.add(line)
    return len(planned)
