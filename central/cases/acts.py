"""Acts on a case: drafted by one person, approved by another and, where required, signed by a third."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import col, select

from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.cases import act_rules, building, nodes, pauses, record, rules
from central.cases.act_rules import ActCase
from central.cases.catalogue import get_catalogue
from central.cases.models import CaseAct, CaseDocument, CaseNode, EnforcementCase
from central.courts.permissions import Actor
from central.people.rules import check_separation

MAX_NOTE_CHARS = 1000


def draft_act(  # noqa: PLR0917 - who, where, what, why: in the order of every act
    uow: UnitOfWork, actor: Actor, case_no: str, kind: str, detail: Mapping[str, Any], reason: str
) -> CaseAct:
    """Draft an act and submit it: `extend` {"months": n}, `close` {"closing": code}, `reopen` {}.

    Raises NotFoundError, ForbiddenError, UnknownActError, ActPendingError, TextMissingError, and what
    `act_rules.check_act` raises: ClosingGateError lists every unmet condition of a 终本.
    """
    case = record.open_case(uow, actor, case_no, "request_case_act")
    detail = act_rules.check_detail(kind, detail)
    reason = rules.check_text(reason, "reason", MAX_NOTE_CHARS, is_needed=True)
    look = _look(uow, case)
    act_rules.check_act(get_catalogue(), kind, detail, look, record.day_of(uow))
    waiting = select(CaseAct.id).where(
        CaseAct.case_id == case.case_id, CaseAct.kind == kind, col(CaseAct.state).in_(act_rules.PENDING)
    )
    if uow.session.exec(waiting).first() is not None:
        raise act_rules.ActPendingError("An act of this kind waits for its decision; withdraw it first.", act=kind)
    act = CaseAct(
        case_id=case.case_id or 0,
        court_code=case.court_code,
        kind=kind,
        detail={**detail, "basis": look.basis_of(kind)},
        reason=reason,
        drafted_by=actor.login,
        drafted_ms=uow.now_ms,
    )
    uow.session.add(act)
    record.keep_change(uow, case, actor, "act_drafted", detail={"act": kind, "act_id": act.id, **detail})
    return act


def approve_act(uow: UnitOfWork, actor: Actor, act_id: str, note: str = "") -> CaseAct:
    """Approve an act; it takes effect at once where nobody signs after.

    Raises NotFoundError, ForbiddenError (SamePersonError), ActDecidedError, StaleActError, ClosingGateError.
    """
    act, case = _open_act(uow, actor, act_id, "approve_case_act")
    check_separation(drafter=act.drafted_by, approver=actor.login)
    return _decide(uow, actor, act, case, step="approve", note=note)


def sign_act(uow: UnitOfWork, actor: Actor, act_id: str, note: str = "") -> CaseAct:
    """Sign an approved act as president: it takes effect. Raises as `approve_act`."""
    act, case = _open_act(uow, actor, act_id, "sign_case_act")
    check_separation(drafter=act.drafted_by, approver=act.approved_by, signer=actor.login)
    return _decide(uow, actor, act, case, step="sign", note=note)


def refuse_act(uow: UnitOfWork, actor: Actor, act_id: str, reason: str) -> CaseAct:
    """Refuse an act with a reason: the bureau chief before, the president after the approval. Stale ones too.

    Raises NotFoundError, ForbiddenError, ActDecidedError, TextMissingError.
    """
    found = uow.session.get(CaseAct, act_id, populate_existing=True)
    right = "sign_case_act" if found is not None and found.state == "approved" else "approve_case_act"
    act, case = _open_act(uow, actor, act_id, right)
    check_separation(drafter=act.drafted_by, approver=actor.login)
    reason = rules.check_text(reason, "reason", MAX_NOTE_CHARS, is_needed=True)
    return _finish(uow, actor, act, case, "refuse", note=reason)


def withdraw_act(uow: UnitOfWork, actor: Actor, act_id: str, note: str = "") -> CaseAct:
    """Take back one's own act before it is decided; raises NotFoundError, ForbiddenError, ActDecidedError."""
    act, case = _open_act(uow, actor, act_id, "request_case_act")
    if act.drafted_by != actor.login:
        raise act_rules.NotDrafterError("Only who drafted the act can withdraw it; refuse it instead.")
    return _finish(uow, actor, act, case, "withdraw", note=rules.check_text(note, "note", MAX_NOTE_CHARS))


def _open_act(uow: UnitOfWork, actor: Actor, act_id: str, right: str) -> tuple[CaseAct, EnforcementCase]:
    act = uow.session.get(CaseAct, act_id, populate_existing=True)
    found = uow.session.get(EnforcementCase, act.case_id) if act else None
    if act is None or found is None:
        raise NotFoundError("There is no such act; look at the case again.")
    return act, record.open_case(uow, actor, found.case_no, right)


