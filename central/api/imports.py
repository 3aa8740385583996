"""Whole files of cases: sealed while they arrive, taken in by a worker, with a report row by row."""

from __future__ import annotations

from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath

from central.api.bodies import media_type, read_blocks
from central.api.context import Context, Here, Importer
from central.api.openapi import PREFIX, refusals
from central.api.problems import ProblemError
from central.api.shapes import (
    ImportAsked,
    ImportJob,
    ImportProblem,
    ImportProblemPage,
    ImportProblemsAsked,
    moment,
)
from central.cases.delivery import source_of
from central.courts.permissions import check_permission
from central.imports import files, queries, service, words
from central.imports.files import Upload, UploadWriter
from central.imports.tallies import read_expected
from central.people.scopes import ServiceActor

router = APIRouter(tags=["imports"])

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MEDIA_TYPES: Final = ("text/csv", XLSX, "application/json", "application/x-ndjson", "application/octet-stream")
# OpenAPI 3.1: bytes that no schema describes.
_BINARY: Final[dict[str, Any]] = {"schema": {}}

JobId = Annotated[str, InPath(pattern="^[0-9a-f]{32}$")]


@router.post(
    "/imports",
    operation_id="start_import",
    status_code=202,
    responses={
        **refusals(400, 403, 408, 413, 415, 422, 507),
        202: {
            "headers": {"Location": {"required": True, "schema": {"type": "string"}}},
            "description": "Taken; a worker goes on with it",
        },
    },
    openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(MEDIA_TYPES, _BINARY)}},
)
async def start_import(
    request: Request, here: Here, importer: Importer, response: Response, asked: Annotated[ImportAsked, Query()]
) -> ImportJob:
    """Take a file in (CSV, XLSX, JSON; docs/interfaces-import.md) and queue it; the same again changes nothing."""
    # Before a byte of the file is read: what can be refused already.
    check_permission(importer, "import_cases", asked.court_code or importer.court_code)
    read_expected(asked.expected)
    media_type(request, MEDIA_TYPES)
    upload = await _receive(request, here)
    job = await to_thread.run_sync(_start, here, importer, upload, asked)
    response.headers["Location"] = f"{PREFIX}/imports/{job.id}"
    return job


@router.get("/imports/{job_id}", operation_id="get_import", responses=refusals(403, 404, 422))
def get_import(here: Here, importer: Importer, job_id: JobId) -> ImportJob:
    """Return how far a job of the account's courts is."""
    with here.store.read() as session:
        return _describe(queries.get_job(session, importer, job_id))


@router.get("/imports/{job_id}/problems", operation_id="list_import_problems", responses=refusals(403, 404, 422))
def list_problems(
    here: Here, importer: Importer, job_id: JobId, asked: Annotated[ImportProblemsAsked, Query()]
) -> ImportProblemPage:
    """Return what is wrong with rows of a job, in the order of the file; never an identity number."""
    after = _read_after(asked.after)
    with here.store.read() as session:
        found = queries.list_problems(session, importer, job_id, after=after, limit=asked.limit + 1)
        page = found[: asked.limit]
        is_end = len(found) <= asked.limit
        return ImportProblemPage(
            items=[_describe_problem(problem) for problem in page], next=None if is_end else str(page[-1].id)
        )


async def _receive(request: Request, here: Context) -> Upload:
    """Seal the body while it comes; whatever goes wrong leaves nothing behind."""
    writer = await to_thread.run_sync(UploadWriter, here.settings, here.keyring)
    try:
        async for block in read_blocks(request, here.settings.import_max_bytes):
            await to_thread.run_sync(writer.write, block)
        return await to_thread.run_sync(writer.finish)
    except BaseException:
        writer.abandon()
        raise


def _start(here: Context, importer: ServiceActor, upload: Upload, asked: ImportAsked) -> ImportJob:
    try:
        with here.store.write() as uow:
            job = service.start_import(
                uow,
                importer,
                upload,
                file_name=asked.file_name or "upload",
                source=source_of(importer),
                court_code=asked.court_code or importer.court_code,
                is_dry_run=asked.dry_run,
                expected=read_expected(asked.expected),
                sheet=asked.sheet,
            )
            return _describe(job)
    except BaseException:
        files.delete_file(here.settings, upload.file_id)
        raise


def _read_after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 18:
        raise ProblemError(422, "cursor_invalid")
    return int(cursor)


def _describe(job: Any) -> ImportJob:
    values: dict[str, Any] = {name: getattr(job, name) for name in ImportJob.model_fields if not name.endswith("_at")}
    for name in ("asked", "started", "ended"):
        at_ms = getattr(job, f"{name}_ms")
        values[f"{name}_at"] = None if at_ms is None else moment(at_ms)
    return ImportJob(**values)


def _describe_problem(problem: Any) -> ImportProblem:
    return ImportProblem(
        row_no=problem.row_no,
        case_no=problem.case_no,
        column=problem.column,
        code=problem.code,
        is_refusal=problem.is_refusal,
        detail=words.tell(problem.code, problem.params, "en"),
        detail_zh=words.tell(problem.code, problem.params, "zh"),
    )
