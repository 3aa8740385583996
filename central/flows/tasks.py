"""A person gives a kit's officer something to do, or takes it back; the officer answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlmodel import Session

from central.audit import service as audit
from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.cases.numbers import parse_case_no
from central.cases.sight import get_case, list_barred_numbers
from central.courts.permissions import Actor, Viewer, check_permission, sees_court
from central.devices import queries as devices_queries
from central.devices import service as devices
from central.devices import task_rules as rules
from central.devices import tasks
from central.devices.models import MailboxEntry
from central.devices.rules import KitRef
from central.devices.task_rules import TaskDraft
from central.devices.tasks import TaskView
from contract.messages import CommandReceipt

# What an officer answers as a person; the rest his kit says by itself.
ANSWERS = ("accepted", "refused", "done")


def assign_task(uow: UnitOfWork, actor: Actor, kit_id: str, draft: TaskDraft) -> MailboxEntry:
    """Put a task into the kit's mailbox, audited with its title and case.

    A case that is named must be one the actor sees: recordings of the task are bound to it.
    Raises ForbiddenError, NotFoundError (kit or case), CaseNumberError, TaskDraftError.
    """
    check_permission(actor, "assign_tasks")
    view = devices_queries.get_kit(uow.session, actor, kit_id, now_ms=uow.now_ms)
    if view.kit.revoked_ms is not None:
        raise NotFoundError("This kit is revoked and hears nothing any more; choose another.", kit_id=kit_id)
    if draft.case_no.strip():
        number = parse_case_no(draft.case_no).text
        get_case(uow.session, actor, number, now_ms=uow.now_ms)
        draft = replace(draft, case_no=number)
    body, expires_ms = rules.build_body(draft, officer=view.kit.officer, by=actor.name, now_ms=uow.now_ms)
    kit = KitRef(view.kit.kit_no or 0, view.kit.kit_id, view.kit.court_code)
    entry = devices.put_directive(uow, kit, kind="task", body=body, expires_ms=expires_ms)
    detail = {"number": entry.number, "case_no": body.get("case_no", ""), "urgency": draft.urgency}
    _audit(uow, kit, "assign", actor=actor.audit_name, purpose=body["title"], detail=detail)
    return entry


def list_tasks(session: Session, actor: Actor, *, now_ms: int) -> list[TaskView]:
    """As `devices.tasks.list_tasks`, without those of cases from which the actor is recused."""
    return _leave_out_barred(session, actor, tasks.list_tasks(session, actor, now_ms=now_ms))


def list_kit_tasks(session: Session, actor: Actor, kit_id: str, *, now_ms: int) -> list[TaskView]:
    """As `devices.tasks.list_kit_tasks`, without those of cases from which the actor is recused."""
    return _leave_out_barred(session, actor, tasks.list_kit_tasks(session, actor, kit_id, now_ms=now_ms))


def list_case_tasks(session: Session, actor: Viewer, case_no: str, *, now_ms: int) -> list[TaskView]:
    """Return the tasks given for a case, newest first: whoever sees the case sees what was ordered for it.

    Raises ForbiddenError, NotFoundError (also for a person recused from it).
    """
    case = get_case(session, actor, case_no, now_ms=now_ms)
    return tasks.list_tasks_naming(session, case.case_no, now_ms=now_ms)


def _leave_out_barred(session: Session, actor: Actor, views: list[TaskView]) -> list[TaskView]:
    barred = list_barred_numbers(session, actor)
    return [view for view in views if view.body.get("case_no", "") not in barred]


def recall_task(uow: UnitOfWork, actor: Actor, kit_id: str, number: int, *, reason: str) -> MailboxEntry:
    """Take a task back. One that has not reached its kit is never put before the officer.

    Raises ForbiddenError, NotFoundError, TaskDraftError (no reason), TaskEndedError.
    """
    check_permission(actor, "assign_tasks")
    reason = rules.check_reason(reason)
    view = tasks.get_task(uow.session, actor, kit_id, number, now_ms=uow.now_ms)
    is_barred = not _leave_out_barred(uow.session, actor, [view])
    if is_barred or not sees_court(actor.court_code, view.kit.court_code):
        raise NotFoundError("There is no such task in your courts; see the list.")
    rules.check_open(view.state)
    kit = KitRef(view.kit.kit_no or 0, view.kit.kit_id, view.kit.court_code)
    devices.void_waiting(uow, kit, number)
    body = {"task": number, "reason": reason, "by": actor.name[:64]}
    entry = devices.put_directive(uow, kit, kind="task_recall", body=body)
    _audit(uow, kit, "recall", actor=actor.audit_name, purpose=reason, detail={"number": number})
    return entry


def note_answer(uow: UnitOfWork, kit: KitRef, receipt: CommandReceipt) -> None:
    """Write the officer's answer into the audit: a person's decision, with his own time."""
    if receipt.state in ANSWERS:
        detail = {"number": receipt.number, "kit_at_ms": receipt.at_ms}
        _audit(uow, kit, receipt.state, actor=f"kit:{kit.kit_id}", purpose=receipt.note, detail=detail)


def _audit(uow: UnitOfWork, kit: KitRef, what: str, *, actor: str, purpose: str, detail: dict[str, Any]) -> None:
    audit.append(
        uow,
        actor=actor,
        court_code=kit.court_code,
        action=f"devices:task:{what}",
        subject=kit.kit_id,
        purpose=purpose,
        detail=detail,
    )
