"""Recusal (回避) as the pages ask for it: what the recused person is told, and who can be recused at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlmodel import Session, col, select

from central.cases.models import CaseRecusal, EnforcementCase
from central.courts.permissions import PERMISSIONS, Actor
from central.courts.rules import path_up
from central.people.models import User

_READERS: Final = sorted(PERMISSIONS["see_case"])


def find_own_recusal(session: Session, actor: Actor, case_no: str) -> CaseRecusal | None:
    """Return the recusal that keeps this very person from a case, if one stands; it tells nothing of the case."""
    query = select(CaseRecusal).join(EnforcementCase, col(EnforcementCase.case_id) == CaseRecusal.case_id)
    query = query.where(
        EnforcementCase.case_no == case_no,
        CaseRecusal.user_id == actor.user_id,
        col(CaseRecusal.ended_ms).is_(None),
    )
    return session.exec(query).first()


def list_recusable(session: Session, court_code: str) -> Sequence[User]:
    """Return the people who may see cases of a court: its own and those of the courts above, by court and name."""
    query = select(User).where(
        col(User.court_code).in_(path_up(court_code)),
        col(User.role).in_(_READERS),
        col(User.disabled_ms).is_(None),
        col(User.admitted_ms).is_not(None),
    )
    return session.exec(query.order_by(col(User.court_code).desc(), User.name)).all()
