"""The audit as pages: who may read, search, verify and export, and what of that is itself recorded."""

from __future__ import annotations

import csv
import io

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.audit import queries
from central.audit import service as audit
from central.audit.export import verify_export
from central.audit.rules import AuditFilter
from tests.central.audit.tampering import tamper


@pytest.fixture
def acts(store):
    with store.write() as uow:
        for number in range(1, 4):
            audit.append(
                uow,
                actor="user:zhiban",
                court_code="云2901" if number < 3 else "云2922",
                action="cases:party:unmask",
                subject=f"party {number}",
                purpose="=cmd|' /C calc'!A0",
                case_no=f"（2026）云2901执{number}号",
                detail={"因由": "核对"},
            )
        audit.append(uow, actor="system:test", court_code="", action="base:keyring:begin", subject="keys")


def entries(store, **wanted):
    with store.read() as session:
        return queries.list_entries(session, court_prefix="", wanted=AuditFilter(**wanted), limit=1000)


@pytest.mark.parametrize("login", ["guanli", "anquan", "zhihui", "faguan", "yuanzhang", "shuji"])
def test_others_may_not_read(log_in, login):
    assert log_in(login).get("/audit").status_code == 403


def test_a_search_narrows_by_each_of_its_fields(log_in, acts, store, clock):
    client = log_in("shenji")
    for query, shown in [
        ("case_no=(2026)云2901执1号", {1}),
        ("subject=party 2", {2}),
        ("court=云2922", {3}),
        ("actor=zhiban&action=cases:party", {1, 2, 3}),
        ("action=cases:&purpose=calc", {1, 2, 3}),
        ("since=2026-11-24&until=2026-11-24&action=cases:party:unmask", {1, 2, 3}),
        ("until=2026/11/23", set()),
    ]:
        text = client.get(f"/audit?{query}").text
        assert {number for number in (1, 2, 3) if f">party {number}<" in text} == shown, query
    text = client.get("/audit?action=cases:party:unmask").text
    assert "查看完整证件号码" in text and "因由" in text and "（2026）云2901执1号" in text
    assert "开始更换字段密钥" in client.get("/audit?action=base:").text


def test_a_day_that_is_none_is_told_at_the_form(log_in, acts):
    answer = log_in("shenji").get("/audit?since=2026-13-45")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text and "party 1" not in answer.text


def test_a_search_is_one_row_however_often_its_page_is_turned(log_in, acts, store, clock):
    client = log_in("shenji")
    for _turn in range(3):
        client.get("/audit?subject=party")
    client.get("/audit?subject=party&before=5")
    found = entries(store, action="audit:entry:search")
    assert [(row.actor, row.detail) for row in found] == [("user:shenji", {"subject": "party"})]
    client.get("/audit?case_no=（2026）云2901执1号")
    newest = entries(store, action="audit:entry:search")[0]
    assert newest.case_no == "（2026）云2901执1号"
    clock.advance(s=16 * 60)
    client.get("/audit?subject=party")
    assert len(entries(store, action="audit:entry:search")) == 3


def test_a_supervisor_reads_within_the_own_courts_and_neither_verifies_nor_exports(log_in, acts, store):
    client = log_in("jiandu")
    text = client.get("/audit").text
    assert ">party 1<" in text and ">keys<" not in text and ">party 3<" in text
    assert "/audit/verify" not in text and "/audit/export" not in text
    assert client.post("/audit/verify").status_code == 403
    assert client.post("/audit/export?as=csv").status_code == 403


def test_pages_hold_a_hundred_and_lead_on(log_in, store):
    with store.write() as uow:
        for number in range(150):
            audit.append(uow, actor="user:a", court_code="云29", action="a:b:c", subject=f"n{number}")
    client = log_in("shenji")
    first = client.get("/audit?action=a:b:c").text
    assert ">n149<" in first and ">n50<" in first and ">n49<" not in first
    address = next(
        part.split('"')[0] for part in first.split('href="') if part.startswith("/audit?action") and "before" in part
    )
    second = client.get(address.replace("&amp;", "&")).text
    assert ">n49<" in second and ">n0<" in second and ">n50<" not in second


def test_everything_wrong_with_the_chain_is_shown_and_the_look_recorded(log_in, acts, store):
    client = log_in("shenji")
    assert "审计链完整" in client.post("/audit/verify", headers={"hx-request": "true"}).text
    numbers = [row.seq for row in entries(store, action="cases:party:unmask")]
    tamper(
        store,
        f"UPDATE audit_entry SET purpose = 'x' WHERE seq = {numbers[2]}",
        f"DELETE FROM audit_entry WHERE seq = {numbers[0]}",
    )
    text = client.post("/audit/verify").text
    assert f"审计链从第 {numbers[2]} 条起不一致" in text
    assert "被修改" in text and "被删除" in text and "</html>" in text
    assert "没有回执签名密钥" in text
    assert entries(store, action="audit:chain:verify")[0].detail["findings"] == 2


def test_a_csv_export_holds_no_formula_and_is_recorded(log_in, acts, store):
    client = log_in("shenji")
    answer = client.post("/audit/export?as=csv", data={"action": "cases:party", "court": "云2901"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0][:4] == ["序号", "时间", "行为人", "法院"]
    assert [row[5] for row in rows[1:]] == ["party 1", "party 2"]
    assert {row[7] for row in rows[1:]} == {"'=cmd|' /C calc'!A0"}
    (entry,) = entries(store, action="audit:entry:export")
    assert entry.detail["rows"] == 2 and entry.detail["as"] == "csv" and entry.detail["court_code"] == "云2901"


def test_an_exported_file_proves_itself_without_the_database(log_in, acts, store):
    key = Ed25519PrivateKey.generate()
    with store.write() as uow:
        audit.write_head(uow, key)
    client = log_in("shenji")
    content = client.post("/audit/export?as=jsonl").content
    report = verify_export(io.BytesIO(content), [key.public_key()])
    assert (report.findings, report.heads) == ((), 1)
    forged = content.replace(b"party 2", b"party 9")
    report = verify_export(io.BytesIO(forged), [key.public_key()])
    assert [found.kind for found in report.findings] == ["edited"]