def _decide(uow: UnitOfWork, actor: Actor, act: CaseAct, case: EnforcementCase, *, step: str, note: str) -> CaseAct:
    """Check that the act still applies, move it on, and carry it out when it is done."""
    catalogue, look = get_catalogue(), _look(uow, case)
    note = rules.check_text(note, "note", MAX_NOTE_CHARS)
    is_signed = act_rules.needs_signature(catalogue, act.kind, act.detail)
    state = act_rules.next_act_state(act.state, step, is_signed=is_signed)
    act_rules.check_fresh(act.kind, act.detail["basis"], look)
    act_rules.check_act(catalogue, act.kind, act.detail, look, record.day_of(uow))
    _finish(uow, actor, act, case, step, note=note, is_signed=is_signed)
    if state == "done":
        _carry_out(uow, actor, act, case)
    return act


def _finish(
    uow: UnitOfWork,
    actor: Actor,
    act: CaseAct,
    case: EnforcementCase,
    step: str,
    *,
    note: str,
    is_signed: bool = True,
) -> CaseAct:
    """Move the act on by `UPDATE ... WHERE state = ...` and keep that in the case's record."""
    before = act.state
    state = act_rules.next_act_state(before, step, is_signed=is_signed)
    values: dict[str, Any] = {"state": state, "decision_note": note or act.decision_note}
    stamp = {"approve": "approved", "sign": "signed"}.get(step)
    if step == "refuse":  # who refuses stands where they would have approved or signed
        stamp = "signed" if before == "approved" else "approved"
    if stamp:
        values |= {f"{stamp}_by": actor.login, f"{stamp}_ms": uow.now_ms}
    uow.session.flush()
    rule = update(CaseAct).where(col(CaseAct.id) == act.id, col(CaseAct.state) == before)
    if not uow.connection.execute(rule.values(**values)).rowcount:
        raise act_rules.ActDecidedError("Somebody else decided this act just now; look at it again.", act=step)
    uow.session.refresh(act)
    verb = {"approve": "approved", "sign": "signed", "refuse": "refused", "withdraw": "withdrawn"}[step]
    detail = {"act": act.kind, "act_id": act.id, **({"note": note} if note else {})}
    record.keep_change(uow, case, actor, f"act_{verb}", detail=detail)
    return act


def _carry_out(uow: UnitOfWork, actor: Actor, act: CaseAct, case: EnforcementCase) -> None:
    if act.kind == "extend":
        months = case.extended_months + act.detail["months"]
        detail = {"act_id": act.id, "months": act.detail["months"]}
        record.keep_change(uow, case, actor, "extended", detail=detail, values={"extended_months": months})
    elif act.kind == "close":
        _close(uow, actor, act, case)
    else:
        _reopen(uow, actor, act, case)


def _close(uow: UnitOfWork, actor: Actor, act: CaseAct, case: EnforcementCase) -> None:
    on, closing = record.day_of(uow), act.detail["closing"]
    whole = get_catalogue().whole_case.kind
    for node in record.list_open_nodes(uow, case, whole):
        record.finish_node(node, done_on=on, done_by=actor.audit_name)
        uow.session.add(node)
    pauses.end_pauses_at_closing(uow, case, actor.audit_name)
    state = rules.next_state(case.state, "close")
    values = {"state": state, "closing": closing, "closed_on": on}
    record.keep_change(uow, case, actor, "closed", detail={"closing": closing, "act_id": act.id}, values=values)
    nodes.open_rechecks(uow, get_catalogue(), case, last_done={})
    record.refresh_dues(uow, case)


def _reopen(uow: UnitOfWork, actor: Actor, act: CaseAct, case: EnforcementCase) -> None:
    """Undo a closing that was an error: the whole-case clock goes on, rechecks not yet done fall away."""
    catalogue = get_catalogue()
    following = [node.kind for node in catalogue.nodes if node.starts == "closing"]
    of_case = col(CaseNode.case_id) == case.case_id
    uow.session.flush()
    uow.connection.execute(
        delete(CaseNode).where(of_case, col(CaseNode.kind).in_(following), col(CaseNode.done_on).is_(None))
    )
    whole = update(CaseNode).where(of_case, col(CaseNode.kind) == catalogue.whole_case.kind)
    uow.connection.execute(whole.values(done_on=None, done_by=""))
    uow.session.expire_all()
    detail = {"closing": case.closing, "closed_on": str(case.closed_on), "act_id": act.id}
    values = {"state": rules.next_state(case.state, "reopen"), "closing": "", "closed_on": None}
    record.keep_change(uow, case, actor, "reopened", detail=detail, values=values)


def _look(uow: UnitOfWork, case: EnforcementCase) -> ActCase:
    rows = uow.session.exec(select(CaseNode).where(CaseNode.case_id == case.case_id)).all()
    papers = uow.session.exec(select(CaseDocument).where(CaseDocument.case_id == case.case_id)).all()
    return building.act_case(case, rows, papers)
