"""Four eyes: nobody alone brings a file and lets it change cases."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, text
from sqlmodel import select

from central.base.errors import ForbiddenError, NotFoundError
from central.base.keyring import load_keyring
from central.cases.models import EnforcementCase
from central.cases.rules import TextMissingError
from central.courts.permissions import Actor
from central.imports import files, queries, releasing, rules, runner, service, worker
from tests.central.imports.sheets import csv_bytes, row

pytestmark = pytest.mark.both_databases

CLERK = Actor("u1", "shuji", "样例书记员", "clerk", "云2901")
CHIEF = Actor("u2", "juzhang", "样例执行局长", "bureau_chief", "云2901")
UPPER_CHIEF = Actor("u3", "shangji", "样例中院局长", "bureau_chief", "云29")
ACTING_CHIEF = Actor("u4", "daili", "样例代理局长", "judge", "云2901", posts=frozenset({"bureau_chief"}))


@pytest.fixture
def dry_run(store, place):
    """Upload a file and judge it, as somebody."""

    def judge(who=CLERK, court="云2901", count=3):
        data = csv_bytes(row(seq, court) for seq in range(1, count + 1))
        upload = files.receive(place, load_keyring(Path(place.keys_dir)), [data])
        with store.write() as uow:
            job = service.start_import(
                uow, who, upload, file_name="x.csv", source="旧系统", court_code=court, is_dry_run=True
            )
        assert runner.run_job(store, place, job.id) == "done"
        return job.id

    return judge


@pytest.fixture
def ask(store, dry_run):
    """Have the import of a judged file asked for; returns the job that waits."""

    def request(uploader=CLERK, asker=CLERK):
        dry_id = dry_run(uploader)
        with store.write() as uow:
            return releasing.request_import(uow, asker, dry_id).id

    return request


def state_of(store, job_id):
    with store.read() as session:
        return queries.find_job(session, job_id).state


def cases_stored(store):
    with store.read() as session:
        return session.exec(select(func.count()).select_from(EnforcementCase)).one()


def test_a_released_import_runs_and_names_both(store, place, ask):
    job_id = ask()
    assert (state_of(store, job_id), runner.run_job(store, place, job_id)) == ("waiting", "lost")
    with store.read() as session:
        assert queries.find_next(session, stale_before_ms=10**15) is None
    with store.write() as uow:
        releasing.release_import(uow, CHIEF, job_id)
    assert runner.run_job(store, place, job_id) == "done"
    assert cases_stored(store) == 3
    with store.read() as session:
        job = queries.find_job(session, job_id)
        said = session.connection().execute(
            text("SELECT action, actor FROM audit_entry WHERE subject = :subject ORDER BY seq"),
            {"subject": f"import:{job_id}"},
        )
        assert [tuple(entry) for entry in said] == [
            ("imports:job:request", "user:shuji"),
            ("imports:job:release", "user:juzhang"),
            ("imports:job:finish", "user:shuji"),
        ]
    assert (job.asked_by, job.uploaded_by, job.decided_by) == ("user:shuji", "user:shuji", "user:juzhang")
    assert list(files.folder(place).iterdir()) == []


@pytest.mark.parametrize(
    ("uploader", "asker", "decider"),
    [(CHIEF, CHIEF, CHIEF), (CLERK, CHIEF, CHIEF), (CHIEF, CLERK, CHIEF), (UPPER_CHIEF, CLERK, UPPER_CHIEF)],
)
def test_who_had_a_part_in_it_does_not_decide(store, place, ask, uploader, asker, decider):
    job_id = ask(uploader, asker)
    with store.write() as uow, pytest.raises(rules.OwnImportError):
        releasing.release_import(uow, decider, job_id)
    with store.write() as uow, pytest.raises(rules.OwnImportError):
        releasing.refuse_import(uow, decider, place, job_id, "样例理由")
    assert state_of(store, job_id) == "waiting"
    with store.read() as session:
        assert queries.count_waiting(session, decider) == 0


@pytest.mark.parametrize("decider", [CHIEF, UPPER_CHIEF, ACTING_CHIEF])
def test_another_chief_decides(store, ask, decider):
    job_id = ask()
    with store.read() as session:
        assert queries.count_waiting(session, decider) == 1
        assert [job.id for job in queries.list_jobs(session, CHIEF, state="waiting")] == [job_id]
    with store.write() as uow:
        assert releasing.release_import(uow, decider, job_id).state == "queued"
    with store.write() as uow, pytest.raises(rules.NotWaitingError):
        releasing.release_import(uow, UPPER_CHIEF, job_id)
    with store.read() as session:
        assert queries.count_waiting(session, decider) == 0


def test_who_may_not_decide(store, ask, neighbour_chief):
    job_id = ask()
    other_clerk = Actor("u5", "shuji2", "样例书记员乙", "clerk", "云2901")
    for who, error in ((other_clerk, ForbiddenError), (neighbour_chief, NotFoundError)):
        with store.write() as uow, pytest.raises(error):
            releasing.release_import(uow, who, job_id)
    with store.read() as session:
        assert queries.count_waiting(session, other_clerk) == queries.count_waiting(session, neighbour_chief) == 0


def test_a_refused_import_writes_nothing_and_its_file_is_gone(store, place, ask):
    job_id = ask()
    with store.write() as uow, pytest.raises(TextMissingError):
        releasing.refuse_import(uow, CHIEF, place, job_id, "  ")
    with store.write() as uow:
        job = releasing.refuse_import(uow, CHIEF, place, job_id, "来源未核实")
    assert (job.state, job.message, job.decided_by) == ("refused", "来源未核实", "user:juzhang")
    assert list(files.folder(place).iterdir()) == []
    assert (runner.run_job(store, place, job_id), cases_stored(store)) == ("lost", 0)
    with store.read() as session:
        found = (
            session.connection()
            .execute(text("SELECT detail FROM audit_entry WHERE action = 'imports:job:refuse'"))
            .scalar_one()
        )
    assert (found if isinstance(found, dict) else json.loads(found))["reason"] == "来源未核实"


def test_the_file_goes_over_once(store, dry_run):
    dry_id = dry_run()
    with store.write() as uow:
        releasing.request_import(uow, CLERK, dry_id)
    with store.write() as uow, pytest.raises(rules.ImportFileGoneError):
        releasing.request_import(uow, CLERK, dry_id)


def test_only_what_was_judged_can_be_asked_for(store, run):
    job = run(csv_bytes([row(1)]))
    with store.write() as uow, pytest.raises(rules.NotDryRunError):
        releasing.request_import(uow, UPPER_CHIEF, job.id)


def test_what_nobody_decides_on_ends_after_a_week(store, place, ask, clock):
    job_id = ask()
    clock.advance(ms=rules.KEEP_WAITING_MS - 1)
    worker.tidy_files(store, place)
    assert (state_of(store, job_id), len(list(files.folder(place).iterdir()))) == ("waiting", 1)
    clock.advance(ms=2)
    worker.tidy_files(store, place)
    assert state_of(store, job_id) == "cancelled"
    with store.write() as uow, pytest.raises(rules.NotWaitingError):
        releasing.release_import(uow, CHIEF, job_id)
    clock.advance(ms=rules.KEEP_DRY_FILE_MS + 1)
    worker.tidy_files(store, place)
    assert list(files.folder(place).iterdir()) == []


def test_who_asked_may_take_it_back(store, place, ask):
    job_id = ask()
    with store.write() as uow:
        assert service.cancel_import(uow, CLERK, job_id).state == "cancelled"
    with store.write() as uow, pytest.raises(rules.NotWaitingError):
        releasing.release_import(uow, CHIEF, job_id)
