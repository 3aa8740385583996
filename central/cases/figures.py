"""How many cases of each court are open, late or soon due: figures that open to the lists behind them.

Each figure is one stretch of an index per court, so that a million cases are counted without being read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import func
from sqlmodel import Session, col, select

from central.cases.act_rules import PENDING
from central.cases.agenda import SOON_DAYS
from central.cases.models import CaseAct, EnforcementCase
from central.cases.rules import STATES
from central.courts.permissions import Actor, check_permission
from central.courts.queries import in_scope, list_courts

_OPEN: Final = tuple(state for state in STATES if state != "closed")


@dataclass(frozen=True, slots=True)
class CourtFigures:
    """Cases of one court: open; open and overdue; open and due within SOON_DAYS; 终本 with a recheck overdue; acts.

    By a case's earliest open node, as the lists of cases know it.
    """

    court_code: str
    open: int
    overdue: int
    soon: int
    rechecks: int
    waiting: int


def count_by_court(session: Session, actor: Actor, today: date) -> list[CourtFigures]:
    """Return the figures of every court the actor sees, superior first; raises ForbiddenError without `see_work`."""
    check_permission(actor, "see_work")
    acts = select(CaseAct.court_code, func.count()).where(
        in_scope(CaseAct.court_code, actor), col(CaseAct.state).in_(PENDING)
    )
    waiting = dict(session.exec(acts.group_by(CaseAct.court_code)).all())
    is_open, is_late = col(EnforcementCase.state).in_(_OPEN), col(EnforcementCase.due_on) < today
    soon_on = today + timedelta(days=SOON_DAYS)
    return [
        CourtFigures(
            court_code=court.code,
            open=_count(session, court.code, is_open),
            overdue=_count(session, court.code, is_late, is_open),
            soon=_count(session, court.code, col(EnforcementCase.due_on).between(today, soon_on), is_open),
            rechecks=_count(session, court.code, is_late, ~is_open),
            waiting=waiting.get(court.code, 0),
        )
        for court in list_courts(session, actor)
    ]


def _count(session: Session, court_code: str, *conditions: Any) -> int:
    query = select(func.count()).select_from(EnforcementCase)
    return session.exec(query.where(EnforcementCase.court_code == court_code, *conditions)).one()
