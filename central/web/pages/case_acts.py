"""What the forms on a case's page do: nodes, pauses, papers, acts, assignment, flags, shares, recusals.

Every act is the room's (central.cases.service); here its form is read, and a refusal shown beside its field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from central.base.unit_of_work import UnitOfWork
from central.cases import service as cases
from central.courts.permissions import Actor, check_permission
from central.web.case_views import need_day, parse_day
from central.web.context import Context, Here, Proven, SignedIn
from central.web.pages.case import case_response
from central.web.refusals import NO_FIELDS, refusal

router = APIRouter(prefix="/cases/{case_no}")

Line = Annotated[str, Form(max_length=1000)]
Code = Annotated[str, Form(max_length=64)]
Day = Annotated[str, Form(max_length=20)]
DONE_FIELDS: Final = {"day_format": "done_on", "day": "done_on", "text_too_long": "note"}
REASON_FIELDS: Final = {"text_missing": "reason", "text_too_long": "reason", "extension": "months"}


def perform(
    request: Request,
    here: Context,
    actor: Actor,
    case_no: str,
    act: Callable[[UnitOfWork], Any],
    *,
    right: str,
    form: str,
    section: str,
    given: Mapping[str, str] = NO_FIELDS,
    fields: Mapping[str, str] = NO_FIELDS,
) -> Response:
    """Do one act in one transaction; then show the case, or the form again with its refusal and what was typed.

    Who may not is refused before anybody reads what was typed.
    """
    check_permission(actor, right)
    with refusal(request, form, fields, section=section) as refused, here.store.write() as uow:
        act(uow)
    if refused:
        return case_response(
            request, here, actor, case_no, status=refused.status, problems=refused.problems, given={form: given}
        )
    return RedirectResponse(f"/cases/{quote(case_no)}#{section}", status_code=303)


@router.post("/nodes/{node_id}")
def finish_node(
    request: Request,
    here: Here,
    actor: SignedIn,
    *,
    case_no: str,
    node_id: int,
    done_on: Day = "",
    note: Line = "",
    document_id: Code = "",
) -> Response:
    """Record that a node was done."""

    def act(uow: UnitOfWork) -> None:
        day = need_day(done_on)
        cases.record_node(uow, actor, case_no, node_id, done_on=day, note=note, document_id=document_id or None)

    given = {"done_on": done_on, "note": note, "document_id": document_id}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="record_node",
        form=f"node-{node_id}",
        section="nodes",
        given=given,
        fields=DONE_FIELDS,
    )


@router.post("/nodes")
def begin_node(
    request: Request,
    here: Here,
    actor: SignedIn,
    *,
    case_no: str,
    kind: Code = "",
    started_on: Day = "",
    due_on: Day = "",
) -> Response:
    """Open a node by hand."""

    def act(uow: UnitOfWork) -> None:
        day = need_day(started_on)
        cases.start_node(uow, actor, case_no, kind, started_on=day, due_on=parse_day(due_on))

    given = {"kind": kind, "started_on": started_on, "due_on": due_on}
    fields = {"day_format": "started_on", "day": "started_on", "text_missing": "due_on", "node_not_for_type": "kind"}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="record_node",
        form="start",
        section="nodes",
        given=given,
        fields=fields,
    )


@router.post("/pauses")
def begin_pause(
    request: Request,
    here: Here,
    actor: SignedIn,
    *,
    case_no: str,
    kind: Code = "",
    from_on: Day = "",
    until_on: Day = "",
    doc_no: Line = "",
) -> Response:
    """Let the clock stand still."""

    def act(uow: UnitOfWork) -> None:
        first, last = need_day(from_on), parse_day(until_on)
        cases.start_pause(uow, actor, case_no, kind, from_on=first, until_on=last, doc_no=doc_no)

    given = {"kind": kind, "from_on": from_on, "until_on": until_on, "doc_no": doc_no}
    fields = {"day_format": "from_on", "day": "from_on", "text_missing": "doc_no", "pause": "until_on"}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="record_node",
        form="pause",
        section="pauses",
        given=given,
        fields=fields,
    )


@router.post("/pauses/{pause_id}/end")
def finish_pause(
    request: Request, here: Here, actor: SignedIn, *, case_no: str, pause_id: str, until_on: Day = ""
) -> Response:
    """Let the clock go on."""

    def act(uow: UnitOfWork) -> None:
        cases.end_pause(uow, actor, case_no, pause_id, until_on=need_day(until_on))

    fields = {"day_format": "until_on", "day": "until_on", "pause": "until_on"}
    given = {"until_on": until_on}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="record_node",
        form=f"pause-{pause_id}",
        section="pauses",
        given=given,
        fields=fields,
    )


@router.post("/documents")
def add_paper(
    request: Request,
    here: Here,
    actor: SignedIn,
    *,
    case_no: str,
    kind: Code = "",
    title: Line = "",
    doc_no: Line = "",
    made_on: Day = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Add a paper, with its file or only named."""
    has_file = file is not None and bool(file.filename)

    def act(uow: UnitOfWork) -> None:
        data = file.file.read(here.settings.document_max_bytes + 1) if file is not None and has_file else None
        name = (file.filename or "")[-200:] if file is not None else ""
        meta = cases.DocumentMeta(kind=kind, title=title, doc_no=doc_no, made_on=parse_day(made_on), file_name=name)
        cases.add_document(uow, actor, case_no, meta, data=data, settings=here.settings, keyring=here.keyring)

    given = {"kind": kind, "title": title, "doc_no": doc_no, "made_on": made_on}
    fields = {"day_format": "made_on", "day": "made_on", "text_too_long": "title", "unknown_code": "kind"}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="add_document",
        form="paper",
        section="documents",
        given=given,
        fields=fields,
    )


