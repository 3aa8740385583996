"""Four eyes on a person's import: whoever brings the file asks, a bureau chief who had no part in it lets it go.

A file can create, change and close as many cases as it has rows; nobody does that alone. Imports of the command line
(root at the machine) and of service accounts (admitted with their scope by two administrators) run at once.
"""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col

from central.base.settings import Settings
from central.base.unit_of_work import UnitOfWork
from central.cases.rules import check_text
from central.courts.permissions import Actor, check_permission, may
from central.imports import files, queries, rules, service
from central.imports.models import ImportJob


def request_import(uow: UnitOfWork, actor: Actor, job_id: str) -> ImportJob:
    """Ask for the real import of the file a finished dry run has judged; the file goes over to the new job.

    Raises NotDryRunError, ImportFileGoneError, and what `queries.get_job` raises.
    """
    dry = queries.get_job(uow.session, actor, job_id)
    check_permission(actor, "import_cases", dry.court_code)
    if not dry.is_dry_run or dry.state != "done":
        raise rules.NotDryRunError("Only a finished dry run can be imported for real: wait for it, or start another.")
    file_id = dry.file_id
    rule = update(ImportJob).where(col(ImportJob.id) == job_id, col(ImportJob.file_id) == file_id)
    if not file_id or not uow.connection.execute(rule.values(file_id="")).rowcount:
        raise rules.ImportFileGoneError("The file of this dry run is no longer kept: upload it again.")
    uow.session.expire(dry)
    job = ImportJob(
        court_code=dry.court_code,
        source=dry.source,
        file_name=dry.file_name,
        form=dry.form,
        size_bytes=dry.size_bytes,
        sha256=dry.sha256,
        file_id=file_id,
        is_dry_run=False,
        state="waiting",
        rows_total=dry.rows_total,
        asked_by=actor.audit_name,
        asked_ms=uow.now_ms,
        uploaded_by=dry.asked_by,
        expected=dry.expected,
        options={**(dry.options or {}), "dry": dry.id},
    )
    return service.queue_job(uow, job, "request")


def may_release(actor: Actor, job: ImportJob) -> bool:
    """Tell whether this person may decide on a job that waits: in scope, and with no part in it so far."""
    return may(actor, "release_import", job.court_code) and actor.audit_name not in (job.asked_by, job.uploaded_by)


def release_import(uow: UnitOfWork, actor: Actor, job_id: str) -> ImportJob:
    """Let an import go; the worker takes it up. Raises OwnImportError, NotWaitingError, and as `queries.get_job`."""
    job = _open(uow, actor, job_id)
    return _decide(uow, actor, job, "queued", "release")


def refuse_import(uow: UnitOfWork, actor: Actor, settings: Settings, job_id: str, reason: str) -> ImportJob:
    """Refuse an import with a reason; its file is deleted. Raises TextMissingError and as `release_import`."""
    job = _open(uow, actor, job_id)
    reason = check_text(reason, "reason", rules.MAX_REASON_CHARS, is_needed=True)
    file_id = job.file_id
    job = _decide(uow, actor, job, "refused", "refuse", ended_ms=uow.now_ms, message=reason, file_id="")
    uow.after_commit(lambda: files.delete_file(settings, file_id))
    return job


def cancel_stale(uow: UnitOfWork) -> None:
    """Cancel imports that nobody decided on for KEEP_WAITING_MS; their files go with those of cancelled ones."""
    for job in queries.list_stale_waiting(uow.session, asked_before_ms=uow.now_ms - rules.KEEP_WAITING_MS):
        rule = update(ImportJob).where(col(ImportJob.id) == job.id, col(ImportJob.state) == "waiting")
        if uow.connection.execute(rule.values(state="cancelled", ended_ms=uow.now_ms)).rowcount:
            service.audit_job(uow, job, "stop", "system:worker")


def _open(uow: UnitOfWork, actor: Actor, job_id: str) -> ImportJob:
    check_permission(actor, "release_import")
    job = queries.get_job(uow.session, actor, job_id)
    check_permission(actor, "release_import", job.court_code)
    if not may_release(actor, job):
        raise rules.OwnImportError("You uploaded this file or asked for its import: another bureau chief decides.")
    return job


def _decide(uow: UnitOfWork, actor: Actor, job: ImportJob, state: str, verb: str, **values: object) -> ImportJob:
    rule = update(ImportJob).where(col(ImportJob.id) == job.id, col(ImportJob.state) == "waiting")
    stamps = {"state": state, "decided_by": actor.audit_name, "decided_ms": uow.now_ms}
    if not uow.connection.execute(rule.values({**stamps, **values})).rowcount:
        raise rules.NotWaitingError("This import waits for no release any more: look at it again.")
    uow.session.refresh(job)
    service.audit_job(uow, job, verb, actor.audit_name)
    return job
