"""Whole imports: counts, idempotency, dry run, cancelling, resuming, reconciliation."""

import json
import logging
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlmodel import SQLModel, col

from central.audit import queries as audit
from central.base.errors import ForbiddenError, NotFoundError
from central.base.keyring import load_keyring
from central.cases.models import EnforcementCase, Party
from central.imports import files, queries, rules, runner, service, worker
from central.imports.models import ImportProblem
from central.imports.report import write_report
from central.imports.service import JobLostError
from tests.central.imports.sheets import case_no, csv_bytes, csv_text, person_id, row, xlsx_bytes

pytestmark = pytest.mark.both_databases


def counts(job):
    return (job.rows_read, job.created_count, job.updated_count, job.unchanged_count, job.rejected_count)


def problems(store, job):
    with store.read() as session:
        rows = session.exec(
            select(ImportProblem).where(col(ImportProblem.job_id) == job.id).order_by(col(ImportProblem.id))
        )
        return [(one.row_no, one.code, one.column) for one in rows.scalars()]


def contents(store, *, without=()):
    """Every row of every table."""
    with store.read() as session:
        return {
            name: sorted(map(repr, session.connection().execute(table.select()).all()))
            for name, table in SQLModel.metadata.tables.items()
            if name not in without
        }


def a_file(count=20, **changes):
    return csv_bytes(row(seq, **changes) for seq in range(1, count + 1))


class TestImport:
    def test_rows_become_cases(self, store, run):
        job = run(csv_bytes([row(1), row(2, 案号="x"), row(3, "云2922"), row(1)]))
        assert (job.state, counts(job)) == ("done", (4, 2, 0, 0, 2))
        assert problems(store, job) == [(3, "case_number", "case_no"), (5, "duplicate_in_file", "case_no")]
        assert job.reconciliation["differences"] == 0
        assert [(g["court"], g["file"], g["database"]) for g in job.reconciliation["groups"]] == [
            ("云2901", 1, 1), ("云2922", 1, 1),
        ]  # fmt: skip
        with store.read() as session:
            case = session.exec(
                select(EnforcementCase).where(col(EnforcementCase.case_no) == case_no(1))
            ).scalar_one()
            assert (case.source, case.court_code, case.claim_fen, case.state) == (
                "旧系统",
                "云2901",
                12_500_050,
                "active",
            )
            parties = session.exec(select(Party).where(col(Party.case_id) == case.case_id)).scalars().all()
            assert [party.name for party in parties] == ["样例银行股份有限公司", "样例乙"]
            (double,) = session.exec(
                select(ImportProblem).where(col(ImportProblem.code) == "duplicate_in_file")
            ).scalars()
            assert double.params == {"first": 2}

    def test_the_same_file_again_changes_nothing(self, store, run):
        first = run(a_file())
        before = contents(store, without=("import_job", "audit_entry"))
        second = run(a_file())
        assert (counts(first), counts(second)) == ((20, 20, 0, 0, 0), (20, 0, 0, 20, 0))
        assert contents(store, without=("import_job", "audit_entry")) == before

    def test_a_changed_row_updates_its_case_alone(self, store, run):
        run(a_file(3))
        job = run(csv_bytes([row(1), row(2, 被执行人="样例丙"), row(3)]))
        assert counts(job) == (3, 0, 1, 2, 0)
        with store.read() as session:
            names = session.exec(select(Party.name).where(col(Party.role) == "executee")).scalars().all()
        assert sorted(names) == ["样例丙", "样例乙", "样例乙"]

    @pytest.mark.parametrize("form", ["csv", "gb18030", "xlsx", "json"])
    def test_every_form_gives_the_same_cases(self, run, form):
        table = [row(seq) for seq in range(1, 6)]
        run(csv_bytes(table))
        headings = list(table[0])
        data = {
            "csv": lambda: csv_text(table, delimiter="\t").encode("utf-16"),
            "gb18030": lambda: csv_text(table, delimiter=";").encode("gb18030"),
            "xlsx": lambda: xlsx_bytes([headings, *([one[heading] for heading in headings] for one in table)]),
            "json": lambda: json.dumps(table, ensure_ascii=False).encode(),
        }[form]()
        assert counts(run(data)) == (5, 0, 0, 5, 0)

    def test_what_was_not_taken_from_the_file_is_told_once(self, store, run):
        job = run(csv_bytes([row(1) | {"备注": "x"}, row(2) | {"备注": "y"}], [*row(1), "备注"]))
        assert problems(store, job) == [(0, "columns_unknown", "")]

    def test_control_totals(self, run):
        assert run(a_file(3), expected={"cases": {"": 3}}).reconciliation["differences"] == 0
        missed = run(a_file(3), expected={"cases": {"": 4, "云2901": 3}})
        assert missed.reconciliation["differences"] == 1

    def test_its_acts_are_audited(self, store, run):
        job = run(a_file(3))
        with store.read() as session:
            entries = session.connection().execute(text("SELECT action, subject FROM audit_entry ORDER BY seq")).all()
            audit.verify_chain(session)
        assert [tuple(entry) for entry in entries if entry[0] != "cases:batch:store"] == [
            ("imports:job:start", f"import:{job.id}"), ("imports:job:finish", f"import:{job.id}"),
        ]  # fmt: skip

    def test_no_identity_number_is_told_or_logged(self, store, run, caplog):
        wrong = [row(1, 案号=person_id(1)), row(2, 被执行人证件号码=person_id(2)[:-1]), row(3, 标的额=person_id(3))]
        with caplog.at_level(logging.DEBUG):
            run(csv_bytes([*wrong, row(4, 承办人=person_id(4), 案件状态=person_id(4))]))
        told = repr(contents(store)["import_problem"]) + repr(contents(store)["import_job"]) + caplog.text
        for number in map(person_id, range(1, 5)):
            assert number[4:17] not in told


