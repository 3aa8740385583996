"""Tasks: all of the courts' kits, giving one to a kit's officer, taking it back."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from central.courts import queries as courts
from central.devices import queries as devices
from central.devices.task_rules import TaskDraft
from central.flows import tasks as flows
from central.web.context import Here, SignedIn
from central.web.render import render
from central.web.task_choices import TASK_CHOICES

router = APIRouter()

Text = Annotated[str, Form(max_length=4000)]


def read_draft(
    *,
    title: Text = "",
    text: Text = "",
    case_no: Text = "",
    place: Text = "",
    urgency: Text = "normal",
    category: Text = "",
    due: Annotated[int, Form(ge=0, le=100_000)] = 0,
) -> TaskDraft:
    """The form's fields; what is wrong with them the rules say."""
    return TaskDraft(title, text, case_no, place, urgency, category, due)


Draft = Annotated[TaskDraft, Depends(read_draft)]


@router.get("/tasks")
def list_tasks(request: Request, here: Here, actor: SignedIn, show: Literal["open", "closed"] = "open") -> Response:
    """List tasks; those that nobody answers, that were refused or are late stand on top."""
    with here.store.read() as session:
        every = flows.list_tasks(session, actor, now_ms=here.now_ms())
        known = courts.list_courts(session, actor)
        kits = devices.list_kits(session, actor, now_ms=here.now_ms())
    closed = [view for view in every if not (view.is_open or view.needs_somebody or view.state == "recalling")]
    unfinished = [view for view in every if view not in closed]
    return render(
        request,
        "tasks.html",
        tasks=closed if show == "closed" else unfinished,
        counts={"open": len(unfinished), "closed": len(closed)},
        needing=sum(view.needs_somebody for view in unfinished),
        show=show,
        courts={row.code: row for row in known},
        kits=[view for view in kits if view.kit.revoked_ms is None],
        **TASK_CHOICES,
    )


@router.post("/tasks")
def assign_to(here: Here, actor: SignedIn, draft: Draft, kit_id: Annotated[str, Form(max_length=32)]) -> Response:
    """Give a task to the officer of the kit chosen."""
    with here.store.write() as uow:
        flows.assign_task(uow, actor, kit_id, draft)
    return RedirectResponse("/tasks", status_code=303)


@router.get("/kits/{kit_id}/tasks")
def show_kit_tasks(request: Request, here: Here, actor: SignedIn, kit_id: str) -> Response:
    """Show a kit's tasks alone: what its page asks for again and again."""
    with here.store.read() as session:
        view = devices.get_kit(session, actor, kit_id, now_ms=here.now_ms())
        found = flows.list_kit_tasks(session, actor, kit_id, now_ms=here.now_ms())
    return render(request, "kits/_tasks.html", view=view, tasks=found, **TASK_CHOICES)


@router.post("/kits/{kit_id}/tasks")
def assign(here: Here, actor: SignedIn, draft: Draft, kit_id: str) -> Response:
    """Give this kit's officer a task; it goes through the mailbox and waits for the kit."""
    with here.store.write() as uow:
        flows.assign_task(uow, actor, kit_id, draft)
    return RedirectResponse(f"/kits/{kit_id}#tasks", status_code=303)


@router.post("/kits/{kit_id}/tasks/{number}/recall")
def recall(
    here: Here, actor: SignedIn, kit_id: str, number: Annotated[int, Path(ge=1, lt=2**53)], reason: Text = ""
) -> Response:
    """Take a task back."""
    with here.store.write() as uow:
        flows.recall_task(uow, actor, kit_id, number, reason=reason)
    return RedirectResponse(f"/kits/{kit_id}#tasks", status_code=303)
