"""What a source's newer word changes in cases that are already here.

The source decides what it tells: sums, cause, basis, parties. What was done here stays: a handler who was assigned
here, nodes, pauses, acts, papers. State, closing and filing day follow the source only where nothing was decided
here: foresight.py has refused every other draft before it gets here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlmodel import col, select

from central.base import bulk
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.cases import clock, record, rows
from central.cases.catalogue import Catalogue
from central.cases.clock import Pause
from central.cases.drafts import CaseDraft
from central.cases.handlers import Handlers
from central.cases.models import CaseAct, CaseEntry, CaseNode, CasePause, EnforcementCase
from central.cases.rewriting import Rewrite, rewrite_many

_RANK: Final = {"filed": 0, "assigned": 1, "active": 2, "suspended": 3, "closed": 4}
_TAKEN: Final = ("basis_doc_no", "cause", "claim_fen", "received_fen", "filed_on")


@dataclass(frozen=True, slots=True)
class Update:
    """A newer draft of a stored case, with the digest of its content."""

    draft: CaseDraft
    digest: bytes


@dataclass(slots=True)
class _Held:
    """What is kept of the cases under way, by case."""

    nodes: dict[int, list[CaseNode]]
    pauses: dict[int, list[Pause]]
    assigned: set[int]
    closed: set[int]


def update_cases(
    uow: UnitOfWork,
    keyring: Keyring,
    catalogue: Catalogue,
    wanted: Mapping[int, Update],
    handlers: Handlers,
    *,
    source: str,
    actor: str,
) -> set[int]:
    """Take over newer drafts (by case_id) and return the cases that changed.

    A draft that says nothing new leaves its case alone, whatever its digest: index keys may have been replaced since.
    Whose case it is stays as it was: who changes a case of another source does not come to own it.
    """
    if not wanted:
        return set()
    query = select(EnforcementCase).where(col(EnforcementCase.case_id).in_(wanted))
    cases = {case.case_id or 0: case for case in uow.session.exec(query.execution_options(populate_existing=True))}
    held = _load(uow, catalogue, list(wanted))
    rewrites = {case_id: _rewrite(cases[case_id], update.draft) for case_id, update in wanted.items()}
    with_new_parties = rewrite_many(uow, keyring, rewrites)
    on, changed = clock.today(uow.now_ms), set()
    kept: list[tuple[rows.Row, rows.Row]] = []
    for case_id, update in wanted.items():
        case, nodes = cases[case_id], held.nodes.setdefault(case_id, [])
        case.source_digest = update.digest
        fields = _take(case, update.draft, handlers, held)
        has_nodes = _take_nodes(uow, catalogue, case, update.draft, nodes, on=on, actor=actor)
        if not fields and not has_nodes and case_id not in with_new_parties:
            continue
        changed.add(case_id)
        record.set_dues(catalogue, case, [n for n in nodes if n.done_on is None], held.pauses.get(case_id, []))
        case.changed_ms = uow.now_ms
        case.version += 1
        detail: dict[str, object] = {"source": source, "fields": fields, "version": case.version}
        if case_id in with_new_parties:
            detail["parties"] = len(update.draft.parties)
        kept.append(_kept(case, actor, detail, uow.now_ms))
    uow.session.flush()
    bulk.insert_rows(uow.connection, "case_entry", rows.ENTRY_COLUMNS, [entry for entry, _ in kept])
    bulk.insert_rows(uow.connection, "case_change", rows.CHANGE_COLUMNS, [change for _, change in kept])
    return changed


def _rewrite(case: EnforcementCase, draft: CaseDraft) -> Rewrite:
    return Rewrite(case.seq, case.filed_day, draft.filed_on.toordinal(), draft.parties)


def _load(uow: UnitOfWork, catalogue: Catalogue, case_ids: Sequence[int]) -> _Held:
    held = _Held({}, {}, set(), set())
    nodes = select(CaseNode).where(col(CaseNode.case_id).in_(case_ids)).order_by(col(CaseNode.node_id))
    for node in uow.session.exec(nodes.execution_options(populate_existing=True)):
        held.nodes.setdefault(node.case_id, []).append(node)
    for pause in uow.session.exec(select(CasePause).where(col(CasePause.case_id).in_(case_ids))):
        suspends = catalogue.pause(pause.kind).suspends
        held.pauses.setdefault(pause.case_id, []).append(Pause(pause.from_on, pause.until_on, suspends))
    by_hand = select(CaseEntry.case_id).where(col(CaseEntry.case_id).in_(case_ids), CaseEntry.kind == "assigned")
    held.assigned = set(uow.session.exec(by_hand))
    closing = (CaseAct.kind == "close", CaseAct.state == "done")
    held.closed = set(uow.session.exec(select(CaseAct.case_id).where(col(CaseAct.case_id).in_(case_ids), *closing)))
    return held


def _take(case: EnforcementCase, draft: CaseDraft, handlers: Handlers, held: _Held) -> list[str]:
    """Take over what the source decides; returns the names of the fields that changed."""
    case_id = case.case_id or 0
    wanted: dict[str, object] = {name: getattr(draft, name) for name in _TAKEN}
    wanted["filed_day"] = draft.filed_on.toordinal()
    if case_id not in held.assigned and (draft.handler_login or draft.handler_name):
        wanted["handler_id"], wanted["handler_name"] = handlers.of(draft)
    if _goes_on(case, draft, is_paused=any(pause.suspends for pause in held.pauses.get(case_id, []))):
        wanted["state"] = draft.state
    if draft.state == "closed" and case_id not in held.closed:
        wanted["closing"], wanted["closed_on"] = draft.closing, draft.closed_on
    changed = [name for name, value in wanted.items() if getattr(case, name) != value]
    for name in changed:
        setattr(case, name, wanted[name])
    return [name for name in changed if name not in ("filed_day", "handler_id")]


def _goes_on(case: EnforcementCase, draft: CaseDraft, *, is_paused: bool) -> bool:
    """Tell whether the source's state goes further than the one here, or ends a suspension that it told itself."""
    if case.state == "suspended" and draft.state == "active":
        return not is_paused
    return _RANK[draft.state] > _RANK[case.state]


