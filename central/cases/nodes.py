"""Nodes of a case: started and recorded."""

from __future__ import annotations

from datetime import date
from typing import Any

from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.cases import clock, record, rules
from central.cases.catalogue import Catalogue, get_catalogue
from central.cases.catalogue_entries import NodeKind
from central.cases.models import CaseDocument, CaseNode, EnforcementCase
from central.courts.permissions import Actor

MAX_NOTE_CHARS = 500


def record_node(
    uow: UnitOfWork,
    actor: Actor,
    case_no: str,
    node: int | str,
    *,
    done_on: date,
    note: str = "",
    document_id: str | None = None,
) -> CaseNode:
    """Record that a node (its number, or a kind) was done on a day; what follows from it is opened.

    A kind without an open node is recorded as done at once. The first node of enforcement makes the case active.
    Raises NotFoundError, ForbiddenError, NodeDoneError, NodeNotForTypeError, DayError, CaseClosedError.
    """
    case = record.open_case(uow, actor, case_no, "record_node")
    catalogue = get_catalogue()
    note = rules.check_text(note, "note", MAX_NOTE_CHARS)
    rules.check_day(done_on, filed_on=case.filed_on, on=record.day_of(uow))
    row = _find_node(uow, case, node)
    rule = catalogue.node(row.kind if row else str(node))
    _check_by_hand(catalogue, case, rule)
    if row is None:
        row = record.add_node(uow, case, rule.kind, started_on=done_on)
    elif done_on < row.started_on:
        raise rules.DayError(
            f"The node was started on {row.started_on} and cannot be done before; correct the day.",
            first=str(row.started_on),
            last=str(record.day_of(uow)),
        )
    if document_id is not None:
        check_document(uow, case, document_id)
    record.finish_node(row, done_on=done_on, done_by=actor.audit_name, note=note, document_id=document_id)
    uow.session.add(row)
    _open_following(uow, catalogue, case, rule, done_on)
    values: dict[str, Any] = {}
    if rule.starts != "closing" and not rule.outlives_case and case.state in ("filed", "assigned"):
        values["state"] = rules.next_state(case.state, "begin")
    detail = {"node": rule.kind, "done_on": str(done_on), **({"note": note} if note else {})}
    record.keep_change(uow, case, actor, "node_done", detail=detail, values=values)
    return row


def start_node(
    uow: UnitOfWork,
    actor: Actor,
    case_no: str,
    kind: str,
    *,
    started_on: date,
    due_on: date | None = None,
    note: str = "",
) -> CaseNode:
    """Open a node by hand, such as a creditor's lead that came in; `due_on` is the day its paper states.

    Raises as `record_node`; NodeOpenError when a node opens by itself and is open, TextMissingError when the
    catalogue states no limit and no day is given.
    """
    case = record.open_case(uow, actor, case_no, "record_node")
    catalogue = get_catalogue()
    rule = catalogue.node(kind)
    _check_by_hand(catalogue, case, rule)
    rules.check_day(started_on, filed_on=case.filed_on, on=record.day_of(uow))
    if rule.starts != "hand" and record.list_open_nodes(uow, case, kind):
        raise rules.NodeOpenError("This node is open already; record it when it is done.", node=kind)
    if due_on is None and not rule.limit:
        raise rules.TextMissingError("The last day is missing; enter the day the paper states.", field="last day")
    if due_on is not None and due_on < started_on:
        raise rules.DayError(
            "The last day lies before the start; correct the days.", first=str(started_on), last=str(due_on)
        )
    if due_on is not None:
        rules.check_ahead(due_on, filed_on=case.filed_on)
    note = rules.check_text(note, "note", MAX_NOTE_CHARS)
    node = record.add_node(uow, case, kind, started_on=started_on, stated_on=due_on, note=note)
    detail = {"node": kind, "started_on": str(started_on), **({"note": note} if note else {})}
    record.keep_change(uow, case, actor, "node_started", detail=detail)
    return node


def _find_node(uow: UnitOfWork, case: EnforcementCase, node: int | str) -> CaseNode | None:
    if isinstance(node, str):
        return next(iter(record.list_open_nodes(uow, case, node)), None)
    row = uow.session.get(CaseNode, node)
    if row is None or row.case_id != case.case_id:
        raise NotFoundError("There is no such node on this case; look at the case again.")
    if row.done_on is not None:
        raise rules.NodeDoneError(f"This was recorded before, as done on {row.done_on}.", day=str(row.done_on))
    return row


def _check_by_hand(catalogue: Catalogue, case: EnforcementCase, rule: NodeKind) -> None:
    if case.state == "closed" and not rule.outlives_case:
        raise rules.closed_case()
    if (
        rule.is_whole_case
        or rule.kind in record.BOUND_NODES
        or rule not in catalogue.nodes_of(case.type_code)
        or (rule.starts == "closing" and case.closing != rule.after)
    ):
        raise rules.NodeNotForTypeError(
            f"{rule.en} is not recorded by hand on this case; choose another node.", node=rule.kind
        )


def _open_following(
    uow: UnitOfWork, catalogue: Catalogue, case: EnforcementCase, rule: NodeKind, done_on: date
) -> None:
    if rule.starts == "closing":
        open_rechecks(uow, catalogue, case, last_done={rule.kind: done_on})
    for following in catalogue.nodes_of(case.type_code):
        wanted = following.starts == "node" and following.after == rule.kind
        if wanted and not record.list_open_nodes(uow, case, following.kind):
            record.add_node(uow, case, following.kind, started_on=done_on)


def open_rechecks(
    uow: UnitOfWork, catalogue: Catalogue, case: EnforcementCase, *, last_done: dict[str, date]
) -> None:
    """Open the next recheck of a closed case, if its five years are not over."""
    planned = clock.plan_rechecks(
        catalogue,
        type_code=case.type_code,
        closing=case.closing,
        closed_on=case.closed_on or record.day_of(uow),
        last_done=last_done,
        on=record.day_of(uow),
    )
    for node in planned:
        record.add_node(uow, case, node.kind, started_on=node.started_on, stated_on=node.due_on)


def check_document(uow: UnitOfWork, case: EnforcementCase, document_id: str) -> CaseDocument:
    """Return a paper of this case that is not withdrawn; raises NotFoundError."""
    document = uow.session.get(CaseDocument, document_id)
    if document is None or document.case_id != case.case_id or document.withdrawn_ms is not None:
        raise NotFoundError("There is no such paper on this case; choose one of its papers.")
    return document
