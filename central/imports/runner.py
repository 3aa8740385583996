"""Runs one import: reads, judges, stores by the batch, reconciles. Can be killed and taken up again at any moment.

Cases, problems and progress of a batch are one transaction. A job that is taken up again reads its file from the
start and judges, without storing, what was stored before: that costs a fifth of importing, and gives back the counts
by court and the numbers already seen.
"""

from __future__ import annotations

import io
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy.exc import DataError, IntegrityError

from central.base.errors import ConflictError, DomainError, InvalidInputError
from central.base.keyring import Keyring, load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.cases.catalogue import load_catalogue
from central.cases.clock import today
from central.cases.drafts import CaseDraft, Outcome
from central.cases.foresight import Refusal, foresee
from central.cases.writer import take_cases
from central.imports import counting, ending, files, queries, rules, service
from central.imports.columns import Binder
from central.imports.judging import Frame, Judge, Judged, Problem
from central.imports.models import ImportJob
from central.imports.readers import open_reader
from central.imports.seen import SeenNumbers
from central.imports.service import JobCancelledError, JobLostError, Progress
from central.imports.tallies import Tally, reconcile

log = logging.getLogger(__name__)

HEARTBEAT_MS: Final = 5_000
YIELD_S: Final = 0.003
"""Between two batches, so that whoever waits for the write lock gets it: SQLite's waiters look again only every 1 to
100 ms. Measured with 20,000 cases beside a writer every 50 ms: p95 of its wait 34 ms instead of 55, same speed."""
_MAX_BATCH_ROWS: Final = 4 * rules.BATCH_ROWS
_MAX_NOT_STORED: Final = 20
_READ_BYTES: Final = 256 * 1024


class StopAskedError(Exception):
    """This process is to end; the job waits for the next one."""


@dataclass
class _Batch:
    """Rows since the last commit."""

    rows: int = 0
    judged: list[Judged] = field(default_factory=list)


