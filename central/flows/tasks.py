"""A person gives a kit's officer something to do, or takes it back; the officer answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from central.audit import service as audit
from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.cases.numbers import parse_case_no
from central.cases.sight import get_case
from central.courts.permissions import Actor, check_permission, sees_court
from central.devices import queries as devices_queries
from central.devices import service as devices
from central.devices import task_rules as rules
from central.devices import tasks
from central.devices.models import MailboxEntry
from central.devices.rules import KitRef
from central.devices.task_rules import TaskDraft
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


def recall_task(uow: UnitOfWork, actor: Actor, kit_id: str, number: int, *, reason: str) -> MailboxEntry:
    """Take a task back. One that has not reached its kit is never put before the officer.

    Raises ForbiddenError, NotFoundError, TaskDraftError (no reason), TaskEndedError.
    """
    check_permission(actor, "assign_tasks")
    reason = rules.check_reason(reason)
    view = tasks.get_task(uow.session, actor, kit_id, number, now_ms=uow.now_ms)
    if not sees_court(actor.court_code, view.kit.court_code):
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