def _take_nodes(
    uow: UnitOfWork,
    catalogue: Catalogue,
    case: EnforcementCase,
    draft: CaseDraft,
    nodes: list[CaseNode],
    *,
    on: date,
    actor: str,
) -> bool:
    """Note what the source says was done, and open what follows a closing; tells whether anything was new."""
    done, is_new = dict(draft.nodes_done), False
    if case.state != "filed":
        done.setdefault("assign", on)
    if case.state == "closed":
        done.setdefault(catalogue.whole_case.kind, case.closed_on or on)
    for kind, day in done.items():
        mine = [node for node in nodes if node.kind == kind]
        running = [node for node in mine if node.done_on is None]
        if running:
            record.finish_node(running[0], done_on=day, done_by=actor)
        elif not mine and kind in draft.nodes_done:
            nodes.append(_add(uow, case, kind, started_on=day, done_on=day, actor=actor))
        else:
            continue
        is_new = True
    if case.state != "closed" or any(catalogue.node(node.kind).starts == "closing" for node in nodes):
        return is_new
    for planned in clock.plan_rechecks(
        catalogue, type_code=case.type_code, closing=case.closing, closed_on=case.closed_on or case.filed_on,
        last_done=draft.nodes_done, on=on,
    ):  # fmt: skip
        node = _add(uow, case, planned.kind, started_on=planned.started_on)
        node.due_on, is_new = planned.due_on, True
        nodes.append(node)
    return is_new


def _add(
    uow: UnitOfWork,
    case: EnforcementCase,
    kind: str,
    *,
    started_on: date,
    done_on: date | None = None,
    actor: str = "",
) -> CaseNode:
    node = record.add_node(uow, case, kind, started_on=started_on)
    node.done_on, node.done_by = done_on, actor
    return node


def _kept(case: EnforcementCase, actor: str, detail: dict[str, object], now_ms: int) -> tuple[rows.Row, rows.Row]:
    """Return the line of the timeline and of the change feed."""
    case_id = case.case_id or 0
    change = (case_id, case.case_no, case.court_code, "updated", case.version, now_ms)
    return rows.entry_row(case_id, now_ms, "updated", actor, detail), change
