"""The audit: search, verification and export, for audit administrators; supervisors read within their courts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from central.audit import export
from central.audit import queries as audit
from central.audit import service as audit_service
from central.audit.rules import AuditBrokenError, AuditFilter
from central.cases.numbers import CaseNumberError, parse_case_no
from central.courts import queries as courts
from central.courts.permissions import SUPREME, Actor, check_permission
from central.flows import audit_heads
from central.web.case_views import DayError, parse_day
from central.web.context import Context, Here, Proven, SignedIn
from central.web.formats import SHANGHAI
from central.web.i18n import note as _
from central.web.labels.audit import ACTION_ROOMS, ACTIONS
from central.web.problems import say
from central.web.render import render, words_of

router = APIRouter(prefix="/audit")
PAGE_ROWS: Final = 100
DAY_MS: Final = 24 * 3600 * 1000
SEARCH_IS_ONE_MS: Final = 15 * 60 * 1000
_TITLES: Final = (
    _("序号"), _("时间"), _("行为人"), _("法院"), _("动作"), _("对象"), _("案号"), _("用途"), _("明细"), _("摘要"),
)  # fmt: skip


class Asked(BaseModel):
    """The search form as people fill it in; days are Asia/Shanghai, `until` inclusive."""

    since: str = Field("", max_length=20)
    until: str = Field("", max_length=20)
    actor: str = Field("", max_length=80)
    court: str = Field("", max_length=20)
    case_no: str = Field("", max_length=60)
    action: str = Field("", max_length=80)
    subject: str = Field("", max_length=200)
    purpose: str = Field("", max_length=200)

    def address(self) -> str:
        """The form as a query string, empty fields left out."""
        return urlencode({name: value for name, value in self.model_dump().items() if value})

    def make_filter(self) -> AuditFilter:
        """Return what the audit searches by; raises DayError for a day that is none."""
        since, until = parse_day(self.since), parse_day(self.until)
        actor = self.actor.strip()
        return AuditFilter(
            from_ms=_start_ms(since) if since else None,
            until_ms=_start_ms(until) + DAY_MS if until else None,
            actor=actor if not actor or ":" in actor else f"user:{actor}",
            court_code=self.court.strip(),
            case_no=_normal_case_no(self.case_no),
            action=self.action.strip(),
            subject=self.subject.strip(),
            purpose=self.purpose.strip(),
        )


def _start_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).timestamp() * 1000)


def _normal_case_no(text: str) -> str:
    try:
        return parse_case_no(text).text if text.strip() else ""
    except CaseNumberError:
        return unicodedata.normalize("NFC", text).strip()


@dataclass(frozen=True)
class Scope:
    """Which rows a person reads: own court and below; audit administrators also what belongs to no court."""

    court_prefix: str
    with_courtless: bool


def scope_of(actor: Actor) -> Scope:
    """Return the rows this person may read; raises ForbiddenError."""
    check_permission(actor, "read_audit")
    return Scope("" if actor.court_code == SUPREME else actor.court_code, actor.role == "audit_admin")


@router.get("")
def list_entries(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    asked: Annotated[Asked, Query()],
    before: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
) -> Response:
    """Search the acts, newest first. One search is one row of the audit, however many of its pages are turned."""
    scope, problem, rows = scope_of(actor), "", []
    try:
        wanted = asked.make_filter()
    except DayError as error:
        problem, wanted = say(error, words_of(request)), AuditFilter()
    with here.store.read() as session:
        if not problem:
            rows = list(
                audit.list_entries(session, **asdict(scope), before_seq=before, wanted=wanted, limit=PAGE_ROWS + 1)
            )
        count = audit.count_entries(session)
        known = courts.list_courts(session, actor)
    if not problem and before is None:
        _note_search(here, actor, wanted)
    return render(
        request,
        "audit/list.html",
        status=422 if problem else 200,
        rows=rows[:PAGE_ROWS],
        older=rows[PAGE_ROWS - 1].seq if len(rows) > PAGE_ROWS else None,
        count=count,
        paged=before is not None,
        asked=asked,
        problem=problem,
        courts={court.code: court for court in known},
        rooms=ACTION_ROOMS,
        actions=ACTIONS,
    )


def _note_search(here: Context, actor: Actor, wanted: AuditFilter) -> None:
    since_ms = here.now_ms() - SEARCH_IS_ONE_MS
    with here.store.read() as session:
        if audit.was_searched_lately(session, actor=actor.audit_name, wanted=wanted, since_ms=since_ms):
            return
    with here.store.write() as uow:
        audit_service.note_search(uow, actor=actor.audit_name, court_code=actor.court_code, wanted=wanted)


@router.post("/verify")
def verify(request: Request, here: Here, actor: SignedIn) -> Response:
    """Recompute the whole chain, compare it with the signed heads, and tell everything that came out."""
    check_permission(actor, "verify_audit")
    report = audit_heads.check_audit(here.store, here.settings)
    with here.store.write() as uow:
        audit_service.append(
            uow,
            actor=actor.audit_name,
            court_code=actor.court_code,
            action="audit:chain:verify",
            subject="audit",
            detail={"rows": report.rows, "findings": len(report.findings)},
        )
    first = report.findings[0] if report.findings else None
    problem = say(AuditBrokenError(first.sentence, seq=first.first), words_of(request)) if first else ""
    is_part = bool(request.headers.get("hx-request"))
    template = "audit/verified.html" if is_part else "audit/verification.html"
    return render(request, template, report=report, problem=problem)


@router.post("/export")
def export_entries(
    *,
    request: Request,
    here: Here,
    actor: Proven,
    asked: Annotated[Asked, Form()],
    form: Annotated[Literal["csv", "jsonl"], Query(alias="as")] = "csv",
) -> Response:
    """Give what the search finds as a file; who took what is recorded before the first byte leaves."""
    scope = scope_of(actor)
    check_permission(actor, "export_audit")
    wanted = asked.make_filter()
    with here.store.read() as session:
        last, _hash = audit.find_tail(session)
        selection = audit.Selection(**asdict(scope), wanted=wanted, up_to_seq=last)
        count, first, newest = audit.measure(session, selection)
    with here.store.write() as uow:
        audit_service.append(
            uow,
            actor=actor.audit_name,
            court_code=actor.court_code,
            action="audit:entry:export",
            subject="audit",
            case_no=wanted.case_no,
            detail={**wanted.told(), "as": form, "rows": count, "up_to": last},
        )
    notes = {"exported_by": actor.audit_name, "exported_ms": here.now_ms(), "filter": wanted.told()}
    is_whole = count == newest - first + 1 if count else True
    titles = [words_of(request)(title) for title in _TITLES]

    def write() -> Iterator[bytes]:
        with here.store.read() as session:
            rows = audit.stream_entries(session, selection)
            if form == "csv":
                yield from export.write_csv(rows, titles)
                return
            heads = audit.list_heads(session, after_seq=first - 1, up_to_seq=newest)
            yield from export.write_json_lines(rows, heads, first=first or 1, is_whole=is_whole, notes=notes)

    name = f"audit-{datetime.fromtimestamp(here.now_ms() / 1000, SHANGHAI):%Y%m%d-%H%M}.{form}"
    media = "text/csv; charset=utf-8" if form == "csv" else "application/jsonl; charset=utf-8"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(write(), media_type=media, headers=headers)