def run_job(
    store: Store,
    settings: Settings,
    job_id: str,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> str:
    """Claim a job and run it; returns its state: done, failed, cancelled, queued (stopped), lost (another's).

    A database that cannot be reached raises; the job is taken up again when its heartbeat has grown stale.
    """
    with store.write() as uow:
        job = service.claim_job(uow, job_id)
    if job is None:
        return "lost"
    try:
        if job.attempts > rules.MAX_ATTEMPTS:
            return ending.give_up(store, settings, job)
        return _Run(store, settings, job, on_progress or _nobody, should_stop or _never).work()
    except (JobLostError, JobCancelledError, StopAskedError) as turn:
        return ending.leave(store, settings, job, turn)
    except DomainError as error:
        params = {name: value for name, value in error.params.items() if isinstance(value, str | int)}
        return ending.fail(store, settings, job, Problem(error.code, params=params), error.message)
    except (DataError, IntegrityError, ValueError, TypeError, LookupError, AttributeError, MemoryError) as error:
        # Where, not what: the text of the error may hold what the row holds.
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("import %s stopped by %s at\n%s", job.id, type(error).__name__, where)
        return ending.fail(store, settings, job, Problem("import_internal"), "")


class _Run:
    """One claimed job being run."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        job: ImportJob,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._store, self._settings, self._job = store, settings, job
        self._on_progress, self._should_stop = on_progress, should_stop
        self._keyring: Keyring = load_keyring(Path(settings.keys_dir))
        self._catalogue = load_catalogue(settings.case_catalogue)
        self._progress = Progress(**{name: getattr(job, name) for name in Progress.__slots__})
        self._skip = job.rows_read
        self._not_stored = 0
        self._tally = Tally()
        self._beat_ms = store.clock.now_ms()
        with store.read() as session:
            listed = queries.count_problems(session, job.id)
            courts = queries.load_courts(session)
            # Rows that the cases room refused before this run: they read well again, and were not stored.
            self._refused = queries.load_refusals(session, job.id) if self._skip else {}
        self._listed = {
            kind: sum(n for (_, refuses), n in listed.items() if refuses is kind) for kind in (True, False)
        }
        self._frame = Frame(self._catalogue, courts, job.court_code, today(job.asked_ms))
        self._people = rules.people_of(job.asked_by, job.uploaded_by, job.decided_by)

    def work(self) -> str:
        """Read and store the whole file, then reconcile and end the job; returns its state."""
        options = self._job.options or {}
        binder = Binder(options.get("mapping") or {})
        sealed = files.open_sealed(self._settings, self._keyring, self._job.file_id)
        with io.BufferedReader(sealed, _READ_BYTES) as stream, SeenNumbers() as seen:
            reader = open_reader(self._job.form, stream, sheet=options.get("sheet") or "")
            self._check_turn()
            for batch in self._batches(self._judge(binder, reader.rows(), seen)):
                self._progress.read_bytes = min(reader.read_bytes, self._job.size_bytes)
                self._store_batch(batch)
        return self._finish(binder)

    def _judge(self, binder: Binder, rows: Iterator[Any], seen: SeenNumbers) -> Iterator[Judged]:
        judge = Judge(self._frame, binder.units)
        for row in binder.bind(rows):
            judged = judge.judge(row)
            if judged.draft is not None:
                first = seen.first_row(judged.draft.number.text, judged.row_no)
                if first is not None:
                    double = Problem("duplicate_in_file", "case_no", {"first": first})
                    judged = Judged(judged.row_no, judged.case_no, None, (*judged.problems, double))
            yield judged

    def _batches(self, judged: Iterator[Judged]) -> Iterator[_Batch]:
        """Yield batches to be stored; rows stored in an earlier run are only counted."""
        batch, drafts, rows = _Batch(), 0, 0
        for one in judged:
            rows += 1
            if rows <= self._skip:
                code = self._refused.get(one.row_no) if one.draft is not None else None
                self._count(counting.refuse(one, Problem(code)) if code else one)
                if rows % rules.BATCH_ROWS == 0:
                    self._check_turn()
                continue
            batch.rows += 1
            batch.judged.append(one)
            drafts += one.draft is not None
            if drafts >= rules.BATCH_ROWS or batch.rows >= _MAX_BATCH_ROWS:
                yield batch
                batch, drafts = _Batch(), 0
        if batch.rows:
            yield batch

    def _count(self, judged: Judged) -> None:
        self._tally.codes.update(problem.code for problem in judged.problems)
        if judged.draft is not None:
            self._tally.add(judged.draft)

    def _check_turn(self) -> None:
        """Stop if told to; show that this worker lives."""
        if self._should_stop():
            raise StopAskedError
        if self._store.clock.now_ms() - self._beat_ms > HEARTBEAT_MS or self._job.state == "cancelling":
            with self._store.write() as uow:
                service.save_progress(uow, self._job, self._progress)
            self._beat_ms = self._store.clock.now_ms()

    def _store_batch(self, batch: _Batch) -> None:
        if self._should_stop():
            raise StopAskedError
        try:
            self._store_rows(batch.judged)
            time.sleep(YIELD_S)
        except (DataError, IntegrityError, InvalidInputError, ConflictError) as error:
            if len(batch.judged) > 1:
                middle = len(batch.judged) // 2
                self._store_batch(_Batch(middle, batch.judged[:middle]))
                self._store_batch(_Batch(batch.rows - middle, batch.judged[middle:]))
                return
            self._refuse_alone(batch.judged[0], error)

    def _refuse_alone(self, judged: Judged, error: Exception) -> None:
        """One row that the cases room or the database does not take; several are no matter of rows."""
        self._not_stored += 1
        if self._not_stored > _MAX_NOT_STORED:
            raise error
        # The error's text may hold what the row holds.
        log.warning("row %d of import %s was not taken: %s", judged.row_no, self._job.id, type(error).__name__)
        code = error.code if isinstance(error, DomainError) else "row_not_stored"
        self._store_rows([counting.refuse(judged, Problem(code))])

    def _store_rows(self, judged: Sequence[Judged]) -> None:
        """Store drafts, problems and progress in one transaction."""
        drafts = [one.draft for one in judged if one.draft is not None]
        outcomes = self._foresee(drafts) if self._job.is_dry_run else []
        with self._store.write() as uow:
            if drafts and not self._job.is_dry_run:
                outcomes = take_cases(
                    uow, self._keyring, self._catalogue, drafts, source=self._job.source, actor=self._job.asked_by,
                    people=self._people,
                )  # fmt: skip
            judged = counting.refuse_rows(judged, outcomes)
            progress, listed = counting.advance(self._progress, judged, outcomes, self._listed)
            service.save_progress(uow, self._job, progress, listed)
        self._progress = progress
        for _, _, problem in listed:
            self._listed[problem.is_refusal] += 1
        for one in judged:
            self._count(one)
        self._beat_ms = self._store.clock.now_ms()
        self._on_progress(progress)

    def _foresee(self, drafts: Sequence[CaseDraft]) -> list[Outcome | Refusal]:
        if not drafts:
            return []
        with self._store.read() as session:
            return foresee(session, self._keyring, drafts, source=self._job.source, people=self._people).outcomes

    def _finish(self, binder: Binder) -> str:
        job, progress = self._job, self._progress
        with self._store.read() as session:
            database = queries.count_cases(session, source=job.source, court_code=job.court_code)
        counts = {name.removesuffix("_count"): getattr(progress, name) for name in Progress.__slots__}
        counts["read"] = progress.rows_read
        outcome = reconcile(self._tally, counts, database, job.expected, is_dry_run=job.is_dry_run)
        unknown = None
        if binder.unknown:
            columns = "、".join(rules.hide_numbers(name) for name in binder.unknown)[:400]
            unknown = Problem("columns_unknown", params={"columns": columns}, is_refusal=False)
        values = {"reconciliation": outcome, "rows_total": progress.rows_read, "read_bytes": job.size_bytes}
        return ending.end(
            self._store, self._settings, job, "done", values=values, problem=unknown, keeps_file=job.is_dry_run
        )


def _nobody(_progress: Progress) -> None:
    pass


def _never() -> bool:
    return False
