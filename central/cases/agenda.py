"""What is due and what waits for a person: the agenda of the pages 我的工作 and 期限.

The indexes end in the due day per court, per handler and per clerk; with several courts in scope each court gives its
earliest rows and they are merged here, so that a million cases are never sorted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, or_
from sqlmodel import Session, col, select

from central.cases import act_rules, clock
from central.cases.catalogue import get_catalogue
from central.cases.models import CaseAct, CaseNode, CaseRecusal, EnforcementCase, Party
from central.cases.rules import STATES
from central.cases.sight import is_not_recused
from central.cases.views import ActRow, DueRow, Work
from central.courts.permissions import Actor, may
from central.courts.queries import in_scope, list_courts

SOON_DAYS: Final = 7
RETURNED_DAYS: Final = 30
LIST_LIMIT: Final = 50
_OPEN: Final = tuple(state for state in STATES if state != "closed")
_NAMES_SHOWN: Final = 2


def list_due(
    session: Session,
    actor: Actor,
    *,
    from_on: date | None,
    until_on: date | None,
    mine: bool = False,
    kinds: Sequence[str] = (),
    limit: int = 200,
) -> list[DueRow]:
    """Return open nodes due within [from_on, until_on], earliest first; with `mine` of the own cases only.

    None leaves an end of the stretch open. Empty without `see_work`.
    """
    if not may(actor, "see_work"):
        return []
    found: list[tuple[date, int, int]] = []
    for scope in _scopes(session, actor, CaseNode.court_code, mine=mine):
        query = _due_query(scope, from_on, until_on, kinds).where(is_not_recused(actor, CaseNode.case_id))
        query = query.order_by(col(CaseNode.due_on), col(CaseNode.case_id)).limit(limit)
        found += [tuple(row) for row in session.execute(query).all()]
    found.sort()
    return _due_rows(session, [node_id for _, _, node_id in found[:limit]])


def _due_rows(session: Session, node_ids: Sequence[int]) -> list[DueRow]:
    """Return the rows of these nodes, in their order."""
    if not node_ids:
        return []
    query = select(CaseNode, EnforcementCase).join(EnforcementCase, col(EnforcementCase.case_id) == CaseNode.case_id)
    nodes = session.exec(query.where(col(CaseNode.node_id).in_(node_ids))).all()
    rows = {node.node_id: _due_row(case, node) for node, case in nodes}
    return _with_parties(session, [rows[node_id] for node_id in node_ids])


def count_due_by_day(
    session: Session, actor: Actor, *, from_on: date, until_on: date, mine: bool = False
) -> dict[date, int]:
    """Return how many open nodes are due on each day of [from_on, until_on]; days without any are left out.

    The calendar's figures: nodes of cases from which the person is recused are left out.
    """
    counts: Counter[date] = Counter()
    if not may(actor, "see_work"):
        return counts
    for scope in _scopes(session, actor, CaseNode.court_code, mine=mine):
        query: Any = select(col(CaseNode.due_on), func.count()).where(
            col(CaseNode.done_on).is_(None), col(CaseNode.due_on).between(from_on, until_on)
        )
        for day, count in session.execute(query.where(scope).group_by(CaseNode.due_on)).all():
            counts[day] += count
    _leave_out_recused(session, actor, counts, from_on, until_on, mine=mine)
    return {day: count for day, count in sorted(counts.items()) if count > 0}


def list_work(session: Session, actor: Actor, today: date, *, limit: int = LIST_LIMIT) -> Work:
    """Return what waits for this person: own cases for judge and clerk, the court's for those who lead it.

    Every list is empty whose right the person lacks.
    """
    mine = _works_on_own(actor)
    rechecks = tuple(node.kind for node in get_catalogue().nodes if node.starts == "closing")
    soon_on = today + timedelta(days=SOON_DAYS)
    yesterday = today - timedelta(days=1)

    def due(first: date | None, last: date, kinds: Sequence[str] = ()) -> list[DueRow]:
        return list_due(session, actor, from_on=first, until_on=last, mine=mine, kinds=kinds, limit=limit)

    return Work(
        overdue=due(None, yesterday),
        due_soon=due(today, soon_on),
        assigned_new=_list_assigned(session, actor, limit) if may(actor, "record_node") else [],
        to_approve=_list_acts(session, actor, "submitted", limit) if may(actor, "approve_case_act") else [],
        to_sign=_list_acts(session, actor, "approved", limit) if may(actor, "sign_case_act") else [],
        own_drafts=_list_drafts(session, actor, today, limit) if may(actor, "request_case_act") else [],
        rechecks=due(None, today + timedelta(days=30), rechecks),
        without_handler=_list_without_handler(session, actor, limit) if may(actor, "assign_case") else [],
    )


def _works_on_own(actor: Actor) -> bool:
    return may(actor, "record_node") and not may(actor, "assign_case")


def _scopes(session: Session, actor: Actor, column: Any, *, mine: bool) -> list[ColumnElement[bool]]:
    """Return conditions that together make up what the actor looks at, each of them served by one index."""
    if mine:
        return [_is_mine(actor)]
    return [col(column) == court.code for court in list_courts(session, actor)]


def _is_mine(actor: Actor) -> ColumnElement[bool]:
    # All states are named so that the index over handler, state and due day is used to its end.
    own = select(EnforcementCase.case_id).where(
        EnforcementCase.handler_id == actor.user_id, col(EnforcementCase.state).in_(STATES)
    )
    served = select(EnforcementCase.case_id).where(
        EnforcementCase.clerk_id == actor.user_id, col(EnforcementCase.state).in_(STATES)
    )
    # A case is the own one only within the own court: who moved to another sees nothing of those left behind.
    within = and_(col(EnforcementCase.due_on).is_not(None), in_scope(EnforcementCase.court_code, actor))
    return col(CaseNode.case_id).in_(own.where(within).union_all(served.where(within)))


def _due_query(
    scope: ColumnElement[bool], from_on: date | None, until_on: date | None, kinds: Sequence[str]
) -> Select[Any]:
    """Select (due day, case, node) of open nodes: what the index holds, so that only the earliest are read whole."""
    query: Any = select(CaseNode.due_on, CaseNode.case_id, CaseNode.node_id)
    query = query.where(col(CaseNode.done_on).is_(None), col(CaseNode.due_on).is_not(None), scope)
    if from_on is not None:
        query = query.where(col(CaseNode.due_on) >= from_on)
    if until_on is not None:
        query = query.where(col(CaseNode.due_on) <= until_on)
    return query.where(col(CaseNode.kind).in_(kinds)) if kinds else query  # type: ignore[no-any-return]


def _leave_out_recused(
    session: Session, actor: Actor, counts: Counter[date], from_on: date, until_on: date, *, mine: bool
) -> None:
    """Take away the nodes of the few cases from which the person is recused."""
    query = (
        select(col(CaseNode.due_on), func.count())
        .join(CaseRecusal, col(CaseRecusal.case_id) == CaseNode.case_id)
        .where(CaseRecusal.user_id == actor.user_id, col(CaseRecusal.ended_ms).is_(None))
        .where(col(CaseNode.done_on).is_(None), col(CaseNode.due_on).between(from_on, until_on))
        .where(in_scope(CaseNode.court_code, actor))
    )
    if mine:
        query = query.where(_is_mine(actor))
    for day, count in session.exec(query.group_by(col(CaseNode.due_on))).all():
        if day is not None:
            counts[day] -= count


def _list_assigned(session: Session, actor: Actor, limit: int) -> list[DueRow]:
    query = select(EnforcementCase).where(
        EnforcementCase.handler_id == actor.user_id,
        EnforcementCase.state == "assigned",
        in_scope(EnforcementCase.court_code, actor),
        is_not_recused(actor),
    )
    cases = session.exec(query.order_by(col(EnforcementCase.due_on)).limit(limit)).all()
    return _with_parties(session, [_due_row(case, None) for case in cases])


def _list_without_handler(session: Session, actor: Actor, limit: int) -> list[DueRow]:
    """Return filed cases of the own court, and cases whose handler is recused."""
    filed = select(EnforcementCase).where(
        EnforcementCase.court_code == actor.court_code,
        EnforcementCase.state == "filed",
        is_not_recused(actor),
    )
    recused = (
        select(EnforcementCase)
        .join(CaseRecusal, col(CaseRecusal.case_id) == EnforcementCase.case_id)
        .where(CaseRecusal.user_id == EnforcementCase.handler_id, col(CaseRecusal.ended_ms).is_(None))
        .where(EnforcementCase.court_code == actor.court_code, col(EnforcementCase.state).in_(_OPEN))
        .where(is_not_recused(actor))
    )
    found = list(session.exec(recused.limit(limit)).all())
    found += session.exec(filed.order_by(col(EnforcementCase.filed_day)).limit(limit)).all()
    return _with_parties(session, [_due_row(case, None) for case in found[:limit]])


def _list_acts(session: Session, actor: Actor, state: str, limit: int) -> list[ActRow]:
    """Return acts of the own court at a step that this person may decide: neither drafted nor approved by oneself."""
    mine = or_(col(CaseAct.drafted_by) == actor.login, col(CaseAct.approved_by) == actor.login)
    return _act_rows(session, actor, limit, CaseAct.court_code == actor.court_code, CaseAct.state == state, ~mine)


def _list_drafts(session: Session, actor: Actor, today: date, limit: int) -> list[ActRow]:
    """Return the actor's own acts that wait, and those drafted within RETURNED_DAYS that came back refused."""
    since_ms = clock.day_start_ms(today - timedelta(days=RETURNED_DAYS))
    is_shown = or_(
        col(CaseAct.state).in_(act_rules.PENDING),
        and_(col(CaseAct.state) == "refused", col(CaseAct.drafted_ms) >= since_ms),
    )
    own = CaseAct.drafted_by == actor.login
    return _act_rows(session, actor, limit, own, in_scope(CaseAct.court_code, actor), is_shown)


