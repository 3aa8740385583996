"""What the forms on a case's page do to its course: nodes, pauses, papers, acts.

Every act is the room's (central.cases.service); here its form is read, and a refusal shown beside its field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from central.base.errors import InvalidInputError
from central.base.unit_of_work import UnitOfWork
from central.cases import service as cases
from central.courts.permissions import check_permission
from central.web.case_desk import REASON_FIELDS, ActForm, CaseDesk, Code, Day, Desk, Line, ProvenDesk, RowNo
from central.web.case_views import need_day, parse_day
from central.web.uploads import MemorySink, UploadForm, receive_form

router = APIRouter(prefix="/cases/{case_no}")

NODE: Final = ActForm(
    "node", "nodes", "record_node", {"day_format": "done_on", "day": "done_on", "text_too_long": "note"}
)
START: Final = ActForm(
    "start",
    "nodes",
    "record_node",
    {"day_format": "started_on", "day": "started_on", "text_missing": "due_on", "node_not_for_type": "kind"},
)
PAUSE: Final = ActForm(
    "pause",
    "pauses",
    "record_node",
    {"day_format": "from_on", "day": "from_on", "text_missing": "doc_no", "pause": "until_on"},
)
PAUSE_END: Final = ActForm(
    "pause", "pauses", "record_node", {"day_format": "until_on", "day": "until_on", "pause": "until_on"}
)
PAPER: Final = ActForm(
    "paper",
    "documents",
    "add_document",
    {"day_format": "made_on", "day": "made_on", "text_too_long": "title", "unknown_code": "kind"},
)
PAPER_END: Final = ActForm("paper", "documents", "add_document", REASON_FIELDS)
ACTS: Final = {
    kind: ActForm(kind, "acts", "request_case_act", REASON_FIELDS) for kind in ("close", "extend", "reopen")
}


class PaperSent(BaseModel):
    """The form of a paper, beside its file."""

    kind: str = Field("", max_length=64)
    title: str = Field("", max_length=1000)
    doc_no: str = Field("", max_length=1000)
    made_on: str = Field("", max_length=20)


@router.post("/nodes/{node_id}")
def finish_node(desk: Desk, node_id: RowNo, done_on: Day = "", note: Line = "", document_id: Code = "") -> Response:
    """Record that a node was done."""
    return desk.perform(
        NODE.of(node_id),
        {"done_on": done_on, "note": note, "document_id": document_id},
        lambda uow: cases.record_node(
            uow,
            desk.actor,
            desk.case_no,
            node_id,
            done_on=need_day(done_on),
            note=note,
            document_id=document_id or None,
        ),
    )


@router.post("/nodes")
def begin_node(desk: Desk, kind: Code = "", started_on: Day = "", due_on: Day = "") -> Response:
    """Open a node by hand."""
    return desk.perform(
        START,
        {"kind": kind, "started_on": started_on, "due_on": due_on},
        lambda uow: cases.start_node(
            uow, desk.actor, desk.case_no, kind, started_on=need_day(started_on), due_on=parse_day(due_on)
        ),
    )


@router.post("/pauses")
def begin_pause(desk: Desk, kind: Code = "", from_on: Day = "", until_on: Day = "", doc_no: Line = "") -> Response:
    """Let the clock stand still."""
    return desk.perform(
        PAUSE,
        {"kind": kind, "from_on": from_on, "until_on": until_on, "doc_no": doc_no},
        lambda uow: cases.start_pause(
            uow,
            desk.actor,
            desk.case_no,
            kind,
            from_on=need_day(from_on),
            until_on=parse_day(until_on),
            doc_no=doc_no,
        ),
    )


@router.post("/pauses/{pause_id}/end")
def finish_pause(desk: Desk, pause_id: str, until_on: Day = "") -> Response:
    """Let the clock go on."""
    return desk.perform(
        PAUSE_END.of(pause_id),
        {"until_on": until_on},
        lambda uow: cases.end_pause(uow, desk.actor, desk.case_no, pause_id, until_on=need_day(until_on)),
    )


@router.post("/documents")
async def add_paper(request: Request, desk: Desk) -> Response:
    """Add a paper, with its file or only named; the file is held in memory. The proof stands in the address."""
    check_permission(desk.actor, PAPER.right)
    settings = desk.here.settings
    form, sink = await _receive_paper(request, settings.document_max_bytes)
    sent = _read_paper(form)

    def act(uow: UnitOfWork) -> None:
        data = None if not form.file_name else bytes(sink.data) if sink else b""
        meta = cases.DocumentMeta(
            kind=sent.kind, title=sent.title, doc_no=sent.doc_no, made_on=parse_day(sent.made_on),
            file_name=form.file_name[-200:],
        )  # fmt: skip
        keyring = desk.here.keyring
        cases.add_document(uow, desk.actor, desk.case_no, meta, data=data, settings=settings, keyring=keyring)

    return await run_in_threadpool(desk.perform, PAPER, sent.model_dump(), act)


async def _receive_paper(request: Request, max_bytes: int) -> tuple[UploadForm, MemorySink | None]:
    """Return the form and its file; a form without a place for a file only names a paper."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        return await receive_form(request, lambda: MemorySink(max_bytes))
    form = await request.form()
    return UploadForm({name: value for name, value in form.items() if isinstance(value, str)}), None