class TestFailure:
    @pytest.mark.parametrize(
        ("data", "options", "code"),
        [
            (b"a,b\n1,2\n", {}, "import_columns_missing"),
            (csv_bytes([row(1)], ["案号", "执行案号", *list(row(1))[1:]]), {}, "import_column_twice"),
            (xlsx_bytes([["x"]])[:-40], {}, "import_damaged"),
            (xlsx_bytes([["x"]]), {"sheet": "没有"}, "import_sheet_missing"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), {}, "import_old_excel"),
            (b'[{"a": ', {}, "import_damaged"),
        ],
    )
    def test_a_file_that_cannot_be_read_is_told_in_one_sentence(self, store, place, run, data, options, code):
        job = run(data, **options)
        assert job.state == "failed"
        assert job.message.endswith(".")
        assert problems(store, job) == [(0, code, "")]
        assert list(files.folder(place).iterdir()) == []

    def test_what_was_read_before_a_damaged_place_stays(self, run):
        data = json.dumps([row(seq) for seq in range(1, 301)], ensure_ascii=False).encode()
        job = run(data[:-200])
        assert (job.state, job.created_count) == ("failed", 250)
        assert counts(run(data)) == (300, 50, 0, 250, 0)

    def test_a_row_the_cases_room_does_not_take_costs_no_other(self, store, run, monkeypatch):
        real = runner.take_cases

        def picky(uow, keyring, catalogue, drafts, **options):
            if any(draft.number.seq == 7 for draft in drafts):
                raise rules.ImportFileError("Seven is not taken.")
            return real(uow, keyring, catalogue, drafts, **options)

        monkeypatch.setattr(runner, "take_cases", picky)
        job = run(a_file())
        assert counts(job) == (20, 19, 0, 0, 1)
        assert problems(store, job) == [(8, "import_file", "")]
        assert job.reconciliation["differences"] == 0

    def test_a_fault_of_every_row_is_no_matter_of_rows(self, store, run, monkeypatch, caplog):
        def broken(*_args, **_options):
            raise rules.ImportFileError(f"No: {person_id(1)}.")

        monkeypatch.setattr(runner, "take_cases", broken)
        job = run(a_file(60))
        assert job.state == "failed"
        assert len(problems(store, job)) <= 21

    def test_an_unforeseen_error_ends_the_job_and_hides_what_it_quotes(self, store, run, monkeypatch, caplog):
        def broken(*_args, **_options):
            raise ValueError(person_id(1))

        monkeypatch.setattr(runner, "take_cases", broken)
        job = run(a_file(3))
        assert (job.state, problems(store, job)) == ("failed", [(0, "import_internal", "")])
        assert "ValueError" in caplog.text
        assert person_id(1) not in caplog.text

    def test_a_file_that_keeps_killing_its_worker_is_given_up(self, store, place, queue, clock):
        job = queue(a_file(3))
        for _ in range(rules.MAX_ATTEMPTS):
            with store.write() as uow:
                assert service.claim_job(uow, job.id)
            clock.advance(ms=rules.STALE_MS + 1)
        assert runner.run_job(store, place, job.id) == "failed"
        assert problems(store, job) == [(0, "import_attempts", "")]


