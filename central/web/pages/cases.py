"""Searching cases, and the list as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import BaseModel, Field

from central.base.errors import DomainError
from central.base.unit_of_work import ReadSession
from central.cases import clock
from central.cases.catalogue import get_catalogue
from central.cases.exporting import export_cases
from central.cases.finding import keep_search
from central.cases.search import CasePage, search_cases
from central.courts import queries as courts
from central.courts.permissions import Actor, check_permission
from central.people import queries as people
from central.web.case_csv import write_csv
from central.web.case_names import Names
from central.web.case_search import SearchForm
from central.web.case_views import urgency_of
from central.web.context import Context, Here, Proven, SignedIn
from central.web.i18n import Words
from central.web.i18n import note as _
from central.web.labels import Label
from central.web.labels.cases import CASE_STATES, SEARCH_HINTS, SEARCH_HOW
from central.web.problems import say, status_of
from central.web.render import render, words_of
from central.web.sealed_search import open_search, seal_search

router = APIRouter(prefix="/cases")

PAGE_ROWS: Final = 50

DUE_WORDS: Final = {
    "overdue": _("已超期"),
    "today": _("今日到期"),
    "7": _("7 日内到期"),
    "30": _("30 日内到期"),
    "range": _("指定日期范围"),
}


class SearchSent(BaseModel):
    """The search form as it is sent; `kept` is the token of an identity search, whose text is not shown again."""

    text: str = Field("", max_length=200)
    kept: str = Field("", max_length=1000)
    court: str = Field("", max_length=20)
    state: str = Field("", max_length=16)
    type: str = Field("", max_length=8)
    due: str = Field("", max_length=10)
    since: str = Field("", max_length=12)
    until: str = Field("", max_length=12)
    handler: str = Field("", max_length=32)
    flagged: str = Field("", max_length=3)


Asked = Annotated[SearchForm, Depends()]


@router.post("")
def start_search(here: Here, actor: SignedIn, sent: Annotated[SearchSent, Form()]) -> Response:
    """Seal what was typed into an address and go there."""
    token = seal_search(here.play_secret, actor.login, sent.text) or sent.kept
    is_range = sent.due == "range"
    form = SearchForm(
        q=token,
        court=sent.court,
        state=sent.state,
        type=sent.type,
        due=sent.due,
        since=sent.since if is_range else "",
        until=sent.until if is_range else "",
        handler=sent.handler,
        flagged=sent.flagged,
    )
    return RedirectResponse(_address(form), status_code=303)


@router.get("/export.csv")
def export_list(request: Request, here: Here, actor: Proven, form: Asked) -> Response:
    """Hand out what a search finds as CSV (RFC 4180, UTF-8 with BOM for spreadsheets): a grave act, audited."""
    text = open_search(here.play_secret, actor.login, form.q)
    if text is None:
        return RedirectResponse("/cases", status_code=303)
    words, today = words_of(request), clock.today(here.now_ms())
    rows = export_cases(here.store, actor, here.keyring, form.make_filter(text, today))
    with here.store.read() as session:
        names = Names(words, courts.list_all_courts(session))
    headers = {"Content-Disposition": f'attachment; filename="cases-{today}.csv"'}
    return StreamingResponse(write_csv(rows, names, words), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("")
def list_cases(request: Request, here: Here, actor: SignedIn, form: Asked, after: str = "") -> Response:
    """Show what a search finds, newest first; `after` goes on where a page ended."""
    check_permission(actor, "search_cases")
    text = open_search(here.play_secret, actor.login, form.q)
    today, words = clock.today(here.now_ms()), words_of(request)
    page, told, status = _search(here, actor, form, text, after=after, words=words)
    with here.store.read() as session:
        shown = _shown(session, actor, form, words)
    is_identity = page.how == "identity"
    response = render(
        request,
        "cases/list.html",
        status=status,
        form=form if text is not None else form.with_text(""),
        page=page,
        rows=[(row, urgency_of(row.due_on, today, state=row.state)) for row in page.rows],
        told=told,
        is_identity=is_identity,
        shown_text="" if is_identity else text or "",
        marks={how: (text or "") if page.how == how else "" for how in ("number", "name")},
        heading=words(_("检索结果") if form.address() else _("最近立案")),
        **shown,
    )
    if request.headers.get("hx-request") and not after:
        response.headers["HX-Push-Url"] = _address(form)
    return response


def _address(form: SearchForm) -> str:
    query = form.address()
    return f"/cases?{query}" if query else "/cases"


def _search(
    here: Context, actor: Actor, form: SearchForm, text: str | None, *, after: str, words: Words
) -> tuple[CasePage, Label | None, int]:
    """Return the page, what to tell about it, and the status; a text that cannot be searched for finds nothing."""
    if text is None:
        gone = Label(words(_("该检索已失效，请重新输入。")), "warning", "warn")
        return CasePage(rows=[], next=None, how="filter"), gone, 200
    try:
        wanted = form.make_filter(text, clock.today(here.now_ms()))
        with here.store.read() as session:
            page = search_cases(
                session, actor, here.keyring, wanted, now_ms=here.now_ms(), after=after, limit=PAGE_ROWS
            )
        with here.store.write() as uow:
            keep_search(uow, actor, wanted, page, after=after)
    except DomainError as error:
        if status_of(error) != 422:
            raise
        return CasePage(rows=[], next=None, how="filter"), Label(say(error, words), "warning", "bad"), 422
    return page, _tell(page, words) if text else None, 200


def _tell(page: CasePage, words: Words) -> Label | None:
    """Say what the text was taken for, or what is wrong with it."""
    found = SEARCH_HINTS.get(page.hint) or SEARCH_HOW.get(page.how)
    return Label(words(found.text), found.icon, found.tone) if found else None


def _shown(session: ReadSession, actor: Actor, form: SearchForm, words: Words) -> dict[str, Any]:
    """What the choices of the form offer this person."""
    seen = courts.list_courts(session, actor)
    # Persons are offered where they are few enough to choose from: at one court.
    court_code = form.court or (actor.court_code if len(seen) == 1 else "")
    handlers: Sequence[Any] = people.list_handlers(session, court_code) if court_code else ()
    return {
        "courts": seen,
        "names": Names(words, courts.list_all_courts(session)),
        "states": ["open", *CASE_STATES],
        "types": get_catalogue().types,
        "due_choices": [(code, words(text)) for code, text in DUE_WORDS.items()],
        "handlers": handlers,
    }