@router.post("/documents/{document_id}/withdraw")
def withdraw_paper(
    request: Request, here: Here, actor: SignedIn, *, case_no: str, document_id: str, reason: Line = ""
) -> Response:
    """Withdraw a paper."""

    def act(uow: UnitOfWork) -> None:
        cases.withdraw_document(uow, actor, case_no, document_id, reason)

    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="add_document",
        form=f"paper-{document_id}",
        section="documents",
        given={"reason": reason},
        fields=REASON_FIELDS,
    )


@router.post("/acts")
def draft_act(
    request: Request,
    here: Here,
    actor: SignedIn,
    *,
    case_no: str,
    kind: Code = "",
    closing: Code = "",
    months: Annotated[int, Form()] = 0,
    reason: Line = "",
) -> Response:
    """Ask for an extension, a closing or a reopening."""
    details: dict[str, dict[str, Any]] = {"extend": {"months": months}, "close": {"closing": closing}}
    detail = details.get(kind, {})

    def act(uow: UnitOfWork) -> None:
        cases.draft_act(uow, actor, case_no, kind, detail, reason)

    given = {"closing": closing, "months": str(months), "reason": reason}
    form = kind if kind in ("extend", "close", "reopen") else "close"
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="request_case_act",
        form=form,
        section="acts",
        given=given,
        fields=REASON_FIELDS,
    )


@router.post("/acts/{act_id}/sign")
def sign_act(request: Request, here: Here, actor: Proven, *, case_no: str, act_id: str, note: Line = "") -> Response:
    """Sign an act as president: a grave act."""
    return _decide(request, here, actor, case_no, act_id, note=note, step=cases.sign_act, right="sign_case_act")


@router.post("/acts/{act_id}/approve")
def approve_act(
    request: Request, here: Here, actor: SignedIn, *, case_no: str, act_id: str, note: Line = ""
) -> Response:
    """Approve an act as bureau chief."""
    return _decide(request, here, actor, case_no, act_id, note=note, step=cases.approve_act, right="approve_case_act")


@router.post("/acts/{act_id}/refuse")
def refuse_act(
    request: Request, here: Here, actor: SignedIn, *, case_no: str, act_id: str, note: Line = ""
) -> Response:
    """Refuse an act, with a reason."""
    return _decide(request, here, actor, case_no, act_id, note=note, step=cases.refuse_act, right="see_case")


@router.post("/acts/{act_id}/withdraw")
def withdraw_act(
    request: Request, here: Here, actor: SignedIn, *, case_no: str, act_id: str, note: Line = ""
) -> Response:
    """Take an own act back."""
    return _decide(
        request, here, actor, case_no, act_id, note=note, step=cases.withdraw_act, right="request_case_act"
    )


def _decide(
    request: Request,
    here: Context,
    actor: Actor,
    case_no: str,
    act_id: str,
    *,
    note: str,
    step: Callable[..., Any],
    right: str,
) -> Response:
    def act(uow: UnitOfWork) -> None:
        step(uow, actor, act_id, note)

    fields = {"text_missing": "note", "text_too_long": "note"}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right=right,
        form=f"act-{act_id}",
        section="acts",
        given={"note": note},
        fields=fields,
    )
