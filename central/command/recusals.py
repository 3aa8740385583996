"""Who is kept from a session because of the case that its task serves (回避): it is shut to him as the case is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlmodel import Session, col, select

from central.cases.models import CaseRecusal, EnforcementCase
from central.command.models import CommandDecision, CommandRequest
from central.devices.models import Kit, MailboxEntry


def list_barred(session: Session, decision_ids: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the ids of the people recused from what these decisions serve, by decision; those without are left out.

    A request on the ground ``task`` names it as ``kit id/number``; the task's body names its case.
    """
    asked = session.exec(
        select(CommandDecision.id, CommandRequest.ground_ref).where(
            CommandDecision.request_id == CommandRequest.id,
            CommandRequest.ground == "task",
            col(CommandDecision.id).in_(list(decision_ids)),
        )
    ).all()
    return {id_: barred for id_, ref in asked if (barred := find_recused(session, ref))}


def find_recused(session: Session, task: str) -> tuple[str, ...]:
    """Return the ids of the people recused now from the case of a task (``kit id/number``); () without case."""
    kit_id, _, number = task.rpartition("/")
    if not number.isdecimal() or len(number) > 15:
        return ()
    query = select(MailboxEntry.body).join(Kit, col(Kit.kit_no) == MailboxEntry.kit_no)
    body = session.exec(query.where(Kit.kit_id == kit_id, MailboxEntry.number == int(number))).first()
    case_no = body.get("case_no", "") if body else ""
    if not case_no:
        return ()
    people = select(CaseRecusal.user_id).join(EnforcementCase, col(EnforcementCase.case_id) == CaseRecusal.case_id)
    people = people.where(EnforcementCase.case_no == case_no, col(CaseRecusal.ended_ms).is_(None))
    return tuple(sorted(session.exec(people).all()))
