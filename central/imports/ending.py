"""How a claimed job ends: done, failed, cancelled, or left to another worker."""

from __future__ import annotations

import logging
from typing import Any

from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.imports import files, service
from central.imports.models import ImportJob
from central.imports.problem import Problem
from central.imports.service import JobCancelledError, JobLostError

log = logging.getLogger(__name__)


def give_up(store: Store, settings: Settings, job: ImportJob) -> str:
    """End a job that broke off too often."""
    return fail(store, settings, job, Problem("import_attempts", params={"attempts": job.attempts - 1}), "")


def leave(store: Store, settings: Settings, job: ImportJob, turn: Exception) -> str:
    """End a cancelled job, leave one that is another's, or give it back for the next worker."""
    if isinstance(turn, JobLostError):
        log.warning("import %s went over to another worker", job.id)
        return "lost"
    if isinstance(turn, JobCancelledError):
        return end(store, settings, job, "cancelled")
    with store.write() as uow:
        service.release_job(uow, job)
    return "queued"


def fail(store: Store, settings: Settings, job: ImportJob, problem: Problem, message: str) -> str:
    """End a job that cannot go on, and say why."""
    # A dry run's file is of no more use either: it cannot be imported for real.
    return end(store, settings, job, "failed", values={"message": message[:500]}, problem=problem)


def end(
    store: Store,
    settings: Settings,
    job: ImportJob,
    state: str,
    *,
    values: dict[str, Any] | None = None,
    problem: Problem | None = None,
    keeps_file: bool = False,
) -> str:
    """End the job; its file is deleted after the commit: a kill in between leaves a file, never a job without."""
    file_id = job.file_id
    given = dict(values or {}) if keeps_file else {**(values or {}), "file_id": ""}
    try:
        with store.write() as uow:
            service.end_job(uow, job, state, values=given, problem=problem)
    except JobLostError:
        return "lost"
    if not keeps_file:
        files.delete_file(settings, file_id)
    return state
