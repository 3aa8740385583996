"""The worker's process: takes queued imports one at a time, and those whose worker died."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from central.base.settings import Settings
from central.base.unit_of_work import Store, open_store
from central.imports import files, queries, releasing, rules, runner, service

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
RETRY_S: Final = 5.0
TIDY_EVERY_MS: Final = 10 * 60 * 1000
_ORPHAN_MS: Final = 24 * 3600 * 1000


def main(settings: Settings) -> None:
    """Run imports until SIGINT or SIGTERM; the one being run goes back to the queue between two batches."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # Rows come and go by the thousand, none in cycles: look for cycles rarely.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    store = open_store(settings)
    try:
        work(store, settings, stop)
    finally:
        store.close()


def work(store: Store, settings: Settings, stop: threading.Event) -> None:
    """Take job after job until `stop` is set; a database that cannot be reached is tried again."""
    tidied_ms, is_down = 0, False
    while not stop.is_set():
        try:
            now_ms = store.clock.now_ms()
            if now_ms - tidied_ms > TIDY_EVERY_MS:
                tidy_files(store, settings)
                tidied_ms = now_ms
            if not run_next(store, settings, stop):
                stop.wait(POLL_S)
            is_down = False
        except SQLAlchemyError as error:
            if not is_down:
                log.error("imports wait for the database: %s", type(error).__name__)
            is_down = True
            stop.wait(RETRY_S)


def run_next(store: Store, settings: Settings, stop: threading.Event) -> bool:
    """Run the oldest job there is; False when there is none."""
    with store.read() as session:
        job = queries.find_next(session, stale_before_ms=store.clock.now_ms() - rules.STALE_MS)
    if job is None:
        return False
    log.info("import %s: %s, %d bytes", job.id, job.form, job.size_bytes)
    state = runner.run_job(store, settings, job.id, should_stop=stop.is_set)
    log.info("import %s: %s", job.id, state)
    return True


def tidy_files(store: Store, settings: Settings) -> None:
    """Delete the files of dry runs nobody asked to import, of jobs that ended, and of uploads that broke off."""
    now_ms = store.clock.now_ms()
    with store.write() as uow:
        releasing.cancel_stale(uow)
        expired = [
            (job.id, job.file_id)
            for job in queries.list_expired_files(uow.session, ended_before_ms=now_ms - rules.KEEP_DRY_FILE_MS)
        ]
        for job_id, _ in expired:
            service.forget_file(uow, job_id)
        used = queries.list_used_files(uow.session)
    for _, file_id in expired:
        files.delete_file(settings, file_id)
    for name in files.list_files(settings, before_s=(now_ms - _ORPHAN_MS) / 1000):
        if name not in used:
            files.delete_file(settings, name)
