"""Files over the interface: sealed, queued, run by the worker, reported row by row, and seen in the change feed."""

import io
from pathlib import Path

import pytest
from msgspec.structs import replace
from openpyxl import Workbook

from central.api.imports import XLSX
from central.imports import runner
from tests.central.api.conftest import add_account, check_problem
from tests.central.api.test_cases import ID_NO, audit_rows, make_case

CSV = {"content-type": "text/csv"}
HEAD = "案号,立案日期,申请执行人,被执行人,被执行人证件号码,标的额(元)\n"
GOOD = HEAD + "".join(f"（2026）云2901执{n}号,2026-11-02,样例公司,样例甲,{ID_NO},1000\n" for n in range(1, 4))
BAD = GOOD + f"（2026）云2901执4号,2026-11-02,样例公司,样例乙,{ID_NO[:-1]}9,1000\n"


def run(client, store, settings, job_id):
    """Let the worker take the job."""
    runner.run_job(store, settings, job_id)
    return client.get(f"/imports/{job_id}").json()


@pytest.mark.both_databases
class TestImport:
    def test_a_file_goes_in_and_its_cases_appear_in_the_feed(self, client, store, settings):
        cursor = client.get("/changes", params={"after": "latest"}).json()["next"]
        answer = client.post("/imports", content=GOOD.encode(), headers=CSV, params={"file_name": "样例.csv"})
        assert answer.status_code == 202, answer.text
        job = answer.json()
        assert (job["state"], job["source"], job["file_name"]) == ("queued", "court-system", "样例.csv")
        assert client.get(answer.headers["location"].removeprefix("/api/v1")).json() == job
        done = run(client, store, settings, job["id"])
        assert (done["state"], done["created_count"], done["rejected_count"]) == ("done", 3, 0)
        changes = client.get("/changes", params={"after": cursor}).json()["items"]
        assert [(change["case_no"], change["kind"]) for change in changes] == [
            (f"（2026）云2901执{n}号", "created") for n in (1, 2, 3)
        ]

    def test_what_is_wrong_is_told_by_row_and_never_the_number(self, client, store, settings):
        job = client.post("/imports", content=BAD.encode(), headers=CSV).json()
        assert run(client, store, settings, job["id"])["rejected_count"] == 1
        answer = client.get(f"/imports/{job['id']}/problems")
        (problem,) = [problem for problem in answer.json()["items"] if problem["is_refusal"]]
        assert (problem["row_no"], problem["code"], problem["is_refusal"]) == (5, "id_check_digit", True)
        assert problem["detail"]
        assert "校验" in problem["detail_zh"]
        assert ID_NO[:-1] not in answer.text

    def test_problems_come_by_the_page(self, client, store, settings):
        rows = "".join(f"（2026）云2901执{n}号,,样例公司,样例甲,,1000\n" for n in range(1, 6))
        job = client.post("/imports", content=(HEAD + rows).encode(), headers=CSV).json()
        run(client, store, settings, job["id"])
        found, after = [], None
        while True:
            params = {"limit": 2} | ({"after": after} if after else {})
            page = client.get(f"/imports/{job['id']}/problems", params=params).json()
            found += [(problem["row_no"], problem["code"], problem["column"]) for problem in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert [row_no for row_no, _, _ in found] == sorted(row_no for row_no, _, _ in found)
        assert len(set(found)) == len(found)
        assert {row_no for row_no, code, _ in found if code == "value_missing"} == {2, 3, 4, 5, 6}

    def test_a_dry_run_writes_no_case(self, client, store, settings):
        job = client.post("/imports", content=GOOD.encode(), headers=CSV, params={"dry_run": "true"}).json()
        done = run(client, store, settings, job["id"])
        assert (done["is_dry_run"], done["created_count"]) == (True, 3)
        assert client.get("/cases").json()["items"] == []

    def test_control_totals_are_compared(self, client, store, settings):
        params = {"expected": '{"total": 4}'}
        job = client.post("/imports", content=GOOD.encode(), headers=CSV, params=params).json()
        assert run(client, store, settings, job["id"])["reconciliation"]["differences"] == 1

    def test_what_was_imported_its_system_may_put(self, client, store, settings):
        run(client, store, settings, client.post("/imports", content=GOOD.encode(), headers=CSV).json()["id"])
        answer = client.put("/cases/（2026）云2901执1号", json=make_case())
        assert (answer.status_code, answer.json()["outcome"]) == (200, "updated")


class TestForms:
    def test_a_workbook(self, client, store, settings):
        book = Workbook()
        for line in GOOD.splitlines():
            book.active.append(line.split(","))
        content = io.BytesIO()
        book.save(content)
        job = client.post("/imports", content=content.getvalue(), headers={"content-type": XLSX}).json()
        assert run(client, store, settings, job["id"])["created_count"] == 3

    def test_the_file_lies_sealed(self, client, settings):
        client.post("/imports", content=GOOD.encode(), headers=CSV)
        (path,) = (Path(settings.data_dir) / "imports").iterdir()
        assert ID_NO.encode() not in path.read_bytes()
        assert "样例甲".encode() not in path.read_bytes()

    @pytest.mark.parametrize(
        ("content", "kind"), [(b"", "text/csv"), (b"%PDF-1.7", "text/csv"), (b"\xd0\xcf\x11\xe0" + bytes(600), XLSX)]
    )
    def test_what_is_no_such_file_is_refused_and_leaves_nothing(self, client, settings, content, kind):
        answer = client.post("/imports", content=content, headers={"content-type": kind})
        if answer.status_code != 202:  # some are only seen for what they are by the worker
            assert answer.status_code == 422
            assert list((Path(settings.data_dir) / "imports").iterdir()) == []

    def test_another_type_is_refused_before_the_file_is_read(self, client):
        check_problem(
            client.post("/imports", content=GOOD.encode(), headers={"content-type": "text/html"}), 415, "media-type"
        )

    def test_wrong_totals_are_refused(self, client):
        answer = client.post("/imports", content=b"x", headers=CSV, params={"expected": "{"})
        check_problem(answer, 422, "import-expected")


class TestScope:
    def test_needs_its_scope(self, open_client, store):
        reader = open_client(add_account(store, "reader", scopes=("cases:read", "cases:write", "changes:read")))
        check_problem(reader.post("/imports", content=GOOD.encode(), headers=CSV), 403, "scope-missing")
        check_problem(reader.get("/imports/" + "0" * 32), 403, "scope-missing")
        importer = open_client(add_account(store, "importer", scopes=("imports:write",)))
        assert importer.post("/imports", content=GOOD.encode(), headers=CSV).status_code == 202

    def test_only_for_own_courts(self, open_client, client, store):
        county = open_client(add_account(store, "county", "云2922"))
        params = {"court_code": "云2901"}
        check_problem(county.post("/imports", content=GOOD.encode(), headers=CSV, params=params), 403, "forbidden")
        job = client.post("/imports", content=GOOD.encode(), headers=CSV).json()
        check_problem(county.get(f"/imports/{job['id']}"), 404, "not-found")
        check_problem(county.get(f"/imports/{job['id']}/problems"), 404, "not-found")

    def test_rows_of_other_courts_are_refused(self, open_client, store, settings):
        county = open_client(add_account(store, "county", "云2922"))
        job = county.post("/imports", content=GOOD.encode(), headers=CSV).json()
        assert job["court_code"] == "云2922"
        done = run(county, store, settings, job["id"])
        assert (done["created_count"], done["rejected_count"]) == (0, 3)

    def test_is_audited_as_the_service(self, client, store):
        client.post("/imports", content=GOOD.encode(), headers=CSV)
        assert [row.actor for row in audit_rows(store) if row.action.startswith("imports:")] == [
            "service:court-system"
        ]


class TestLimit:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, import_max_bytes=2048)

    @pytest.mark.parametrize("is_declared", [True, False])
    def test_a_file_beyond_it_is_refused_and_leaves_nothing(self, client, settings, is_declared):
        content = bytes(4096) if is_declared else iter([bytes(1024)] * 4)
        check_problem(client.post("/imports", content=content, headers=CSV), 413, "too-large")
        assert list((Path(settings.data_dir) / "imports").iterdir()) == []
