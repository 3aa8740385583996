"""One case: its page, its printed sheet, its papers, and the clear data of a party."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response

from central.base.errors import NotFoundError
from central.base.unit_of_work import ReadSession
from central.cases import clock
from central.cases import service as cases
from central.cases.catalogue import get_catalogue
from central.cases.queries import list_timeline
from central.cases.recusals import find_own_recusal
from central.cases.views import CaseView
from central.courts import queries as courts
from central.courts.permissions import Actor
from central.web import case_page
from central.web.case_names import Names
from central.web.context import AtTerminal, Context, Here, SignedIn
from central.web.i18n import Words
from central.web.i18n import note as _
from central.web.refusals import refusal
from central.web.render import render, words_of

router = APIRouter(prefix="/cases")

UNMASK_FIELDS: Final = {"purpose_short": "purpose", "text_too_long": "purpose"}
Problems = Mapping[str, Mapping[str, str]]
# step, icon, word, look of the button, question before what cannot be taken back.
ACT_STEPS: Final = (
    ("approve", "check", _("同意"), "primary", ""),
    ("sign", "stamp", _("签发"), "primary", _("签发后立即生效，确定签发？")),
    ("refuse", "withdrawn", _("退回"), "danger", ""),
    ("withdraw", "back", _("撤回"), "", ""),
)


@router.get("/{case_no}")
def show_case(request: Request, here: Here, actor: SignedIn, case_no: str, before: int | None = None) -> Response:
    """Show a case; reading it is audited. `before` pages the timeline."""
    return case_response(request, here, actor, case_no, before=before)


@router.post("/{case_no}/parties/{party_id}/unmask")
def unmask(
    request: Request,
    here: Here,
    actor: AtTerminal,
    *,
    case_no: str,
    party_id: int,
    purpose: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Show one party's clear data this once; who, what for and which fields are audited."""
    form = f"party-{party_id}"
    with refusal(request, form, UNMASK_FIELDS, section="parties") as refused, here.store.write() as uow:
        clear = cases.unmask_party(uow, actor, here.keyring, case_no, party_id, purpose)
    if refused:
        given = {form: {"purpose": purpose}}
        return case_response(
            request, here, actor, case_no, status=refused.status, problems=refused.problems, given=given
        )
    return case_response(request, here, actor, case_no, unmasked={party_id: clear})


@router.get("/{case_no}/sheet")
def show_sheet(request: Request, here: Here, actor: SignedIn, case_no: str) -> Response:
    """Show the case as a sheet for printing, identity numbers masked."""
    words = words_of(request)
    with here.store.write() as uow:
        view = cases.look_at_case(uow, actor, here.keyring, case_no, purpose="打印案件表")
        shared = _shared(uow.session, view, words)
        court = courts.get_court(uow.session, view.case.court_code)
    nodes = case_page.nodes_with_urgency(view, here.now_ms())
    return render(request, "cases/sheet.html", view=view, court=court, nodes=nodes, **shared)


@router.get("/{case_no}/documents/{document_id}")
def download_paper(here: Here, actor: SignedIn, case_no: str, document_id: str) -> Response:
    """Hand out a paper's file, checked against its digest; the reading is audited."""
    with here.store.write() as uow:
        paper, data = cases.read_document(
            uow, actor, case_no, document_id, settings=here.settings, keyring=here.keyring
        )
        name, media_type = paper.file_name or paper.title, paper.media_type
    # Always a download, never shown within our own origin, whatever the file says it is.
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(data, media_type=media_type or "application/octet-stream", headers=headers)


def case_response(
    request: Request,
    here: Context,
    actor: Actor,
    case_no: str,
    *,
    status: int = 200,
    before: int | None = None,
    problems: Problems | None = None,
    given: Mapping[str, Mapping[str, str]] | None = None,
    unmasked: Mapping[int, Mapping[str, str]] | None = None,
) -> Response:
    """Render the case's page: with messages beside the fields they belong to, and what was typed kept."""
    words, now_ms = words_of(request), here.now_ms()
    try:
        with here.store.write() as uow:
            view = cases.look_at_case(uow, actor, here.keyring, case_no)
            values = _page_values(uow.session, actor, view, words, now_ms=now_ms, before=before)
    except NotFoundError:
        with here.store.read() as session:
            recusal = find_own_recusal(session, actor, case_no)
        if recusal is None:
            raise
        return render(request, "cases/recused.html", status=403, case_no=case_no, recusal=recusal)
    return render(
        request,
        "cases/case.html",
        status=status,
        problems=problems or {},
        given=given or {},
        unmasked=unmasked or {},
        document_max_bytes=here.settings.document_max_bytes,
        **values,
    )


def _page_values(
    session: ReadSession, actor: Actor, view: CaseView, words: Words, *, now_ms: int, before: int | None
) -> dict[str, Any]:
    shared = _shared(session, view, words)
    names, who = shared["names"], shared["who"]
    case, today = view.case, clock.today(now_ms)
    rows = list_timeline(
        session, actor, case.case_no, now_ms=now_ms, limit=case_page.TIMELINE_LINES + 1, before=before
    )
    lines = [
        case_page.Line(
            row.id or 0, row.kind, row.at_ms, who(row.actor), case_page.describe_entry(row.detail, names, words)
        )
        for row in rows[: case_page.TIMELINE_LINES]
    ]
    return {
        "view": view,
        "today": today,
        "limit": case_page.limit_urgency(view, today),
        "bar": case_page.used_part(view),
        "nodes": case_page.nodes_with_urgency(view, now_ms),
        "functions": case_page.list_functions(session, actor, case.court_code, words),
        "private_fields": [(name, words(label)) for name, label in case_page.PRIVATE_FIELDS.items()],
        "act_steps": [(s, i, words(w), tone, words(ask) if ask else "") for s, i, w, tone, ask in ACT_STEPS],
        "timeline": lines,
        "older": lines[-1].entry_id if len(rows) > case_page.TIMELINE_LINES else None,
        "is_paged": before is not None,
        **shared,
        **case_page.choices_of(session, actor, view, names=names, words=words, catalogue=get_catalogue()),
    }


def _shared(session: ReadSession, view: CaseView, words: Words) -> dict[str, Any]:
    return {"names": Names(words, courts.list_all_courts(session)), "who": case_page.People(session, words)}
