"""The import pages, driven by HTTP as browsers do without scripts."""

import threading
from datetime import date
from pathlib import Path

import pytest
from sqlmodel import select

from central.base.keyring import load_keyring
from central.cases.drafts import CaseDraft
from central.cases.models import EnforcementCase, Party
from central.cases.numbers import parse_case_no
from central.cases.parties import PartyDraft
from central.cases.service import register_case
from central.imports import files, queries, service, worker
from central.people.queries import actor_of, get_user
from central.people.rules import REAUTH_MS
from tests.central.imports.sheets import case_no, csv_bytes, person_id, row, xlsx_bytes
from tests.central.web.conftest import csrf_of

NO_STOP = threading.Event()


@pytest.fixture
def clerk(log_in):
    return log_in("shuji")


def send(client, data, *, name="案件.csv", proof=None, **fields):
    form = {"source": "旧系统", "court": "云2901", "run": "dry", **fields}
    token = csrf_of(client, "/imports/new") if proof is None else proof
    headers = {name: value for name, value in client.headers.items() if name.lower() != "x-csrf-token"}
    request = client.build_request(
        "POST", f"/imports?csrf={token}", data=form, files={"file": (name, data, "text/csv")}, headers=headers
    )
    del request.headers["x-csrf-token"]
    return client.send(request)


def work(store, settings):
    while worker.run_next(store, settings, NO_STOP):
        pass


def test_a_dry_run_is_judged_then_asked_for_and_released_by_another(clerk, log_in, store, settings):
    answer = send(clerk, csv_bytes([row(1), row(2, 案号="无"), row(3, 被执行人证件号码="")]))
    assert answer.status_code == 303
    page = answer.headers["location"]
    waiting = clerk.get(page).text
    assert "正在排队" in waiting
    assert f'hx-get="{page}/progress"' in waiting
    assert '<noscript><meta http-equiv="refresh"' in waiting
    work(store, settings)
    done = clerk.get(page).text
    assert "1 行不合格，未导入" in done
    assert "“无”不是规范的案号" in done
    assert "没有证件号码" in done
    assert "refresh" not in done
    assert "不是规范的案号" not in clerk.get(f"{page}?kind=noted").text
    assert "没有证件号码；" not in clerk.get(f"{page}?code=case_number").text
    assert clerk.get(f"{page}/progress").headers["HX-Refresh"] == "true"
    asked = clerk.post(f"{page}/request").headers["location"]
    assert asked != page
    work(store, settings)
    waiting = clerk.get(asked).text
    assert "等待另一位执行局长核准" in waiting
    assert f'href="{page}"' in waiting
    assert f"{asked}/release" not in waiting
    assert clerk.post(f"{asked}/release").status_code == 403
    assert clerk.post(f"{asked}/refuse", data={"reason": "x"}).status_code == 403
    chief = log_in("juzhang")
    listed = chief.get("/imports?waiting=yes").text
    assert "有 1 件导入等待您核准" in listed
    assert listed.count("案件.csv") == 1
    assert f"{asked}/release" in chief.get(asked).text
    assert chief.post(f"{asked}/release").status_code == 303
    assert chief.post(f"{asked}/release").status_code == 409
    work(store, settings)
    assert "导入后库中" in clerk.get(asked).text
    assert "user:juzhang" in clerk.get(asked).text
    assert "申请导入" not in clerk.get(page).text
    assert "等待您核准" not in chief.get("/imports").text
    listing = clerk.get("/imports").text
    assert listing.count("案件.csv") == 2
    assert clerk.post(f"{page}/request").status_code == 409


def test_a_chief_does_not_release_the_own_file(log_in, store, settings):
    chief = log_in("juzhang")
    page = send(chief, csv_bytes([row(1)]), run="real").headers["location"]
    work(store, settings)
    assert "将新建" in chief.get(page).text, "whatever the form says, an upload is a dry run"
    asked = chief.post(f"{page}/request").headers["location"]
    assert f"{asked}/release" not in chief.get(asked).text
    assert "等待您核准" not in chief.get("/imports").text
    answer = chief.post(f"{asked}/release")
    assert (answer.status_code, "不能由您核准" in answer.text) == (409, True)


