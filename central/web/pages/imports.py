"""Importing cases from a file: upload, dry run, request and release, progress, result, problems, report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from central.courts import queries as courts
from central.courts.permissions import Actor, check_permission
from central.imports import files, queries, releasing, service, template
from central.imports.columns import COLUMNS
from central.imports.kinds import kind_name
from central.imports.mapping import read_mapping
from central.imports.report import write_report
from central.imports.rules import KEEP_DRY_FILE_MS, KEEP_WAITING_MS, MAX_REASON_CHARS, WrongFormError
from central.imports.tallies import read_expected
from central.imports.words import column_name, tell
from central.web.context import Context, Here, Proven, SignedIn
from central.web.import_views import group_rows, view_job
from central.web.render import language_of, render
from central.web.uploads import UploadForm, receive_form

router = APIRouter(prefix="/imports")

PAGE_JOBS: Final = 50
PAGE_PROBLEMS: Final = 50
_REPORT_TYPE: Final = "text/csv; charset=utf-8"
_XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.get("")
def list_jobs(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    waiting: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """List the imports of the actor's courts, newest first; `waiting=yes`: those that wait for a release."""
    check_permission(actor, "import_cases")
    with here.store.read() as session:
        state = "waiting" if waiting else ""
        jobs = queries.list_jobs(session, actor, before_ms=before, state=state, limit=PAGE_JOBS + 1)
        to_release = queries.count_waiting(session, actor)
        names = _court_names(session, actor)
    older = jobs[PAGE_JOBS - 1].asked_ms if len(jobs) > PAGE_JOBS else None
    rows = [view_job(job, now_ms=here.now_ms()) for job in jobs[:PAGE_JOBS]]
    is_busy = any(row.is_open for row in rows)
    return render(
        request, "imports/list.html", rows=rows, names=names, older=older, before=before, is_busy=is_busy,
        waiting=waiting, to_release=to_release,
    )  # fmt: skip


@router.get("/new")
def show_form(request: Request, here: Here, actor: SignedIn) -> Response:
    """Show the upload form, with the columns a file may have."""
    check_permission(actor, "import_cases")
    with here.store.read() as session:
        own = courts.list_courts(session, actor)
        sources = sorted({job.source for job in queries.list_jobs(session, actor)})
    limit = here.settings.import_max_bytes
    return render(request, "imports/new.html", courts=own, sources=sources, columns=COLUMNS, limit=limit)


@router.get("/template.csv")
def download_csv(actor: SignedIn) -> Response:
    """Return the empty table as CSV."""
    check_permission(actor, "import_cases")
    return Response(template.make_csv(), media_type=_REPORT_TYPE, headers=_attachment("zhixing-cases.csv"))


@router.get("/template.xlsx")
def download_xlsx(actor: SignedIn) -> Response:
    """Return the empty table as a workbook."""
    check_permission(actor, "import_cases")
    return Response(template.make_xlsx(), media_type=_XLSX_TYPE, headers=_attachment("zhixing-cases.xlsx"))


@router.post("")
async def upload_file(request: Request, here: Here, actor: SignedIn) -> Response:
    """Take a file, seal it as it comes, and queue its dry run. The form's proof stands in its address."""
    check_permission(actor, "import_cases")
    writers: list[files.UploadWriter] = []

    def open_writer() -> files.UploadWriter:
        writers.append(files.UploadWriter(here.settings, here.keyring))
        return writers[0]

    form, _ = await receive_form(request, open_writer)
    if not writers:
        raise WrongFormError("No file was chosen, or it is empty: choose a CSV, XLSX or JSON file.")
    job_id = await run_in_threadpool(_start, here, actor, form, writers[0])
    return RedirectResponse(f"/imports/{job_id}", status_code=303)


def _start(here: Context, actor: Actor, form: UploadForm, writer: files.UploadWriter) -> str:
    try:
        expected = read_expected(form.fields.get("expected", ""))
        mapping = read_mapping(form.fields.get("mapping", ""))
    except BaseException:
        writer.abandon()
        raise
    upload = writer.finish()
    try:
        with here.store.write() as uow:
            job = service.start_import(
                uow, actor, upload, file_name=form.file_name, source=form.fields.get("source", ""),
                court_code=form.fields.get("court", "") or actor.court_code,
                is_dry_run=True, expected=expected, mapping=mapping, sheet=form.fields.get("sheet", "").strip(),
            )  # fmt: skip
    except BaseException:
        files.delete_file(here.settings, upload.file_id)
        raise
    return job.id


