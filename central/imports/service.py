"""Writer of the imports room: jobs are queued, claimed, moved on and ended. It never commits.

A job belongs to whoever holds its claim. Every write for a running job is `UPDATE ... WHERE claim = ...` in the same
transaction as the cases of the batch: a worker that was thought dead and is not cannot write a row twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from central.audit import service as audit
from central.base import bulk
from central.base.errors import NotFoundError
from central.base.ids import new_id
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, Viewer, check_permission
from central.courts.queries import get_court
from central.imports import queries, rules
from central.imports.files import Upload
from central.imports.judging import Problem
from central.imports.models import ImportJob
from central.imports.readers import detect_form

_PROBLEM_COLUMNS = ("job_id", "row_no", "case_no", '"column"', "code", "params", "is_refusal")


class JobLostError(Exception):
    """Another worker holds the job now: write nothing more for it."""


class JobCancelledError(Exception):
    """Somebody asked for the job to end."""


@dataclass(slots=True)
class Progress:
    """How far a job is; the names are those of its row."""

    read_bytes: int = 0
    rows_read: int = 0
    created_count: int = 0
    updated_count: int = 0
    unchanged_count: int = 0
    rejected_count: int = 0
    warned_count: int = 0


def start_import(
    uow: UnitOfWork,
    who: Viewer | str,
    upload: Upload,
    *,
    file_name: str,
    source: str,
    court_code: str,
    is_dry_run: bool,
    expected: dict[str, Any] | None = None,
    mapping: Mapping[str, str] | None = None,
    sheet: str = "",
) -> ImportJob:
    """Queue an import of a sealed file. A name instead of a viewer stands for one whose right the caller has checked.

    What a person uploads is judged only; releasing.py leads on from there.
    Raises ForbiddenError, NeedsReleaseError, NotFoundError (court), SourceNameError, WrongFormError.
    """
    if not isinstance(who, str):
        check_permission(who, "import_cases", court_code)
    if isinstance(who, Actor) and not is_dry_run:
        raise rules.NeedsReleaseError(
            "Let the file be judged in a dry run first, then ask for its import: a bureau chief releases it."
        )
    get_court(uow.session, court_code)
    job = ImportJob(
        court_code=court_code,
        source=rules.check_source(source),
        file_name=_plain_name(file_name),
        form=detect_form(upload.head),
        size_bytes=upload.size_bytes,
        sha256=upload.sha256,
        file_id=upload.file_id,
        is_dry_run=is_dry_run,
        asked_by=_name(who),
        asked_ms=uow.now_ms,
        expected=expected,
        options={"mapping": dict(mapping or {}), "sheet": sheet[:100]},
    )
    return queue_job(uow, job, "start")


def cancel_import(uow: UnitOfWork, who: Viewer, job_id: str) -> ImportJob:
    """End a job: at once when it waits, between two batches when it runs. What was imported stays.

    Raises JobEndedError, and what `queries.get_job` raises.
    """
    job = queries.get_job(uow.session, who, job_id)
    check_permission(who, "import_cases", job.court_code)
    rule = update(ImportJob).where(col(ImportJob.id) == job_id)
    waiting = rule.where(col(ImportJob.state).in_(("waiting", "queued"))).values(
        state="cancelled", ended_ms=uow.now_ms
    )
    running = rule.where(col(ImportJob.state) == "running").values(state="cancelling")
    if not uow.connection.execute(waiting).rowcount and not uow.connection.execute(running).rowcount:
        raise rules.JobEndedError("This import has ended: start another one.")
    uow.session.refresh(job)
    audit_job(uow, job, "cancel", _name(who))
    return job


def claim_job(uow: UnitOfWork, job_id: str) -> ImportJob | None:
    """Take a job that waits or has lost its worker; None when another was first."""
    is_lost = col(ImportJob.state).in_(("running", "cancelling")) & (
        col(ImportJob.heartbeat_ms) < uow.now_ms - rules.STALE_MS
    )
    rule = update(ImportJob).where(col(ImportJob.id) == job_id, (col(ImportJob.state) == "queued") | is_lost)
    job = uow.session.get(ImportJob, job_id, populate_existing=True)
    values = {
        "claim": new_id(),
        # one that was being cancelled stays so: its next worker ends it at once
        "state": "cancelling" if job is not None and job.state == "cancelling" else "running",
        "attempts": ImportJob.attempts + 1,
        "heartbeat_ms": uow.now_ms,
    }
    if job is None or not uow.connection.execute(rule.values(values)).rowcount:
        return None
    if job.started_ms is None:
        uow.connection.execute(update(ImportJob).where(col(ImportJob.id) == job_id).values(started_ms=uow.now_ms))
    uow.session.refresh(job)
    return job


def save_progress(
    uow: UnitOfWork, job: ImportJob, progress: Progress, problems: Sequence[tuple[int, str, Problem]] = ()
) -> None:
    """Note how far the claimed job is, with problems as (row, case number, problem).

    Raises JobLostError or JobCancelledError; the batch must then not be committed.
    """
    values = asdict(progress) | {"heartbeat_ms": uow.now_ms}
    rule = update(ImportJob).where(col(ImportJob.id) == job.id, col(ImportJob.claim) == job.claim)
    if not uow.connection.execute(rule.where(col(ImportJob.state) == "running").values(values)).rowcount:
        raise _lost(uow, job)
    bulk.insert_rows(
        uow.connection,
        "import_problem",
        _PROBLEM_COLUMNS,
        [
            (
                job.id,
                row_no,
                case_no[:60],
                problem.column[:60],
                problem.code,
                _json(problem.params),
                problem.is_refusal,
            )
            for row_no, case_no, problem in problems
        ],
    )


def release_job(uow: UnitOfWork, job: ImportJob) -> None:
    """Give a claimed job back, for the worker that comes next."""
    values: dict[str, Any] = {"claim": "", "state": "queued", "attempts": 0}
    uow.connection.execute(_claimed(job).where(col(ImportJob.state) == "running").values(values))


def end_job(
    uow: UnitOfWork,
    job: ImportJob,
    state: str,
    *,
    values: Mapping[str, Any] | None = None,
    problem: Problem | None = None,
) -> None:
    """End a claimed job as done, failed or cancelled; raises JobLostError when it is another's."""
    stamps = {"state": state, "ended_ms": uow.now_ms, "heartbeat_ms": uow.now_ms, "claim": ""}
    if not uow.connection.execute(_claimed(job).values({**(values or {}), **stamps})).rowcount:
        raise JobLostError(job.id)
    if problem is not None:
        row = (job.id, 0, "", problem.column, problem.code, _json(problem.params), problem.is_refusal)
        bulk.insert_rows(uow.connection, "import_problem", _PROBLEM_COLUMNS, [row])
    job = uow.session.get_one(ImportJob, job.id, populate_existing=True)
    audit_job(uow, job, {"done": "finish", "failed": "fail", "cancelled": "stop"}[state], job.asked_by)


