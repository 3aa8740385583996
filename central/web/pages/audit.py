"""The audit chain, for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from central.audit import queries as audit
from central.audit.rules import AuditBrokenError
from central.courts.permissions import check_permission
from central.web.context import Here, SignedIn
from central.web.problems import say
from central.web.render import render, words_of

router = APIRouter(prefix="/audit")
PAGE_ROWS = 100


@router.get("")
def list_entries(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    before: Annotated[int | None, Query()] = None,
    action: str = "",
    subject: str = "",
) -> Response:
    """List acts, newest first."""
    check_permission(actor, "read_audit")
    with here.store.read() as session:
        rows = audit.list_entries(
            session,
            court_prefix=actor.court_code,
            before_seq=before,
            subject=subject.strip() or None,
            action_prefix=action.strip(),
            limit=PAGE_ROWS + 1,
        )
        count = audit.count_entries(session)
    older = rows[PAGE_ROWS - 1].seq if len(rows) > PAGE_ROWS else None
    return render(
        request,
        "audit.html",
        rows=rows[:PAGE_ROWS],
        count=count,
        older=older,
        paged=before is not None,
        action=action,
        subject=subject,
    )


@router.post("/verify")
def verify(request: Request, here: Here, actor: SignedIn) -> Response:
    """Recompute the whole chain and tell what came out."""
    check_permission(actor, "read_audit")
    problem, count, head = "", 0, ""
    with here.store.read() as session:
        try:
            count, last = audit.verify_chain(session)
            head = last.hex()
        except AuditBrokenError as error:
            problem = say(error, words_of(request))
    return render(request, "audit_verified.html", problem=problem, count=count, head=head)
