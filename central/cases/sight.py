"""Which cases a viewer sees, and what they may do on one: the ground of every other query of the room."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from central.cases import rights
from central.cases.models import CaseRecusal, CaseShare, EnforcementCase
from central.cases.rules import unknown_case
from central.courts.permissions import Viewer, check_permission
from central.courts.queries import in_scope


def is_visible(viewer: Viewer, now_ms: int) -> ColumnElement[bool]:
    """Return the SQL condition that EnforcementCase is in scope or shared, and the viewer not recused."""
    return and_(
        or_(in_scope(EnforcementCase.court_code, viewer), is_shared_with(viewer, now_ms)), is_not_recused(viewer)
    )


def is_not_recused(viewer: Viewer, case_id: Any = EnforcementCase.case_id) -> ColumnElement[bool]:
    """Return the SQL condition that no recusal of the viewer stands on the case of column `case_id`."""
    recusal = aliased(CaseRecusal)  # the query around may look at recusals itself
    return ~exists().where(
        col(recusal.case_id) == case_id,
        col(recusal.user_id) == viewer.user_id,
        col(recusal.ended_ms).is_(None),
    )


def list_barred_numbers(session: Session, viewer: Viewer) -> set[str]:
    """Return the numbers of the cases from which the viewer is recused now: what names them is not theirs to see."""
    query = select(EnforcementCase.case_no).join(
        CaseRecusal, col(CaseRecusal.case_id) == col(EnforcementCase.case_id)
    )
    return set(session.exec(query.where(CaseRecusal.user_id == viewer.user_id, col(CaseRecusal.ended_ms).is_(None))))


def is_shared_with(viewer: Viewer, now_ms: int) -> ColumnElement[bool]:
    """Return the SQL condition that EnforcementCase is shared with the viewer's own court now."""
    return col(EnforcementCase.case_id).in_(
        select(CaseShare.case_id).where(
            CaseShare.court_code == viewer.court_code,
            col(CaseShare.ended_ms).is_(None),
            CaseShare.from_ms <= now_ms,
            CaseShare.until_ms > now_ms,
        )
    )


def find_case_id(session: Session, case_no: str) -> int | None:
    """Return the row number of a case by its normalised number; tells nothing about who may see it."""
    return session.exec(select(EnforcementCase.case_id).where(EnforcementCase.case_no == case_no)).first()


def get_case(session: Session, actor: Viewer, case_no: str, *, now_ms: int) -> EnforcementCase:
    """Return a case the viewer sees; raises ForbiddenError without `see_case`, else NotFoundError.

    `case_no` is the normalised number. The reading is not audited here: pages use `service.look_at_case`.
    """
    check_permission(actor, "see_case")
    query = select(EnforcementCase).where(EnforcementCase.case_no == case_no)
    case = session.exec(query.execution_options(populate_existing=True)).first()
    if case is None or not rights.rights_on(actor, stand_of(session, actor, case, now_ms=now_ms)):
        raise unknown_case(case_no)
    return case


def stand_of(session: Session, viewer: Viewer, case: EnforcementCase, *, now_ms: int) -> rights.CaseStand:
    """Return what the viewer's rights on the case depend on."""
    recused = select(CaseRecusal.id).where(
        CaseRecusal.case_id == case.case_id,
        CaseRecusal.user_id == viewer.user_id,
        col(CaseRecusal.ended_ms).is_(None),
    )
    shared = select(CaseShare.id).where(
        CaseShare.case_id == case.case_id,
        CaseShare.court_code == viewer.court_code,
        col(CaseShare.ended_ms).is_(None),
        CaseShare.from_ms <= now_ms,
        CaseShare.until_ms > now_ms,
    )
    return rights.CaseStand(
        case_no=case.case_no,
        court_code=case.court_code,
        state=case.state,
        handler_id=case.handler_id,
        is_recused=session.exec(recused).first() is not None,
        is_shared=session.exec(shared).first() is not None,
    )
