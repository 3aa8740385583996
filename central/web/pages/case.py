"""One case: its page, its printed sheet, its papers, and the clear data of a party."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Response

from central.cases import service as cases
from central.courts import queries as courts
from central.web import case_page
from central.web.case_desk import BeforeRow, Desk, Line, RowNo, TerminalDesk
from central.web.context import Here, SignedIn
from central.web.refusals import refusal
from central.web.render import render, words_of

router = APIRouter(prefix="/cases/{case_no}")

UNMASK_FIELDS: Final = {"purpose_short": "purpose", "text_too_long": "purpose"}


@router.get("")
def show_case(desk: Desk, before: BeforeRow = None) -> Response:
    """Show a case; reading it is audited. `before` pages the timeline."""
    return desk.show(before=before)


@router.post("/parties/{party_id}/unmask")
def unmask(desk: TerminalDesk, party_id: RowNo, purpose: Line = "") -> Response:
    """Show one party's clear data this once; who, what for and which fields are audited."""
    form, here = f"party-{party_id}", desk.here
    with refusal(desk.request, form, UNMASK_FIELDS, section="parties") as refused, here.store.write() as uow:
        clear = cases.unmask_party(uow, desk.actor, here.keyring, desk.case_no, party_id, purpose)
    if refused:
        return desk.show(status=refused.status, problems=refused.problems, given={form: {"purpose": purpose}})
    return desk.show(unmasked={party_id: clear})


@router.get("/sheet")
def show_sheet(desk: Desk) -> Response:
    """Show the case as a sheet for printing, identity numbers masked."""
    here, words = desk.here, words_of(desk.request)
    with here.store.write() as uow:
        view = cases.look_at_case(uow, desk.actor, here.keyring, desk.case_no, purpose="打印案件表")
        shared = case_page.shared_values(uow.session, view, words)
        court = courts.get_court(uow.session, view.case.court_code)
    nodes = case_page.nodes_with_urgency(view, here.now_ms())
    return render(desk.request, "cases/sheet.html", view=view, court=court, nodes=nodes, **shared)


@router.get("/documents/{document_id}")
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