class TestDryRun:
    def test_it_writes_nothing_but_itself(self, store, place, run):
        run(a_file(5))
        own = ("import_job", "import_problem", "audit_entry")
        before = contents(store, without=own)
        job = run(csv_bytes([row(1), row(2, 被执行人="样例丙"), row(6), row(7, 案号="x")]), is_dry_run=True)
        assert contents(store, without=own) == before
        assert (job.state, counts(job)) == ("done", (4, 1, 1, 1, 1))
        assert problems(store, job) == [(5, "case_number", "case_no")]
        assert [path.name for path in files.folder(place).iterdir()] == [job.file_id]

    def test_it_foretells_what_the_cases_room_refuses(self, store, run):
        run(csv_bytes([row(1), row(2)]), source="别的系统")
        table = [row(1), row(2, 被执行人="样例丙"), row(3), row(4)]
        table = [{"承办人账号": "nobody" if at == 2 else "", **cells} for at, cells in enumerate(table)]
        for is_dry_run in (True, False):
            job = run(csv_bytes(table, [*row(1), "承办人账号"]), is_dry_run=is_dry_run)
            assert counts(job) == (4, 1, 0, 0, 3)
            assert problems(store, job) == [
                (2, "case_of_other_source", "case_no"),
                (3, "case_of_other_source", "case_no"),
                (4, "handler_unfit", "handler_login"),
            ]

    def test_its_file_is_forgotten_after_a_day(self, store, place, run, clock):
        job = run(a_file(1), is_dry_run=True)
        worker.tidy_files(store, place)
        assert [path.name for path in files.folder(place).iterdir()] == [job.file_id]
        clock.advance(ms=rules.KEEP_DRY_FILE_MS + 1)
        worker.tidy_files(store, place)
        assert list(files.folder(place).iterdir()) == []

    def test_uploads_that_broke_off_are_tidied_and_waiting_ones_kept(self, store, place, queue, clock):
        job = queue(a_file(1))
        (files.folder(place) / ".left.part").write_bytes(b"x")
        clock.advance(ms=10**11)
        worker.tidy_files(store, place)
        assert [path.name for path in files.folder(place).iterdir()] == [job.file_id]


class TestTurns:
    """A job stopped, cancelled, lost and taken up again."""

    def stop_after(self, batches):
        calls = iter(range(10**6))
        return lambda: next(calls) >= batches

    def test_a_stopped_job_goes_on_where_it_was(self, store, place, queue):
        job = queue(a_file(700))
        assert runner.run_job(store, place, job.id, should_stop=self.stop_after(2)) == "queued"
        with store.read() as session:
            assert queries.find_job(session, job.id).rows_read == 250
        assert runner.run_job(store, place, job.id) == "done"
        with store.read() as session:
            done = queries.find_job(session, job.id)
        assert counts(done) == (700, 700, 0, 0, 0)
        assert done.reconciliation["differences"] == 0
        assert done.reconciliation["groups"][0]["file"] == 700

    def test_problems_are_not_told_twice_and_doubles_are_found_across_the_stop(self, store, place, queue):
        table = [row(seq, 案号="x" if seq == 5 else case_no(seq)) for seq in range(1, 601)] + [row(1)]
        job = queue(csv_bytes(table))
        runner.run_job(store, place, job.id, should_stop=self.stop_after(2))
        runner.run_job(store, place, job.id)
        assert problems(store, job) == [(6, "case_number", "case_no"), (602, "duplicate_in_file", "case_no")]
        with store.read() as session:
            assert counts(queries.find_job(session, job.id)) == (601, 599, 0, 0, 2)

    def test_rows_the_cases_room_refused_stay_refused_across_the_stop(self, store, place, run, queue):
        run(csv_bytes([row(3), row(4)]), source="别的系统")
        job = queue(a_file(600))
        runner.run_job(store, place, job.id, should_stop=self.stop_after(2))
        assert runner.run_job(store, place, job.id) == "done"
        assert problems(store, job) == [
            (4, "case_of_other_source", "case_no"),
            (5, "case_of_other_source", "case_no"),
        ]
        with store.read() as session:
            done = queries.find_job(session, job.id)
        assert counts(done) == (600, 598, 0, 0, 2)
        assert done.reconciliation["differences"] == 0
        assert done.reconciliation["codes"]["case_of_other_source"] == 2

    def test_a_cancelled_job_keeps_what_it_wrote(self, store, place, queue, chief):
        job = queue(a_file(700))

        def cancel(_progress):
            with store.write() as uow:
                service.cancel_import(uow, chief, job.id)

        assert runner.run_job(store, place, job.id, on_progress=cancel) == "cancelled"
        with store.read() as session:
            done = queries.find_job(session, job.id)
            assert (done.state, done.created_count) == ("cancelled", 250)
            assert session.exec(select(func.count()).select_from(EnforcementCase)).scalar_one() == 250
        assert list(files.folder(place).iterdir()) == []
        with store.write() as uow, pytest.raises(rules.JobEndedError):
            service.cancel_import(uow, chief, job.id)

    def test_a_waiting_job_is_cancelled_at_once(self, store, place, queue, chief, clock):
        job = queue(a_file(1))
        with store.write() as uow:
            assert service.cancel_import(uow, chief, job.id).state == "cancelled"
        assert runner.run_job(store, place, job.id) == "lost"
        clock.advance(ms=rules.KEEP_DRY_FILE_MS + 1)
        worker.tidy_files(store, place)
        assert list(files.folder(place).iterdir()) == []

    def test_a_worker_thought_dead_writes_nothing_more(self, store, place, queue, clock):
        job = queue(a_file(600))
        states = []

        def overtake(_progress):
            if not states:
                clock.advance(ms=rules.STALE_MS + 1)
                states.append("begun")
                states.append(runner.run_job(store, place, job.id))

        assert runner.run_job(store, place, job.id, on_progress=overtake) == "lost"
        assert states == ["begun", "done"]
        with store.read() as session:
            assert counts(queries.find_job(session, job.id)) == (600, 600, 0, 0, 0)
            assert session.exec(select(func.count()).select_from(EnforcementCase)).scalar_one() == 600

    def test_only_one_claims_a_job(self, store, queue):
        job = queue(a_file(1))
        with store.write() as uow:
            mine = service.claim_job(uow, job.id)
        with store.write() as uow:
            assert service.claim_job(uow, job.id) is None
            assert mine is not None
            mine.claim = "another"
            with pytest.raises(JobLostError):
                service.end_job(uow, mine, "done")

    def test_the_worker_takes_the_oldest_first(self, store, place, queue, clock):
        ids = []
        for seq in range(3):
            ids.append(queue(csv_bytes([row(seq + 1)])).id)
            clock.advance(ms=1000)
        stop = threading.Event()
        for job_id in ids:
            assert worker.run_next(store, place, stop)
            with store.read() as session:
                assert queries.find_job(session, job_id).state == "done"
        assert not worker.run_next(store, place, stop)