def _read_paper(form: UploadForm) -> PaperSent:
    try:
        return PaperSent.model_validate(form.fields)
    except ValidationError:
        raise InvalidInputError("A text of the form is too long; shorten it.") from None


@router.post("/documents/{document_id}/withdraw")
def withdraw_paper(desk: Desk, document_id: str, reason: Line = "") -> Response:
    """Withdraw a paper."""
    return desk.perform(
        PAPER_END.of(document_id),
        {"reason": reason},
        lambda uow: cases.withdraw_document(uow, desk.actor, desk.case_no, document_id, reason),
    )


@router.post("/acts")
def draft_act(
    desk: Desk,
    kind: Code = "",
    closing: Code = "",
    months: Annotated[int, Form()] = 0,
    reason: Line = "",
) -> Response:
    """Ask for an extension, a closing or a reopening."""
    details: dict[str, dict[str, Any]] = {"extend": {"months": months}, "close": {"closing": closing}}
    detail = details.get(kind, {})
    return desk.perform(
        ACTS.get(kind, ACTS["close"]),
        {"closing": closing, "months": str(months), "reason": reason},
        lambda uow: cases.draft_act(uow, desk.actor, desk.case_no, kind, detail, reason),
    )


@router.post("/acts/{act_id}/sign")
def sign_act(desk: ProvenDesk, act_id: str, note: Line = "") -> Response:
    """Sign an act as president: a grave act."""
    return _decide(desk, act_id, note, cases.sign_act, right="sign_case_act")


@router.post("/acts/{act_id}/approve")
def approve_act(desk: Desk, act_id: str, note: Line = "") -> Response:
    """Approve an act as bureau chief."""
    return _decide(desk, act_id, note, cases.approve_act, right="approve_case_act")


@router.post("/acts/{act_id}/refuse")
def refuse_act(desk: Desk, act_id: str, note: Line = "") -> Response:
    """Refuse an act, with a reason."""
    return _decide(desk, act_id, note, cases.refuse_act, right="see_case")


@router.post("/acts/{act_id}/withdraw")
def withdraw_act(desk: Desk, act_id: str, note: Line = "") -> Response:
    """Take an own act back."""
    return _decide(desk, act_id, note, cases.withdraw_act, right="request_case_act")


def _decide(desk: CaseDesk, act_id: str, note: str, step: Callable[..., Any], *, right: str) -> Response:
    form = ActForm("act", "acts", right, {"text_missing": "note", "text_too_long": "note"})
    return desk.perform(form.of(act_id), {"note": note}, lambda uow: step(uow, desk.actor, act_id, note))
