"""The ground of the room's writers: a case opened for an act, and everything that must be kept with a change.

A change raises the version by `UPDATE ... WHERE version = ...`, adds a line to the timeline and to the change feed,
audits, and sets the due days anew, all in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import update
from sqlmodel import col, select

from central.audit import service as audit
from central.base.errors import ConflictError
from central.base.unit_of_work import UnitOfWork
from central.cases import clock, rights, rules
from central.cases.catalogue import Catalogue, get_catalogue
from central.cases.catalogue_entries import NodeKind
from central.cases.change_models import CaseChange
from central.cases.clock import Pause
from central.cases.models import CaseEntry, CaseNode, CasePause, EnforcementCase
from central.cases.sight import stand_of
from central.courts.permissions import Viewer

# Nodes that only their own act records.
BOUND_NODES: Final = ("assign",)


def open_case(uow: UnitOfWork, actor: Viewer, case_no: str, action: str) -> EnforcementCase:
    """Return a case on which the actor may do `action` now.

    Raises NotFoundError when the actor may not know of it, ForbiddenError (NotOwnCase, OtherCourtCase),
    CaseClosedError.
    """
    query = select(EnforcementCase).where(EnforcementCase.case_no == case_no)
    case = uow.session.exec(query.execution_options(populate_existing=True)).first()
    if case is None:
        raise rules.unknown_case(case_no)
    rights.check_right(actor, stand_of(uow.session, actor, case, now_ms=uow.now_ms), action)
    return case


def keep_change(
    uow: UnitOfWork,
    case: EnforcementCase,
    actor: Viewer | str,
    kind: str,
    *,
    detail: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    purpose: str = "",
) -> None:
    """Write `values` into the case, raise its version, and keep what happened as `kind`.

    `detail` goes to the timeline and the audit: codes and days, never an identity number or a telephone.
    Raises ConflictError when somebody else changed the case meanwhile.
    """
    uow.session.flush()
    name = actor if isinstance(actor, str) else actor.audit_name
    rule = update(EnforcementCase).where(
        col(EnforcementCase.case_id) == case.case_id, col(EnforcementCase.version) == case.version
    )
    version = case.version + 1
    done = uow.connection.execute(rule.values(**(values or {}), version=version, changed_ms=uow.now_ms)).rowcount
    if not done:
        raise ConflictError("Somebody else changed this case just now; look at it again.")
    uow.session.refresh(case)
    refresh_dues(uow, case)
    told = {**(detail or {}), "version": version}
    case_id = case.case_id or 0
    uow.session.add(CaseEntry(case_id=case_id, at_ms=uow.now_ms, kind=kind, actor=name, detail=told))
    uow.session.add(
        CaseChange(
            case_id=case_id,
            case_no=case.case_no,
            court_code=case.court_code,
            kind=kind,
            version=version,
            at_ms=uow.now_ms,
        )
    )
    keep_audit(uow, case, name, f"cases:case:{kind}", purpose=purpose, detail=detail)


def keep_audit(
    uow: UnitOfWork,
    case: EnforcementCase,
    actor: Viewer | str,
    action: str,
    *,
    purpose: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append an act on this case to the audit."""
    audit.append(
        uow,
        actor=actor if isinstance(actor, str) else actor.audit_name,
        court_code=case.court_code,
        action=action,
        subject=f"case:{case.case_no}",
        purpose=purpose,
        case_no=case.case_no,
        detail=dict(detail or {}),
    )


def refresh_dues(uow: UnitOfWork, case: EnforcementCase) -> None:
    """Set the due days of open nodes, and with them `due_on`, `due_node` and `limit_on` of the case, anew.

    The one place that does so: after every change of state, pauses, nodes or extensions.
    """
    uow.session.flush()
    query = select(CaseNode).where(CaseNode.case_id == case.case_id, col(CaseNode.done_on).is_(None))
    nodes = uow.session.exec(query.order_by(col(CaseNode.node_id))).all()
    catalogue = get_catalogue()
    set_dues(catalogue, case, nodes, list_pauses(uow, catalogue, case))
    uow.session.add_all([case, *nodes])
    uow.session.flush()


def set_dues(catalogue: Catalogue, case: EnforcementCase, nodes: Sequence[CaseNode], pauses: Sequence[Pause]) -> None:
    """Set the due days of the open `nodes` of a case, all of them, and of the case itself; writes nothing."""
    due_on, due_node, limit_on = None, "", None
    for node in nodes:
        rule = catalogue.node(node.kind)
        node.due_on = _due_of(catalogue, case, node, rule, pauses)
        if rule.is_whole_case:
            limit_on = node.due_on
        if node.due_on is not None and (due_on is None or node.due_on < due_on):
            due_on, due_node = node.due_on, node.kind
    case.due_on, case.due_node, case.limit_on = due_on, due_node, limit_on


def _due_of(
    catalogue: Catalogue, case: EnforcementCase, node: CaseNode, rule: NodeKind, pauses: Sequence[Pause]
) -> date | None:
    if case.state == "closed" and not rule.outlives_case:
        return None
    if rule.starts == "closing":  # its days are fixed from the closing, not from the turn before
        return node.stated_on or node.due_on
    # A case that came here suspended brings no pause; its clock stands still all the same.
    if case.state == "suspended" and rule.halts != "never" and not any(pause.suspends for pause in pauses):
        return None
    if rule.is_whole_case:
        base = clock.base_limit(
            catalogue,
            type_code=case.type_code,
            filed_on=case.filed_on,
            extended=case.extended_months,
            is_non_litigation=case.is_non_litigation,
        )
    else:
        base = node.stated_on or clock.node_base_due(catalogue, rule, node.started_on)
    return clock.node_due(rule, node.started_on, base, pauses)


def list_pauses(uow: UnitOfWork, catalogue: Catalogue, case: EnforcementCase) -> list[Pause]:
    """Return the pauses of a case as the clock counts them."""
    query = select(CasePause).where(CasePause.case_id == case.case_id)
    rows = uow.session.exec(query).all()
    return [Pause(row.from_on, row.until_on, catalogue.pause(row.kind).suspends) for row in rows]


def list_open_nodes(uow: UnitOfWork, case: EnforcementCase, kind: str = "") -> list[CaseNode]:
    """Return the open nodes of a case, oldest first; with `kind` of this kind only."""
    query = select(CaseNode).where(CaseNode.case_id == case.case_id, col(CaseNode.done_on).is_(None))
    if kind:
        query = query.where(CaseNode.kind == kind)
    return list(uow.session.exec(query.order_by(col(CaseNode.started_on), col(CaseNode.node_id))).all())


def add_node(
    uow: UnitOfWork,
    case: EnforcementCase,
    kind: str,
    *,
    started_on: date,
    stated_on: date | None = None,
    note: str = "",
) -> CaseNode:
    """Open a node; its due day is set by `refresh_dues`."""
    node = CaseNode(
        case_id=case.case_id or 0,
        court_code=case.court_code,
        kind=kind,
        started_on=started_on,
        stated_on=stated_on,
        due_on=stated_on,
        note=note,
    )
    uow.session.add(node)
    return node


def finish_node(
    node: CaseNode, *, done_on: date, done_by: str, note: str = "", document_id: str | None = None
) -> None:
    """Note that a node is done."""
    node.done_on, node.done_by = done_on, done_by
    node.note = note or node.note
    node.document_id = document_id or node.document_id


def day_of(uow: UnitOfWork) -> date:
    """Return today in Asia/Shanghai."""
    return clock.today(uow.now_ms)