class TestRights:
    def test_who_may_not_import(self, store, place, queue, operator, chief, neighbour_chief):
        upload = files.receive(place, load_keyring(Path(place.keys_dir)), [a_file(1)])
        given = {"file_name": "x.csv", "source": "x", "court_code": "云2901", "is_dry_run": True}
        with store.write() as uow, pytest.raises(rules.NeedsReleaseError):
            service.start_import(uow, chief, upload, **{**given, "is_dry_run": False})
        for who in (operator, neighbour_chief):
            with store.write() as uow, pytest.raises(ForbiddenError):
                service.start_import(uow, who, upload, **given)
        with store.write() as uow, pytest.raises(NotFoundError):
            service.start_import(uow, "system:test", upload, **{**given, "court_code": "京01"})
        with store.write() as uow, pytest.raises(rules.SourceNameError):
            service.start_import(uow, "system:test", upload, **{**given, "source": "a/b"})
        with store.write() as uow:
            job = service.start_import(uow, chief, upload, **given)
        with store.read() as session:
            assert [one.id for one in queries.list_jobs(session, chief)] == [job.id]
            assert queries.list_jobs(session, neighbour_chief) == []
            with pytest.raises(NotFoundError):
                queries.get_job(session, neighbour_chief, job.id)
            with pytest.raises(ForbiddenError):
                queries.get_job(session, operator, job.id)


def test_lists_are_bounded_and_counted(store, run, monkeypatch):
    monkeypatch.setattr(rules, "MAX_LISTED_REFUSALS", 3)
    monkeypatch.setattr(rules, "MAX_LISTED_WARNINGS", 2)
    table = [row(seq, 案号="x") for seq in range(5)] + [row(seq, 被执行人证件号码="") for seq in range(1, 5)]
    job = run(csv_bytes(table))
    assert len(problems(store, job)) == 5
    assert job.reconciliation["codes"] == {"case_number": 5, "id_missing": 4}
    assert job.warned_count == 4


def test_a_report_reads_every_problem(store, run, monkeypatch):
    monkeypatch.setattr(queries, "_PAGE", 2)
    job = run(csv_bytes([row(seq, 案号="=cmd|' /C calc'!A0") for seq in range(5)] + [row(9, 被执行人证件号码="")]))
    with store.read() as session:
        lines = "".join(write_report(queries.iter_problems(session, job.id), "zh")).splitlines()
    assert lines[0] == "\ufeff行号,案号,结果,列,说明,代码"
    assert lines[1].startswith("2,'=cmd|' /C calc'!A0,未导入,案号,“=cmd")
    assert lines[6].startswith(f"7,{case_no(9)},已导入，有提示,被执行人证件号码,第 1 个当事人没有证件号码")
    assert len(lines) == 7