def cancel_waiting(uow: UnitOfWork, job_id: str) -> None:
    """Cancel a job that was given back to the queue by the command that started it."""
    rule = update(ImportJob).where(col(ImportJob.id) == job_id, col(ImportJob.state) == "queued")
    if uow.connection.execute(rule.values(state="cancelled", ended_ms=uow.now_ms)).rowcount:
        job = uow.session.get_one(ImportJob, job_id, populate_existing=True)
        audit_job(uow, job, "stop", job.asked_by)


def forget_file(uow: UnitOfWork, job_id: str) -> None:
    """Note that the job's sealed file is deleted (after the commit, by the caller)."""
    uow.connection.execute(update(ImportJob).where(col(ImportJob.id) == job_id).values(file_id=""))


def queue_job(uow: UnitOfWork, job: ImportJob, verb: str) -> ImportJob:
    """Add a job, audited as `verb`."""
    uow.session.add(job)
    uow.session.flush()
    audit_job(uow, job, verb, job.asked_by)
    return job


def _claimed(job: ImportJob) -> Any:
    return update(ImportJob).where(
        col(ImportJob.id) == job.id,
        col(ImportJob.claim) == job.claim,
        col(ImportJob.state).in_(("running", "cancelling")),
    )


def _lost(uow: UnitOfWork, job: ImportJob) -> Exception:
    now = uow.session.get(ImportJob, job.id, populate_existing=True)
    if now is None:
        return NotFoundError("There is no such import in your courts: see the list of imports.")
    return JobCancelledError(job.id) if now.state == "cancelling" and now.claim == job.claim else JobLostError(job.id)


def audit_job(uow: UnitOfWork, job: ImportJob, verb: str, actor: str) -> None:
    """Append to the audit what became of a job."""
    counts = {name: getattr(job, f"{name}_count") for name in ("created", "updated", "unchanged", "rejected")}
    about = {"source": job.source, "file": job.file_name, "sha256": job.sha256, "dry_run": job.is_dry_run}
    if verb == "refuse":
        about["reason"] = job.message
    audit.append(
        uow,
        actor=actor,
        court_code=job.court_code,
        action=f"imports:job:{verb}",
        subject=f"import:{job.id}",
        detail=about if job.started_ms is None else {**about, "rows": job.rows_read, **counts},
    )


def _name(who: Viewer | str) -> str:
    return who if isinstance(who, str) else who.audit_name


def _plain_name(file_name: str) -> str:
    """Return a file's name without folders and control characters."""
    name = file_name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable())[:200] or "file"


def _json(params: Mapping[str, Any]) -> str:
    return json.dumps(dict(params), ensure_ascii=False)
