"""Reads of tasks, narrowed to what the actor may see: a kit's mailbox entries put together with their recalls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.courts.permissions import Actor, check_permission
from central.courts.queries import in_scope
from central.devices import task_rules as rules
from central.devices.models import Kit, MailboxEntry
from central.devices.steps import Step, load_steps

WINDOW_MS: Final = 30 * 24 * 3600 * 1000
LIMIT: Final = 500


@dataclass(frozen=True)
class TaskView:
    """One task as people see it. ``steps`` are its receipts in the order in which they came."""

    kit: Kit
    entry: MailboxEntry
    recall: MailboxEntry | None
    steps: Sequence[Step]
    now_ms: int

    @property
    def body(self) -> dict[str, Any]:
        """Fields of contract.orders.Task."""
        return self.entry.body

    @property
    def urgency(self) -> str:
        """normal, urgent or most_urgent."""
        return str(self.entry.body.get("urgency", "normal"))

    @cached_property
    def state(self) -> str:
        """A mailbox state, or recalling or recalled."""
        return rules.judge_state(self.entry.state, self.recall.state if self.recall else None)

    @property
    def is_open(self) -> bool:
        """Whether the officer still has to do with it."""
        return self.state in rules.OPEN

    @property
    def is_late(self) -> bool:
        """Whether it is unanswered for too long."""
        issued_ms = self.entry.issued_ms
        return rules.is_unanswered_for_long(self.state, self.urgency, issued_ms=issued_ms, now_ms=self.now_ms)

    @property
    def is_overdue(self) -> bool:
        """Whether its time limit has passed."""
        return rules.is_overdue(self.state, self.entry.body.get("due_ms"), now_ms=self.now_ms)

    @property
    def needs_somebody(self) -> bool:
        """Whether a person at the centre has to do something about it."""
        return self.is_late or self.is_overdue or self.state in rules.FALLEN


def list_tasks(session: Session, actor: Actor, *, now_ms: int) -> list[TaskView]:
    """Return the tasks of the last 30 days in the actor's courts: those that need somebody first, then open ones.

    Raises ForbiddenError without `see_tasks`.
    """
    check_permission(actor, "see_tasks")
    views = _load(session, actor, now_ms)
    views.sort(key=lambda view: (not view.needs_somebody, not view.is_open, -view.entry.issued_ms))
    return views


def list_kit_tasks(session: Session, actor: Actor, kit_id: str, *, now_ms: int, limit: int = 20) -> list[TaskView]:
    """Return a kit's tasks, newest first; raises ForbiddenError without `see_tasks`."""
    check_permission(actor, "see_tasks")
    views = _load(session, actor, now_ms, kit_id)
    return sorted(views, key=lambda view: -view.entry.number)[:limit]


def list_tasks_naming(session: Session, case_no: str, *, now_ms: int, limit: int = 50) -> list[TaskView]:
    """Return the tasks that name a case, newest first, whosever kit has them; for whoever sees that case."""
    query = select(MailboxEntry, Kit).where(
        MailboxEntry.kit_no == Kit.kit_no,
        MailboxEntry.kind == "task",
        col(MailboxEntry.body)["case_no"].as_string() == case_no,
    )
    tasks = session.exec(query.order_by(col(MailboxEntry.issued_ms).desc()).limit(limit)).all()
    numbers = {entry.kit_no for entry, _ in tasks}
    recalls = session.exec(
        select(MailboxEntry, Kit).where(
            MailboxEntry.kit_no == Kit.kit_no,
            MailboxEntry.kind == "task_recall",
            col(MailboxEntry.kit_no).in_(numbers),
        )
    ).all()
    return _put_together(session, [*tasks, *recalls], now_ms)


def count_needing_somebody(session: Session, actor: Actor, *, now_ms: int) -> int:
    """Return how many tasks wait for a person at the centre."""
    return sum(view.needs_somebody for view in list_tasks(session, actor, now_ms=now_ms))


def get_task(session: Session, actor: Actor, kit_id: str, number: int, *, now_ms: int) -> TaskView:
    """Return one task; raises ForbiddenError, NotFoundError."""
    check_permission(actor, "see_tasks")
    views = [view for view in _load(session, actor, now_ms, kit_id, window=False) if view.entry.number == number]
    if not views:
        raise NotFoundError(f"There is no task {number} of a kit {kit_id[:40]!r} in your courts; see the list.")
    return views[0]


def _load(
    session: Session, actor: Actor, now_ms: int, kit_id: str | None = None, *, window: bool = True
) -> list[TaskView]:
    query = select(MailboxEntry, Kit).where(
        MailboxEntry.kit_no == Kit.kit_no,
        in_scope(Kit.court_code, actor),
        col(MailboxEntry.kind).in_(("task", "task_recall")),
    )
    if kit_id is not None:
        query = query.where(Kit.kit_id == kit_id)
    if window:
        query = query.where(MailboxEntry.issued_ms > now_ms - WINDOW_MS)
    rows = session.exec(query.order_by(col(MailboxEntry.issued_ms).desc()).limit(LIMIT)).all()
    return _put_together(session, rows, now_ms)


def _put_together(session: Session, rows: Sequence[tuple[MailboxEntry, Kit]], now_ms: int) -> list[TaskView]:
    recalls = {(entry.kit_no, entry.body.get("task")): entry for entry, _ in rows if entry.kind == "task_recall"}
    tasks = [(entry, kit) for entry, kit in rows if entry.kind == "task"]
    steps = load_steps(session, [entry for entry, _ in tasks])
    return [
        TaskView(
            kit, entry, recalls.get((entry.kit_no, entry.number)), steps.get((entry.kit_no, entry.number), []), now_ms
        )
        for entry, kit in tasks
    ]
