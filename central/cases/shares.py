"""Who else may see a case, who must not, and why it is watched: shares, recusals, flags."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col, select

from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.cases import record, rules
from central.cases.catalogue import get_catalogue
from central.cases.models import CaseFlag, CaseRecusal, CaseShare, EnforcementCase
from central.cases.recusals import list_recusable
from central.courts.permissions import Actor
from central.courts.queries import get_court

_DAY_MS = 24 * 3600 * 1000


def set_flag(uow: UnitOfWork, actor: Actor, case_no: str, flag: str, reason: str = "") -> CaseFlag:
    """Mark a case as big or important; raises AlreadySetError, NotFoundError, ForbiddenError, UnknownCodeError."""
    case = record.open_case(uow, actor, case_no, "flag_case")
    get_catalogue().flag(flag)
    reason = rules.check_text(reason, "reason", 200)
    if any(row.flag == flag for row in _list_flags(uow, case)):
        raise rules.AlreadySetError("This flag is set already; nothing is left to do.")
    row = CaseFlag(case_id=case.case_id or 0, flag=flag, reason=reason, set_by=actor.audit_name, set_ms=uow.now_ms)
    uow.session.add(row)
    detail = {"flag": flag, **({"reason": reason} if reason else {})}
    record.keep_change(uow, case, actor, "flag_set", detail=detail, values={"is_flagged": True})
    return row


def clear_flag(uow: UnitOfWork, actor: Actor, case_no: str, flag_id: str, reason: str = "") -> None:
    """Take a flag away; the system does not propose it again. Raises NotFoundError, ForbiddenError."""
    case = record.open_case(uow, actor, case_no, "flag_case")
    row = next((row for row in _list_flags(uow, case) if row.id == flag_id), None)
    if row is None:
        raise NotFoundError("This flag does not stand on the case any more; look at the case again.")
    row.cleared_ms, row.cleared_by = uow.now_ms, actor.audit_name
    uow.session.add(row)
    uow.session.flush()
    reason = rules.check_text(reason, "reason", 200)
    detail = {"flag": row.flag, **({"reason": reason} if reason else {})}
    values = {"is_flagged": bool(_list_flags(uow, case))}
    record.keep_change(uow, case, actor, "flag_cleared", detail=detail, values=values)


def set_recusal(uow: UnitOfWork, actor: Actor, case_no: str, login: str, reason: str) -> CaseRecusal:
    """Recuse a person from a case (回避): from now on it does not exist for that person.

    Only somebody who could have to do with the case is recused (`list_recusable`). A recused handler stays named
    until the bureau chief assigns another; the case shows among those without handler.
    Raises AlreadySetError, TextMissingError, NotFoundError (case or log-in), ForbiddenError.
    """
    case = record.open_case(uow, actor, case_no, "set_recusal")
    user = next((one for one in list_recusable(uow.session, case.court_code) if one.login == login), None)
    if user is None:  # the same for a log-in of elsewhere as for none: a form tells nobody which there are
        raise NotFoundError(f"{login!r} has nothing to do with this court; choose somebody of the list.", login=login)
    reason = rules.check_text(reason, "reason", is_needed=True)
    query = select(CaseRecusal.id).where(
        CaseRecusal.case_id == case.case_id, CaseRecusal.user_id == user.id, col(CaseRecusal.ended_ms).is_(None)
    )
    if uow.session.exec(query).first() is not None:
        raise rules.AlreadySetError("This person is recused already; nothing is left to do.")
    row = CaseRecusal(
        case_id=case.case_id or 0, user_id=user.id, reason=reason, set_by=actor.audit_name, set_ms=uow.now_ms
    )
    uow.session.add(row)
    detail = {"person": user.name, "login": user.login, "reason": reason}
    record.keep_change(uow, case, actor, "recusal_set", detail=detail)
    return row


def end_recusal(uow: UnitOfWork, actor: Actor, case_no: str, recusal_id: str, reason: str) -> None:
    """End a recusal with a reason; raises TextMissingError, NotFoundError, ForbiddenError."""
    case = record.open_case(uow, actor, case_no, "set_recusal")
    reason = rules.check_text(reason, "reason", is_needed=True)
    row = uow.session.get(CaseRecusal, recusal_id)
    rule = update(CaseRecusal).where(
        col(CaseRecusal.id) == recusal_id,
        col(CaseRecusal.case_id) == case.case_id,
        col(CaseRecusal.ended_ms).is_(None),
    )
    done = uow.connection.execute(rule.values(ended_ms=uow.now_ms, ended_by=actor.audit_name)).rowcount
    if row is None or not done:
        raise NotFoundError("This recusal does not stand any more; look at the case again.")
    uow.session.refresh(row)
    record.keep_change(uow, case, actor, "recusal_ended", detail={"user_id": row.user_id, "reason": reason})


def share_case(uow: UnitOfWork, actor: Actor, case_no: str, court_code: str, *, days: int, basis: str) -> CaseShare:
    """Let another court read the case for some days, on a stated basis (协助, 委托 with its number).

    Raises ShareError, AlreadySetError, TextMissingError, NotFoundError (case or court), ForbiddenError.
    """
    case = record.open_case(uow, actor, case_no, "share_case")
    get_court(uow.session, court_code)
    rules.check_share(case.court_code, court_code, days)
    basis = rules.check_text(basis, "basis", 200, is_needed=True)
    query = select(CaseShare.id).where(
        CaseShare.case_id == case.case_id,
        CaseShare.court_code == court_code,
        col(CaseShare.ended_ms).is_(None),
        CaseShare.until_ms > uow.now_ms,
    )
    if uow.session.exec(query).first() is not None:
        raise rules.AlreadySetError("The case is shared with this court already; end that share first.")
    row = CaseShare(
        case_id=case.case_id or 0,
        court_code=court_code,
        basis=basis,
        set_by=actor.audit_name,
        from_ms=uow.now_ms,
        until_ms=uow.now_ms + days * _DAY_MS,
    )
    uow.session.add(row)
    record.keep_change(uow, case, actor, "share_set", detail={"court": court_code, "days": days, "basis": basis})
    return row


def end_share(uow: UnitOfWork, actor: Actor, case_no: str, share_id: str) -> None:
    """End a share before its time; raises NotFoundError, ForbiddenError."""
    case = record.open_case(uow, actor, case_no, "share_case")
    row = uow.session.get(CaseShare, share_id)
    if row is None or row.case_id != case.case_id or row.ended_ms is not None or row.until_ms <= uow.now_ms:
        raise NotFoundError("This share does not stand any more; look at the case again.")
    row.ended_ms = uow.now_ms
    uow.session.add(row)
    record.keep_change(uow, case, actor, "share_ended", detail={"court": row.court_code})


def _list_flags(uow: UnitOfWork, case: EnforcementCase) -> list[CaseFlag]:
    query = select(CaseFlag).where(CaseFlag.case_id == case.case_id, col(CaseFlag.cleared_ms).is_(None))
    return list(uow.session.exec(query).all())