def test_releasing_asks_for_a_fresh_proof(clerk, log_in, store, settings, clock):
    page = send(clerk, csv_bytes([row(1)])).headers["location"]
    work(store, settings)
    asked = clerk.post(f"{page}/request").headers["location"]
    chief = log_in("juzhang")
    clock.advance(ms=REAUTH_MS + 1)
    answer = chief.post(f"{asked}/release")
    assert answer.status_code != 303 or "/imports/" not in answer.headers["location"].partition("?")[0]
    with store.read() as session:
        assert queries.find_job(session, asked.rpartition("/")[2]).state == "waiting"


def test_a_refusal_is_told_with_its_reason(clerk, log_in, store, settings):
    page = send(clerk, csv_bytes([row(1)])).headers["location"]
    work(store, settings)
    asked = clerk.post(f"{page}/request").headers["location"]
    chief = log_in("juzhang")
    assert chief.post(f"{asked}/refuse").status_code == 422
    assert chief.post(f"{asked}/refuse", data={"reason": "来源未核实"}).status_code == 303
    told = clerk.get(asked).text
    assert "导入已被驳回，未写入任何案件：来源未核实" in told
    assert files.list_files(settings, before_s=float("inf")) == []


def test_one_clerk_alone_closes_no_case(clerk, log_in, store, settings):
    """A file of another source name, or of the right one, released or not: the case registered here stays."""
    keyring = load_keyring(Path(settings.keys_dir))
    with store.write() as uow:
        actor = actor_of(get_user(uow.session, "shuji"))
        parties = (PartyDraft("applicant", "natural", "样例甲"), PartyDraft("executee", "natural", "样例乙"))
        number = parse_case_no(case_no(1))
        register_case(uow, actor, keyring, CaseDraft(number=number, filed_on=date(2026, 11, 1), parties=parties))
    closed = row(
        1,
        立案日期="2026-11-01",
        案件状态="已结案",
        结案方式="终结本次执行程序",
        结案日期="2026-11-20",
        被执行人="改名",
    )
    page = send(clerk, csv_bytes([closed]), source="手工").headers["location"]
    work(store, settings)
    assert "该案件不是由此来源系统导入的" in clerk.get(page).text
    asked = clerk.post(f"{page}/request").headers["location"]
    assert log_in("juzhang").post(f"{asked}/release").status_code == 303
    work(store, settings)
    with store.read() as session:
        job = queries.find_job(session, asked.rpartition("/")[2])
        case = session.exec(select(EnforcementCase)).one()
        names = [party.name for party in session.exec(select(Party)).all()]
    assert (job.rejected_count, job.updated_count) == (1, 0)
    assert (case.state, case.closing, case.source, case.version) == ("filed", "", "", 1)
    assert names == ["样例甲", "样例乙"]
    assert job.reconciliation["differences"] == 0


@pytest.mark.parametrize("number", ["-1", str(2**63), str(10**30), "x"])
def test_numbers_no_database_holds_are_refused(clerk, store, settings, number):
    page = send(clerk, csv_bytes([row(1)])).headers["location"]
    assert clerk.get(f"/imports?before={number}").status_code == 422
    assert clerk.get(f"{page}?after={number}").status_code == 422


def test_the_largest_numbers_are_only_empty(clerk, store, settings):
    page = send(clerk, csv_bytes([row(1)])).headers["location"]
    assert clerk.get(f"/imports?before={2**63 - 1}").status_code == 200
    assert clerk.get(f"{page}?after={2**63 - 1}").status_code == 200


def test_the_report(clerk, store, settings):
    page = send(clerk, csv_bytes([row(1, 案号="=1+1")])).headers["location"]
    work(store, settings)
    report = clerk.get(f"{page}/problems.csv")
    assert report.headers["content-disposition"].startswith("attachment")
    assert report.content.startswith(b"\xef\xbb\xbf")
    assert "2,'=1+1,未导入,案号," in report.text


def test_english(clerk, store, settings):
    page = send(clerk, csv_bytes([row(1, 案号="x")])).headers["location"]
    work(store, settings)
    clerk.cookies.set("zhixing_language", "en")
    assert "x is no case number" in clerk.get(page).text
    assert "Row,Case no.,Result" in clerk.get(f"{page}/problems.csv").text


def test_a_file_that_cannot_be_read_says_why(clerk, store, settings):
    page = send(clerk, "甲,乙\n1,2\n".encode()).headers["location"]
    work(store, settings)
    assert "文件缺少以下列：案号、立案日期、申请执行人、被执行人" in clerk.get(page).text


