"""The worker as a process of its own: killed in the middle, ended in order."""

import signal
import subprocess
import sys
import threading

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from central.base import db, schema
from central.base.keyring import load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.cases.change_models import CaseChange
from central.cases.models import EnforcementCase, Party
from central.courts import service as courts
from central.imports import files, queries, rules, runner, service, worker
from tests.central.imports.sheets import csv_bytes, row
from tests.waiting import wait_until

ROWS = 4000


@pytest.fixture
def centre(tmp_path):
    config = tmp_path / "centre.toml"
    config.write_text('data_dir = "data"\nkeys_dir = "keys"\nlog_level = "warning"\n', encoding="utf-8")
    settings = Settings(data_dir=str(tmp_path / "data"), keys_dir=str(tmp_path / "keys"))
    schema.migrate(settings)
    store = Store(db.create_engine(db.database_url(settings)))
    with store.write() as uow:
        courts.seed_courts(uow)
    upload = files.receive(settings, load_keyring(tmp_path / "keys"), [csv_bytes(row(n) for n in range(1, ROWS + 1))])
    with store.write() as uow:
        job = service.start_import(
            uow, "system:test", upload, file_name="x.csv", source="旧系统", court_code="云29", is_dry_run=False
        )
    yield config, settings, store, job.id
    store.close()


def start(config):
    command = [sys.executable, "-m", "central.process", "worker", "--config", str(config)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def look(store, job_id):
    with store.read() as session:
        return queries.find_job(session, job_id)


def check_whole(store, job):
    assert (job.state, job.rows_read, job.created_count, job.rejected_count) == ("done", ROWS, ROWS, 0)
    assert job.updated_count + job.unchanged_count == 0
    assert job.reconciliation["differences"] == 0
    with store.read() as session:
        for table, wanted in ((EnforcementCase, ROWS), (Party, 2 * ROWS), (CaseChange, ROWS)):
            assert session.exec(select(func.count()).select_from(table)).scalar_one() == wanted


def test_killed_in_the_middle_and_taken_up_again_every_case_is_there_once(centre, monkeypatch):
    config, settings, store, job_id = centre
    process = start(config)
    wait_until(lambda: look(store, job_id).rows_read >= 500, 40, "the first batches")
    process.kill()
    process.communicate()
    left = look(store, job_id)
    assert left.state == "running"
    assert left.rows_read < ROWS
    # A minute later another worker sees that nobody lives behind it.
    monkeypatch.setattr(rules, "STALE_MS", 0)
    assert worker.run_next(store, settings, threading.Event())
    done = look(store, job_id)
    assert done.attempts == 2
    check_whole(store, done)
    assert list(files.folder(settings).iterdir()) == []


def test_ended_in_order_it_gives_the_job_back(centre):
    config, settings, store, job_id = centre
    process = start(config)
    wait_until(lambda: look(store, job_id).rows_read >= 500, 40, "the first batches")
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (0, "")
    left = look(store, job_id)
    assert (left.state, left.attempts, left.claim) == ("queued", 0, "")
    assert 0 < left.rows_read < ROWS
    assert runner.run_job(store, settings, job_id) == "done"
    check_whole(store, look(store, job_id))


def test_it_waits_for_a_database_that_is_away(centre, monkeypatch, caplog):
    _, settings, store, job_id = centre
    monkeypatch.setattr(worker, "RETRY_S", 0.01)
    monkeypatch.setattr(worker, "POLL_S", 0.01)
    real, fails, stop = runner.run_job, iter(range(3)), threading.Event()

    def run(*args, **options):
        if next(fails, None) is not None:
            raise OperationalError("SELECT 1", {}, OSError("away"))
        state = real(*args, **options)
        stop.set()
        return state

    monkeypatch.setattr(runner, "run_job", run)
    worker.work(store, settings, stop)
    assert look(store, job_id).state == "done"
    assert caplog.text.count("imports wait for the database") == 1