def _act_rows(session: Session, actor: Actor, limit: int, *conditions: Any) -> list[ActRow]:
    query = select(CaseAct, EnforcementCase).join(EnforcementCase, col(EnforcementCase.case_id) == CaseAct.case_id)
    query = query.where(*conditions, is_not_recused(actor)).order_by(col(CaseAct.drafted_ms)).limit(limit)
    found = session.exec(query).all()
    names = _names_of(session, [case.case_id or 0 for _, case in found])
    return [
        ActRow(
            act_id=act.id,
            kind=act.kind,
            detail={key: value for key, value in act.detail.items() if key != "basis"},
            state=act.state,
            drafted_by=act.drafted_by,
            drafted_ms=act.drafted_ms,
            case_no=case.case_no,
            court_code=case.court_code,
            handler_name=case.handler_name,
            parties=names.get(case.case_id or 0, ""),
        )
        for act, case in found
    ]


def _due_row(case: EnforcementCase, node: CaseNode | None) -> DueRow:
    return DueRow(
        case_id=case.case_id or 0,
        case_no=case.case_no,
        court_code=case.court_code,
        type_code=case.type_code,
        state=case.state,
        kind=node.kind if node else case.due_node,
        node_id=node.node_id if node else None,
        started_on=node.started_on if node else None,
        due_on=node.due_on if node else case.due_on,
        handler_id=case.handler_id,
        handler_name=case.handler_name,
        is_flagged=case.is_flagged,
    )


def _with_parties(session: Session, rows: list[DueRow]) -> list[DueRow]:
    names = _names_of(session, [row.case_id for row in rows])
    return [replace(row, parties=names.get(row.case_id, "")) for row in rows]


def _names_of(session: Session, case_ids: Sequence[int]) -> dict[int, str]:
    """Return "applicant, … / executee, …" of each case, two names a side."""
    if not case_ids:
        return {}
    query = select(Party.case_id, Party.role, Party.name).where(col(Party.case_id).in_(set(case_ids)))
    sides: dict[int, dict[str, list[str]]] = {}
    for case_id, role, name in session.exec(query.order_by(col(Party.case_id), col(Party.position))).all():
        sides.setdefault(case_id, {}).setdefault(role, []).append(name)
    return {
        case_id: " / ".join(_shorten(roles[role]) for role in ("applicant", "executee") if role in roles)
        for case_id, roles in sides.items()
    }


def _shorten(names: Sequence[str]) -> str:
    return "、".join(names[:_NAMES_SHOWN]) + ("…" if len(names) > _NAMES_SHOWN else "")