@pytest.mark.parametrize(
    ("data", "fields", "sentence"),
    [
        (b"%PDF-1.7", {}, "不是可导入的表格"),
        (b"", {}, "不是可导入的表格"),
        (csv_bytes([row(1)]), {"source": ""}, "来源系统名称"),
        (csv_bytes([row(1)]), {"expected": "很多"}, "核对数无法读取"),
        (csv_bytes([row(1)]), {"mapping": "x = 没有"}, "列名对照文件无法使用"),
        (csv_bytes([row(1)]), {"court": "云2922"}, "无权"),
        (csv_bytes([row(1)]), {"mapping": "x" * 300_000}, "不符合要求"),
    ],
)
def test_what_is_refused_at_once_leaves_no_file(clerk, settings, data, fields, sentence):
    answer = send(clerk, data, **fields)
    assert answer.status_code in (403, 422)
    assert sentence in answer.text
    assert files.list_files(settings, before_s=float("inf")) == []


def test_sheet_mapping_and_totals_go_with_the_file(clerk, store, settings):
    table = [["编号", *list(row(1))[1:]], list(row(1).values())]
    page = send(
        clerk,
        xlsx_bytes(table, title="案件"),
        name="案件.xlsx",
        sheet="案件",
        mapping="编号 = 案号",
        expected="合计 2",
    ).headers["location"]
    work(store, settings)
    text = clerk.get(page).text
    assert "有 1 处数量不一致" in text
    assert "不一致</span>" in text


def test_cancelling(clerk, store, settings):
    page = send(clerk, csv_bytes([row(1)])).headers["location"]
    assert "取消导入" in clerk.get(page).text
    assert clerk.post(f"{page}/cancel").status_code == 303
    assert "试运行已取消" in clerk.get(page).text
    assert clerk.post(f"{page}/cancel").status_code == 409


def test_too_large_a_file_is_told(clerk, settings, monkeypatch):
    monkeypatch.setattr(files, "UploadWriter", _small(files.UploadWriter))
    answer = send(clerk, b"x" * 5_000_000)
    assert (answer.status_code, "文件超过上限" in answer.text) == (422, True)
    assert files.list_files(settings, before_s=float("inf")) == []


def _small(real):
    def make(settings, keyring):
        writer = real(settings, keyring)
        writer._limit = 1000
        return writer

    return make


def test_nothing_of_the_file_lies_in_the_clear(clerk, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", None)  # what would write it to a disk
    number = person_id(5)
    send(clerk, csv_bytes([row(seq, 被执行人证件号码=number) for seq in range(1, 20_000)]))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert number.encode() not in path.read_bytes(), path


def test_a_form_from_elsewhere_is_not_even_read(clerk, settings):
    answer = send(clerk, csv_bytes([row(1)]), proof="x" * 32)
    assert (answer.status_code, "不是从本中心页面发出的" in answer.text) == (403, True)
    assert files.list_files(settings, before_s=float("inf")) == []


@pytest.mark.parametrize("login", ["zhiban", "faguan", "guanli", "yuanzhang", "jiandu"])
def test_who_may_not_import(log_in, login):
    client = log_in(login)
    for path in ("/imports", "/imports/new", "/imports/template.csv"):
        assert client.get(path).status_code == 403
    assert send(client, csv_bytes([row(1)]), proof=client.headers["X-CSRF-Token"]).status_code == 403


def test_an_import_of_another_court_is_not_found(clerk, store, settings):
    upload = files.receive(settings, load_keyring(Path(settings.keys_dir)), [csv_bytes([row(1)])])
    with store.write() as uow:
        job = service.start_import(
            uow, "system:test", upload, file_name="x.csv", source="x", court_code="云2922", is_dry_run=True
        )
    for path in ("", "/progress", "/problems.csv"):
        assert clerk.get(f"/imports/{job.id}{path}").status_code == 404
    assert clerk.post(f"/imports/{job.id}/cancel").status_code == 404
    with store.read() as session:
        assert queries.find_job(session, job.id).state == "queued"


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_the_template_can_be_imported_as_it_is(clerk, store, settings, form):
    data = clerk.get(f"/imports/template.{form}").content
    page = send(clerk, data, name=f"x.{form}").headers["location"]
    work(store, settings)
    with store.read() as session:
        job = queries.find_job(session, page.rpartition("/")[2])
    assert (job.state, job.created_count, job.rejected_count) == ("done", 1, 0)