@router.get("/{job_id}")
def show_job(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    job_id: str,
    code: Annotated[str, Query(max_length=40)] = "",
    kind: Annotated[str, Query(max_length=10)] = "",
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> Response:
    """Show an import: how far it is, or what became of it, with its problems by page."""
    is_refusal = {"refused": True, "noted": False}.get(kind)
    language = language_of(request)
    with here.store.read() as session:
        job = queries.get_job(session, actor, job_id)
        problems = queries.list_problems(
            session, actor, job_id, code=code, is_refusal=is_refusal, after=after, limit=PAGE_PROBLEMS + 1
        )
        listed = queries.count_problems(session, job_id)
        names = _court_names(session, actor)
    view = view_job(job, now_ms=here.now_ms())
    shown = [
        {
            "row": one,
            "column": column_name(one.column, language),
            "text": tell(one.code, one.params, language, fallback=job.message),
        }
        for one in problems[:PAGE_PROBLEMS]
    ]
    more = problems[PAGE_PROBLEMS - 1].id if len(problems) > PAGE_PROBLEMS else None
    codes = sorted(
        ((n, c, kind_name(c, language)) for (c, refuses), n in listed.items() if is_refusal in (None, refuses)),
        reverse=True,
    )
    return render(
        request, "imports/job.html", view=view, job=job, problems=shown, more=more, code=code, kind=kind, after=after,
        codes=codes, listed=sum(listed.values()), names=names, groups=group_rows(job.reconciliation),
        keep_hours=KEEP_DRY_FILE_MS // 3_600_000, keep_days=KEEP_WAITING_MS // 86_400_000,
        may_release=job.state == "waiting" and releasing.may_release(actor, job),
    )  # fmt: skip


@router.get("/{job_id}/progress")
def show_progress(request: Request, here: Here, actor: SignedIn, job_id: str) -> Response:
    """Return the progress of an import; the whole page is asked for anew when it has ended."""
    with here.store.read() as session:
        view = view_job(queries.get_job(session, actor, job_id), now_ms=here.now_ms())
    response = render(request, "imports/progress.html", view=view)
    if not view.is_open:
        response.headers["HX-Refresh"] = "true"
    return response


@router.post("/{job_id}/cancel")
def cancel(here: Here, actor: SignedIn, job_id: str) -> Response:
    """End an import; what it imported stays."""
    with here.store.write() as uow:
        service.cancel_import(uow, actor, job_id)
    return RedirectResponse(f"/imports/{job_id}", status_code=303)


@router.post("/{job_id}/request")
def request_import(here: Here, actor: SignedIn, job_id: str) -> Response:
    """Ask for the import of the file a dry run has judged."""
    with here.store.write() as uow:
        job = releasing.request_import(uow, actor, job_id)
    return RedirectResponse(f"/imports/{job.id}", status_code=303)


@router.post("/{job_id}/release")
def release(here: Here, actor: Proven, job_id: str) -> Response:
    """Let another's import go: a grave act."""
    with here.store.write() as uow:
        releasing.release_import(uow, actor, job_id)
    return RedirectResponse(f"/imports/{job_id}", status_code=303)


@router.post("/{job_id}/refuse")
def refuse(
    here: Here, actor: SignedIn, job_id: str, reason: Annotated[str, Form(max_length=MAX_REASON_CHARS)] = ""
) -> Response:
    """Refuse another's import, with a reason."""
    with here.store.write() as uow:
        releasing.refuse_import(uow, actor, here.settings, job_id, reason)
    return RedirectResponse(f"/imports/{job_id}", status_code=303)


@router.get("/{job_id}/problems.csv")
def download_problems(request: Request, here: Here, actor: SignedIn, job_id: str) -> Response:
    """Return every problem of an import as CSV, in the reader's language."""
    language = language_of(request)
    with here.store.read() as session:
        queries.get_job(session, actor, job_id)

    def lines() -> Iterator[str]:
        with here.store.read() as session:
            yield from write_report(queries.iter_problems(session, job_id), language)

    return StreamingResponse(lines(), media_type=_REPORT_TYPE, headers=_attachment(f"import-{job_id[:8]}.csv"))


def _court_names(session: Any, actor: Actor) -> dict[str, tuple[str, str]]:
    return {court.code: (court.short_zh, court.short_en) for court in courts.list_courts(session, actor)}


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
