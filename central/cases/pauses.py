"""Pauses of a case: what the net clock leaves out, always by a paper."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import literal_column
from sqlmodel import col, select

from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.cases import nodes, record, rules
from central.cases.catalogue import get_catalogue
from central.cases.models import CasePause, EnforcementCase
from central.courts.permissions import Actor


def start_pause(
    uow: UnitOfWork,
    actor: Actor,
    case_no: str,
    kind: str,
    *,
    from_on: date,
    until_on: date | None = None,
    doc_no: str,
    document_id: str | None = None,
) -> CasePause:
    """Let the clock stand still from a day on, by a paper; 暂缓 and 中止 suspend the case.

    `until_on` is the first day that counts again. Raises PauseError, PauseRunningError, DayError, TextMissingError,
    and as `record_node`.
    """
    case = record.open_case(uow, actor, case_no, "record_node")
    on = record.day_of(uow)
    rule = get_catalogue().pause(kind)
    rules.check_pause(
        get_catalogue(), kind, from_on=from_on, until_on=until_on, doc_no=doc_no, filed_on=case.filed_on, on=on
    )
    if case.state == "closed":
        raise rules.closed_case()
    if any(pause.kind == kind for pause in _list_running(uow, case)):
        raise rules.PauseRunningError(f"{rule.en} runs already; end it first.", kind=kind)
    if document_id is not None:
        nodes.check_document(uow, case, document_id)
    is_over = until_on is not None and until_on <= on
    pause = CasePause(
        case_id=case.case_id or 0,
        kind=kind,
        from_on=from_on,
        until_on=until_on,
        doc_no=doc_no.strip(),
        document_id=document_id,
        set_by=actor.audit_name,
        ended_by=actor.audit_name if is_over else "",
    )
    uow.session.add(pause)
    values = {"state": rules.next_state(case.state, "suspend")} if rule.suspends and not is_over else {}
    detail = {"pause": kind, "from_on": str(from_on), "doc_no": pause.doc_no}
    detail |= {"until_on": str(until_on)} if until_on else {}
    record.keep_change(uow, case, actor, "pause_started", detail=detail, values=values)
    return pause


def end_pause(uow: UnitOfWork, actor: Actor, case_no: str, pause_id: str, *, until_on: date) -> CasePause:
    """End a running pause; `until_on` is the first day that counts again, today at the latest tomorrow.

    Raises PauseEndedError, PauseError, DayError, NotFoundError, ForbiddenError.
    """
    case = record.open_case(uow, actor, case_no, "record_node")
    pause = uow.session.get(CasePause, pause_id)
    if pause is None or pause.case_id != case.case_id:
        raise NotFoundError("There is no such pause on this case; look at the case again.")
    if pause.ended_by:
        raise rules.PauseEndedError("This pause has ended already; nothing is left to do.")
    if until_on < pause.from_on:
        raise rules.PauseError("The pause must end after it begins; correct the days.", kind=pause.kind)
    rules.check_day(until_on, filed_on=case.filed_on, on=record.day_of(uow) + timedelta(days=1))
    if pause.until_on is not None and until_on > pause.until_on:
        raise rules.PauseError("The pause ends earlier than that by its paper; correct the day.", kind=pause.kind)
    _finish_pause(uow, pause, until_on, actor.audit_name)
    detail = {"pause": pause.kind, "until_on": str(until_on)}
    record.keep_change(uow, case, actor, "pause_ended", detail=detail, values=_resume(uow, case))
    return pause


def end_due_pauses(uow: UnitOfWork, *, limit: int = 200) -> int:
    """End the pauses whose set end has come and let their cases go on; returns how many. For housekeeping."""
    on = record.day_of(uow)
    # Written out, not bound: only so is the index over running pauses used.
    query = select(CasePause).where(col(CasePause.ended_by) == literal_column("''"), col(CasePause.until_on) <= on)
    pauses = uow.session.exec(query.order_by(col(CasePause.until_on)).limit(limit)).all()
    for pause in pauses:
        case = uow.session.get_one(EnforcementCase, pause.case_id, populate_existing=True)
        _finish_pause(uow, pause, pause.until_on or on, "system:housekeeping")
        detail = {"pause": pause.kind, "until_on": str(pause.until_on)}
        values = _resume(uow, case)
        record.keep_change(uow, case, "system:housekeeping", "pause_ended", detail=detail, values=values)
    return len(pauses)


def end_pauses_at_closing(uow: UnitOfWork, case: EnforcementCase, by: str) -> None:
    """End what still runs when a case is closed."""
    for pause in _list_running(uow, case):
        _finish_pause(uow, pause, max(pause.from_on, record.day_of(uow)), by)


def _finish_pause(uow: UnitOfWork, pause: CasePause, until_on: date, by: str) -> None:
    pause.until_on, pause.ended_by = until_on, by
    uow.session.add(pause)
    uow.session.flush()


def _list_running(uow: UnitOfWork, case: EnforcementCase) -> list[CasePause]:
    query = select(CasePause).where(CasePause.case_id == case.case_id, CasePause.ended_by == "")
    return list(uow.session.exec(query).all())


def _resume(uow: UnitOfWork, case: EnforcementCase) -> dict[str, str]:
    """Return the state a suspended case goes on in when nothing suspends it any more."""
    catalogue = get_catalogue()
    if case.state != "suspended" or any(catalogue.pause(p.kind).suspends for p in _list_running(uow, case)):
        return {}
    return {"state": rules.next_state(case.state, "resume")}
