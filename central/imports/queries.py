"""Reads of the imports room, narrowed to what the asker may see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import func, or_
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.cases.models import EnforcementCase
from central.courts.models import Court
from central.courts.permissions import Actor, Viewer, check_permission, may, sees_court
from central.courts.queries import in_scope
from central.imports.models import ImportJob, ImportProblem
from central.imports.rules import OPEN_STATES
from central.imports.tallies import Group

_PAGE = 1000


def list_jobs(
    session: Session, viewer: Viewer, *, before_ms: int | None = None, state: str = "", limit: int = 50
) -> Sequence[ImportJob]:
    """Return imports of the viewer's courts (in `state`), newest first; raises ForbiddenError without the right."""
    check_permission(viewer, "import_cases")
    query = select(ImportJob).where(in_scope(ImportJob.court_code, viewer))
    if before_ms is not None:
        query = query.where(ImportJob.asked_ms < before_ms)
    if state:
        query = query.where(ImportJob.state == state)
    return session.exec(query.order_by(col(ImportJob.asked_ms).desc()).limit(limit)).all()


def get_job(session: Session, viewer: Viewer, job_id: str) -> ImportJob:
    """Return one import; raises ForbiddenError, or NotFoundError when it is none of the viewer's courts'."""
    check_permission(viewer, "import_cases")
    job = session.get(ImportJob, job_id)
    if job is None or not sees_court(viewer.court_code, job.court_code):
        raise NotFoundError("There is no such import in your courts: see the list of imports.")
    return job


def list_problems(
    session: Session,
    viewer: Viewer,
    job_id: str,
    *,
    code: str = "",
    is_refusal: bool | None = None,
    after: int = 0,
    limit: int = 200,
) -> Sequence[ImportProblem]:
    """Return problems of an import in the order they were found, from after id `after`; raises like `get_job`."""
    get_job(session, viewer, job_id)
    query = select(ImportProblem).where(ImportProblem.job_id == job_id, col(ImportProblem.id) > after)
    if code:
        query = query.where(ImportProblem.code == code)
    if is_refusal is not None:
        query = query.where(col(ImportProblem.is_refusal).is_(is_refusal))
    return session.exec(query.order_by(col(ImportProblem.id)).limit(limit)).all()


def iter_problems(session: Session, job_id: str, *, limit: int | None = None) -> Iterator[ImportProblem]:
    """Yield the problems of an import in bounded memory, for a report; the caller has checked the right."""
    after = 0
    while limit is None or limit > 0:
        size = _PAGE if limit is None else min(_PAGE, limit)
        query = select(ImportProblem).where(ImportProblem.job_id == job_id, col(ImportProblem.id) > after)
        page = session.exec(query.order_by(col(ImportProblem.id)).limit(size)).all()
        yield from page
        if len(page) < size:
            return
        after = page[-1].id or 0
        session.expunge_all()
        limit = None if limit is None else limit - size


def find_job(session: Session, job_id: str) -> ImportJob:
    """Return an import the caller started itself; raises NotFoundError."""
    job = session.get(ImportJob, job_id, populate_existing=True)
    if job is None:
        raise NotFoundError("There is no such import in your courts: see the list of imports.")
    return job


def count_problems(session: Session, job_id: str) -> dict[tuple[str, bool], int]:
    """Return how many problems of an import are listed, by (code, whether it is a refusal)."""
    query = (
        select(ImportProblem.code, ImportProblem.is_refusal, func.count())
        .where(ImportProblem.job_id == job_id)
        .group_by(ImportProblem.code, col(ImportProblem.is_refusal))
    )
    return {(code, bool(is_refusal)): count for code, is_refusal, count in session.exec(query)}


def find_next(session: Session, *, stale_before_ms: int) -> ImportJob | None:
    """Return the oldest job that waits, or whose worker has been silent since `stale_before_ms`."""
    is_lost = col(ImportJob.state).in_(("running", "cancelling")) & (col(ImportJob.heartbeat_ms) < stale_before_ms)
    query = select(ImportJob).where(or_(col(ImportJob.state) == "queued", is_lost))
    return session.exec(query.order_by(col(ImportJob.asked_ms)).limit(1)).first()


def list_used_files(session: Session) -> set[str]:
    """Return the ids of sealed files that a job still needs."""
    return set(session.exec(select(ImportJob.file_id).where(ImportJob.file_id != "")).all())


def list_expired_files(session: Session, *, ended_before_ms: int) -> Sequence[ImportJob]:
    """Return jobs that ended before then and still hold a file."""
    query = select(ImportJob).where(
        ImportJob.file_id != "",
        col(ImportJob.state).not_in(OPEN_STATES),
        col(ImportJob.ended_ms) < ended_before_ms,
    )
    return session.exec(query).all()


def load_courts(session: Session) -> dict[str, str]:
    """Return every court's code by its code and by each of its names."""
    names: dict[str, str] = {}
    for court in session.exec(select(Court).order_by(col(Court.code).desc())):
        names |= dict.fromkeys((court.name_zh, court.short_zh, court.name_en, court.short_en), court.code)
    codes = session.exec(select(Court.code)).all()
    return names | {code: code for code in codes}


def load_refusals(session: Session, job_id: str) -> dict[int, str]:
    """Return the code of the last refusal of each row that an import lists as refused."""
    query = select(ImportProblem.row_no, ImportProblem.code).where(
        ImportProblem.job_id == job_id, col(ImportProblem.is_refusal).is_(True)
    )
    return dict(session.exec(query.order_by(col(ImportProblem.id))).all())


def list_stale_waiting(session: Session, *, asked_before_ms: int) -> Sequence[ImportJob]:
    """Return imports that nobody released or refused since then."""
    return session.exec(
        select(ImportJob).where(ImportJob.state == "waiting", ImportJob.asked_ms < asked_before_ms)
    ).all()


def count_waiting(session: Session, actor: Actor) -> int:
    """Return how many imports wait for this person to release them; 0 without the right."""
    if not may(actor, "release_import"):
        return 0
    name = actor.audit_name
    query = (
        select(func.count())
        .select_from(ImportJob)
        .where(
            ImportJob.state == "waiting",
            in_scope(ImportJob.court_code, actor),
            ImportJob.asked_by != name,
            ImportJob.uploaded_by != name,
        )
    )
    return session.exec(query).one()


def count_cases(session: Session, *, source: str, court_code: str) -> dict[Group, tuple[int, int]]:
    """Return (cases, claims in fen) that came from `source`, by court, type and state, in the court and below."""
    case = EnforcementCase
    columns = (col(case.court_code), col(case.type_code), col(case.state))
    query = sql_select(*columns, func.count(), func.coalesce(func.sum(col(case.claim_fen)), 0)).where(
        col(case.source) == source, columns[0].startswith(court_code, autoescape=True)
    )
    rows = session.connection().execute(query.group_by(*columns))
    return {(court, kind, state): (int(count), int(claims)) for court, kind, state, count, claims in rows}
