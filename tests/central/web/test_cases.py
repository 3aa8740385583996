"""The pages of cases by HTTP: who sees what, what is masked, what is refused and how, forms without JavaScript."""

import csv
import io
import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.keyring import load_keyring
from central.cases.models import CaseDocument, EnforcementCase
from tests.central.web.case_specimens import EXECUTEE_ID, SECOND, case_no, fill_docket

CLERK, JUDGE, CHIEF, PRESIDENT, SUPERVISOR, OPERATOR = "shuji", "faguan", "juzhang", "dayuanzhang", "jiandu", "zhiban"
READERS = (CLERK, JUDGE, CHIEF, PRESIDENT, SUPERVISOR, OPERATOR, "zhihui", "yuanzhang")
OTHERS = ("guanli", "anquan", "shenji", "fajing", "yinzhang", "lianluo")


@pytest.fixture
def keyring(settings):
    return load_keyring(Path(settings.keys_dir))


@pytest.fixture
def today(store, keyring):
    return fill_docket(store, keyring, count=60)


@pytest.fixture
def path(today):
    """The page of the overdue case."""
    return f"/cases/{quote(case_no(101, today))}"


def text_of(page):
    return unescape(re.sub(r"<[^>]+>", " ", page.text))


def audit_rows(store, action):
    with store.read() as session:
        return session.exec(select(AuditEntry).where(AuditEntry.action == action)).all()


def version_of(store, number):
    with store.read() as session:
        return session.exec(select(EnforcementCase.version).where(EnforcementCase.case_no == number)).one()


def search(client, **fields):
    """Send the search form as a browser without scripts does."""
    answer = client.post("/cases", data=fields)
    assert answer.status_code == 303
    return client.get(answer.headers["location"]), answer.headers["location"]


@pytest.mark.parametrize("login", READERS)
def test_readers_open_every_page_and_no_full_identity_number_is_in_it(log_in, path, login):
    client = log_in(login)
    for page in ("/work", "/cases", "/calendar", path, f"{path}/sheet"):
        answer = client.get(page)
        assert answer.status_code == 200, page
        for number in (EXECUTEE_ID, SECOND.id_no):
            assert number not in answer.text, page
            assert number[:14] not in answer.text, page
    assert f"{'*' * 14}{EXECUTEE_ID[-4:]}" in client.get(path).text


@pytest.mark.parametrize("login", OTHERS)
def test_who_does_not_work_on_cases_sees_none(log_in, path, login):
    client = log_in(login)
    for page in ("/work", "/cases", "/calendar", path, f"{path}/sheet", "/cases/new", "/cases/export.csv"):
        assert client.get(page).status_code == 403, page
    menu = client.get("/profile").text
    assert 'href="/cases"' not in menu
    assert 'href="/work"' not in menu


def test_another_court_does_not_know_the_case(log_in, path):
    stranger = log_in("linxian")
    for page in (path, f"{path}/sheet", f"{path}/edit"):
        assert stranger.get(page).status_code == 404, page
    assert "云2901执101号" not in search(stranger, text="执101")[0].text
    assert stranger.get(f"{path}/documents/none").status_code == 404


def test_number_name_and_identity_find_the_case(log_in, today):
    client = log_in(CLERK)
    number, name, identity = "按案号检索", "按姓名或名称检索", "按证件号码检索"
    kinds = {"云2901执101": number, "101": number, "秀英": name, EXECUTEE_ID: identity}
    for text, how in kinds.items():
        page, _ = search(client, text=text)
        assert "云2901执" in page.text, text
        assert "101" in page.text, text
        assert how in page.text, text
    assert "<mark>秀英</mark>" in search(client, text="秀英")[0].text
    assert "没有符合条件的案件" in search(client, text="查无此人样例")[0].text


def test_what_is_searched_for_stands_in_no_address_and_an_identity_in_no_page_or_audit(log_in, store, today):
    client = log_in(CLERK)
    for text in (EXECUTEE_ID, "秀英"):
        _, address = search(client, text=text)
        assert text not in address
        assert quote(text) not in address
    assert EXECUTEE_ID not in search(client, text=EXECUTEE_ID)[0].text
    rows = audit_rows(store, "cases:list:read")
    assert [row.detail["how"] for row in rows] == ["identity", "name", "identity"]
    assert EXECUTEE_ID[:14] not in str([row.detail for row in rows])
    assert rows[0].detail["text"] == f"****{EXECUTEE_ID[-4:]}"


def test_a_filter_keeps_an_identity_search(log_in, today):
    client = log_in(CLERK)
    page, _ = search(client, text=EXECUTEE_ID)
    kept = re.search(r'name="kept" value="([^"]+)"', page.text)[1]
    narrowed, _ = search(client, text="", kept=kept, state="closed")
    assert "按证件号码检索" in narrowed.text
    assert "没有符合条件的案件" in narrowed.text


def test_wrong_check_digit_is_told(log_in, today):
    wrong = EXECUTEE_ID[:-1] + ("1" if EXECUTEE_ID[-1] != "1" else "2")
    page, _ = search(log_in(CLERK), text=wrong)
    assert "校验码不对" in page.text
    assert wrong not in page.text


def test_a_token_is_of_one_person_only(log_in, today):
    _, address = search(log_in(CLERK), text="秀英")
    page = log_in(CHIEF).get(address)
    assert page.status_code == 200
    assert "该检索已失效" in page.text
    assert "<mark>" not in page.text


def test_a_day_that_is_none_is_told_beside_the_search(log_in, today):
    client = log_in(CLERK)
    page = client.get("/cases?due=range&since=2026-02-31")
    assert page.status_code == 422
    assert "2026-02-31" in page.text


def test_figures_of_the_leaders_open_to_the_cases_behind_them(log_in, today):
    client = log_in("yuanzhang")
    page = client.get("/work").text
    found = re.findall(r'href="(/cases\?court=[^"]*)">(?:<svg.*?</svg>)?(\d+)</a>', page)
    assert len(found) > 5
    for address, figure in found:
        listed = client.get(unescape(address)).text
        assert listed.count("data-row") == min(int(figure), 50), address


def test_more_goes_on_where_the_list_ended(log_in, store, keyring):
    fill_docket(store, keyring, count=900)
    client = log_in("yuanzhang")
    first = client.get("/cases").text
    more = re.search(r'id="more".*?href="([^"]+)"', first, re.DOTALL)[1]
    second = client.get(unescape(more)).text
    numbers = [set(re.findall(r'class="case-no" href="([^"]+)"', text)) for text in (first, second)]
    assert len(numbers[0]) == 50
    assert numbers[1]
    assert not numbers[0] & numbers[1]


def test_unmasking_wants_a_purpose_shows_once_and_is_audited(log_in, store, path):
    client = log_in(CLERK)
    page = client.get(path).text
    party = re.findall(r'action="[^"]*/parties/(\d+)/unmask', page)[1]
    refused = client.post(f"{path}/parties/{party}/unmask", data={"purpose": "看"})
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.text
    assert EXECUTEE_ID not in refused.text
    shown = client.post(f"{path}/parties/{party}/unmask", data={"purpose": "核对送达地址"})
    assert shown.status_code == 200
    assert EXECUTEE_ID in shown.text
    assert "000-12345678" in shown.text
    assert EXECUTEE_ID not in client.get(path).text
    (row,) = audit_rows(store, "cases:party:unmask")
    assert row.purpose == "核对送达地址"
    assert row.case_no == case_no(101, _day(store))
    assert row.actor == f"user:{CLERK}"


def _day(store):
    from central.cases import clock

    return clock.today(store.clock.now_ms())


def test_who_may_not_unmask_is_offered_nothing(log_in, path):
    client = log_in(OPERATOR)
    assert "/unmask" not in client.get(path).text
    assert client.post(f"{path}/parties/1/unmask", data={"purpose": "核对送达地址"}).status_code == 403


def test_every_look_is_audited_with_its_case(log_in, store, path):
    log_in(SUPERVISOR).get(path)
    (row,) = audit_rows(store, "cases:case:read")
    assert (row.actor, row.purpose) == (f"user:{SUPERVISOR}", "监督检查")


def test_functions_that_are_not_on_lead_nowhere(log_in, path):
    client = log_in(CHIEF)
    page = client.get(path).text
    part = re.search(r'<nav class="functions.*?</nav>', page, re.DOTALL)[0]
    for link in re.findall(r'href="([^"]+)"', part):
        assert client.get(link).status_code == 200
    assert part.count("本院尚未启用") >= 6
    assert "录像证据" in part


def test_a_node_is_recorded_by_a_plain_form(log_in, store, today):
    client, page = log_in(JUDGE), f"/cases/{quote(case_no(103, today))}"
    node = re.findall(r'action="[^"]*/nodes/(\d+)"', client.get(page).text)[0]
    wrong = client.post(f"{page}/nodes/{node}", data={"done_on": "昨天", "note": "已办"})
    assert wrong.status_code == 422
    assert 'value="已办"' in wrong.text
    assert f'id="node-{node}-done_on-note"' in wrong.text
    future = client.post(f"{page}/nodes/{node}", data={"done_on": str(today + timedelta(days=1))})
    assert future.status_code == 422
    done = client.post(f"{page}/nodes/{node}", data={"done_on": str(today)})
    assert (done.status_code, done.headers["location"]) == (303, f"{page}#nodes")
    again = client.post(f"{page}/nodes/{node}", data={"done_on": str(today)})
    assert again.status_code == 409


def test_a_node_opens_and_a_pause_stops_and_goes_on(log_in, today, path):
    client = log_in(JUDGE)
    assert client.post(f"{path}/nodes", data={"kind": "lead_check", "started_on": str(today)}).status_code == 303
    assert "核实财产线索" in client.get(path).text
    none = client.post(f"{path}/pauses", data={"kind": "appraisal", "from_on": str(today)})
    assert none.status_code == 422
    assert 'id="pause-doc_no-note"' in none.text
    paused = client.post(f"{path}/pauses", data={"kind": "appraisal", "from_on": str(today), "doc_no": "样例评字1号"})
    assert paused.status_code == 303
    page = client.get(path).text
    assert "停止计算" in page
    pause = re.search(r"/pauses/([0-9a-f]+)/end", page)[1]
    ended = client.post(f"{path}/pauses/{pause}/end", data={"until_on": str(today + timedelta(days=1))})
    assert ended.status_code in (303, 422)


def test_a_paper_comes_in_is_handed_out_and_withdrawn(log_in, store, path):
    client = log_in(CLERK)
    file = ("送达回证.pdf", b"%PDF-1.7 specimen\n%%EOF", "application/pdf")
    sent = {"kind": "receipt", "title": "样例送达回证", "made_on": "2026-11-01"}
    assert client.post(f"{path}/documents", data=sent, files={"file": file}).status_code == 303
    with store.read() as session:
        paper = session.exec(select(CaseDocument)).one()
    handed = client.get(f"{path}/documents/{paper.id}")
    assert handed.content == file[1]
    assert handed.headers["content-disposition"].startswith("attachment;")
    bare = client.post(f"{path}/documents/{paper.id}/withdraw", data={"reason": ""})
    assert bare.status_code == 422
    assert client.post(f"{path}/documents/{paper.id}/withdraw", data={"reason": "录入有误"}).status_code == 303
    assert "已撤下" in client.get(path).text


def test_closing_gate_tells_each_condition_and_its_remedy(log_in, path):
    client = log_in(JUDGE)
    page = client.get(path).text
    assert page.count("已具备") + page.count("未具备") >= 6
    assert "补救：" in page
    refused = client.post(
        f"{path}/acts", data={"kind": "close", "closing": "terminated_for_now", "reason": "无财产可供执行"}
    )
    assert refused.status_code == 409
    assert "无财产可供执行" in refused.text
    assert "限制消费令" in refused.text


def test_drafter_approver_and_signer_are_three(log_in, path):
    judge, chief, president = log_in(JUDGE), log_in(CHIEF), log_in(PRESIDENT)
    drafted = judge.post(f"{path}/acts", data={"kind": "extend", "months": "1", "reason": "评估尚未完成"})
    assert drafted.status_code == 303
    act = re.search(r'id="act-([0-9a-f]+)"', judge.get(path).text)[1]
    assert f"/acts/{act}/approve" not in judge.get(path).text
    assert judge.post(f"{path}/acts/{act}/approve").status_code == 403
    assert f"#act-{act}" in chief.get("/work").text
    assert chief.post(f"{path}/acts/{act}/sign").status_code == 403
    assert chief.post(f"{path}/acts/{act}/approve", data={"note": "同意"}).status_code == 303
    assert f"#act-{act}" in president.get("/work").text
    assert president.post(f"{path}/acts/{act}/sign").status_code == 303
    assert "已延长 1 次" in judge.get(path).text
    late = president.post(f"{path}/acts/{act}/sign")
    assert late.status_code == 409
    assert 'role="alert"' in late.text


def test_signing_asks_for_a_fresh_proof(log_in, store, path):
    judge, chief, president = log_in(JUDGE), log_in(CHIEF), log_in(PRESIDENT)
    judge.post(f"{path}/acts", data={"kind": "extend", "months": "1", "reason": "评估尚未完成"})
    act = re.search(r'id="act-([0-9a-f]+)"', judge.get(path).text)[1]
    chief.post(f"{path}/acts/{act}/approve")
    store.clock.advance(s=600)
    asked = president.post(f"{path}/acts/{act}/sign")
    assert asked.status_code != 303 or "#acts" not in asked.headers["location"]
    assert "待院长签发" in judge.get(path).text


def test_two_clerks_edit_and_nothing_is_lost(log_in, store, path, today):
    first, second = log_in(CLERK), log_in(CHIEF)
    form = form_of(second.get(f"{path}/edit").text)
    mine = form_of(first.get(f"{path}/edit").text) | {"cause": "样例先改的案由", "claim": "2000000.00"}
    assert first.post(f"{path}/edit", data=mine).status_code == 303
    yours = form | {"cause": "样例后改的案由", "claim": "3000000", "received": "120001"}
    conflict = second.post(f"{path}/edit", data=yours)
    assert conflict.status_code == 409
    told = text_of(conflict)
    assert "样例先改的案由" in told
    assert "样例后改的案由" in told
    assert "2,000,000.00" in told
    assert 'value="3000000"' in conflict.text
    chosen = form_of(conflict.text) | {"choose-cause": "theirs", "choose-claim": "yours", "choose-received": "yours"}
    assert second.post(f"{path}/edit", data=chosen).status_code == 303
    with store.read() as session:
        case = session.exec(select(EnforcementCase).where(EnforcementCase.case_no == case_no(101, today))).one()
    assert (case.cause, case.claim_fen, case.received_fen) == ("样例先改的案由", 300_000_000, 12_000_100)


def form_of(page):
    """Read the fields of the form as a browser would send them."""
    form = re.search(r'<form id="case-form".*?</form>', page, re.DOTALL)[0]
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and (not re.search(r'type="(checkbox|radio)"', tag) or " checked" in tag):
            fields[name[1]] = unescape(value[1]) if value else ""
    for name, options in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        fields[name] = chosen[1]
    return fields


def test_an_edit_keeps_what_was_not_shown(log_in, path):
    client = log_in(CLERK)
    form = form_of(client.get(f"{path}/edit").text)
    renamed = next(name for name, value in form.items() if value == "样例杨秀英")
    assert client.post(f"{path}/edit", data=form | {renamed: "样例杨秀英英"}).status_code == 303
    page = client.get(path).text
    assert "样例杨秀英英" in page
    party = re.findall(r'action="[^"]*/parties/(\d+)/unmask', page)[1]
    shown = client.post(f"{path}/parties/{party}/unmask", data={"purpose": "核对送达地址"}).text
    assert EXECUTEE_ID in shown
    assert "000-12345678" in shown


def test_a_case_is_registered_or_told_what_is_wrong(log_in, today):
    client = log_in(CLERK)
    form = form_of(client.get("/cases/new").text)
    assert form["filed_on"] == str(today)
    given = form | {
        "case_no": f"({today.year})云2901执 9001 号", "claim": "1,234.50",
        "p0-name": "样例申请人", "p1-name": "样例债务人",
        "p1-id_no": EXECUTEE_ID[:-1] + ("1" if EXECUTEE_ID[-1] != "1" else "2"),
    }  # fmt: skip
    refused = client.post("/cases/new", data=given)
    assert refused.status_code == 422
    assert 'id="p1-note"' in refused.text
    assert 'value="样例申请人"' in refused.text
    kept = client.post("/cases/new", data=given | {"p1-id_no": EXECUTEE_ID})
    assert kept.status_code == 303
    page = client.get(kept.headers["location"]).text
    assert "1,234.50" in page
    assert EXECUTEE_ID not in page
    twice = client.post("/cases/new", data=given | {"p1-id_no": EXECUTEE_ID})
    assert twice.status_code == 409
    assert 'id="case-case_no-note"' in twice.text
    paper = client.post("/cases/new", data=given | {"case_no": f"（{today.year}）云2901执9001号之一"})
    assert paper.status_code == 422


def test_more_rows_for_parties_without_scripts(log_in, today):
    client = log_in(CLERK)
    form = form_of(client.get("/cases/new").text) | {"p0-name": "甲样例", "p1-name": "乙样例", "p2-name": "丙样例"}
    more = client.post("/cases/new", data=form | {"more": "yes"})
    assert more.status_code == 200
    assert 'name="p4-name"' in more.text


def test_only_the_own_clerk_registers(log_in, today):
    assert log_in(JUDGE).get("/cases/new").status_code == 403
    clerk = log_in(CLERK)
    form = form_of(clerk.get("/cases/new").text)
    given = form | {"case_no": f"（{today.year}）云2922执1号", "p0-name": "样例甲", "p1-name": "样例乙"}
    assert clerk.post("/cases/new", data=given).status_code == 403


def test_recusal_is_told_as_what_it_is(log_in, path, today):
    chief, judge = log_in(CHIEF), log_in(JUDGE)
    assert chief.post(f"{path}/recusals", data={"login": JUDGE, "reason": ""}).status_code == 422
    assert chief.post(f"{path}/recusals", data={"login": JUDGE, "reason": "近亲属"}).status_code == 303
    page = judge.get(path)
    assert page.status_code == 403
    assert "您已回避本案" in page.text
    assert "样例杨秀英" not in page.text
    assert case_no(101, today) not in judge.get("/work").text
    assert case_no(101, today) not in judge.get("/cases").text
    recusal = re.search(r"/recusals/([0-9a-f]+)/end", chief.get(path).text)[1]
    assert chief.post(f"{path}/recusals/{recusal}/end", data={"reason": "情形消除"}).status_code == 303
    assert judge.get(path).status_code == 200


def test_a_share_lets_another_court_read_for_a_time(log_in, store, path):
    chief, stranger = log_in(CHIEF), log_in("linxian")
    shared = chief.post(f"{path}/shares", data={"court_code": "云2922", "basis": "样例协执函1号", "days": "30"})
    assert shared.status_code == 303
    assert stranger.get(path).status_code == 200
    assert "/unmask" not in stranger.get(path).text
    share = re.search(r"/shares/([0-9a-f]+)/end", chief.get(path).text)[1]
    assert chief.post(f"{path}/shares/{share}/end").status_code == 303
    assert stranger.get(path).status_code == 404


def test_assigning_and_flags(log_in, today):
    chief = log_in(CHIEF)
    page = f"/cases/{quote(case_no(104, today))}"
    assert case_no(104, today) in chief.get("/work").text
    assert chief.post(f"{page}/assign", data={"handler": CLERK}).status_code == 422
    assert chief.post(f"{page}/assign", data={"handler": JUDGE, "clerk": CLERK}).status_code == 303
    text = text_of(chief.get(page))
    assert "样例执行法官" in text
    assert "样例书记员" in text
    assert chief.post(f"{page}/flags", data={"flag": "livelihood"}).status_code == 303
    flag = re.search(r"/flags/([0-9a-f]+)/clear", chief.get(page).text)[1]
    assert "涉民生" in chief.get(page).text
    assert chief.post(f"{page}/flags/{flag}/clear").status_code == 303
    assert case_no(104, today) in log_in(JUDGE).get("/work").text


def test_export_is_safe_audited_and_of_those_who_may(log_in, store, keyring, today):
    from dataclasses import replace

    from central.cases.catalogue import get_catalogue
    from central.cases.numbers import make_case_no
    from central.cases.writer import store_cases
    from tests.central.web.case_specimens import own_cases

    bad = own_cases(today)[2]
    evil = replace(bad.parties[0], name="=HYPERLINK(样例)")
    with store.write() as uow:
        store_cases(
            uow, keyring, get_catalogue(),
            [replace(bad, number=make_case_no(today.year, "云2901", "执", 7001), parties=(evil, *bad.parties[1:]))],
            source="样例", actor="system:test",
        )  # fmt: skip
    answer = log_in(CHIEF).get("/cases/export.csv?type=执")
    assert answer.status_code == 200
    assert answer.text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0][0] == "案号"
    assert f"（{today.year}）云2901执101号" in {row[0] for row in rows}
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    assert EXECUTEE_ID not in answer.text
    (row,) = audit_rows(store, "cases:list:export")
    assert row.detail["narrowed_by"] == ["type_code"]
    assert log_in(CLERK).get("/cases/export.csv").status_code == 403
    store.clock.advance(s=600)
    stale = log_in(SUPERVISOR)
    store.clock.advance(s=600)
    assert stale.get("/cases/export.csv").status_code != 200


def test_calendar_counts_and_lists(log_in, today):
    judge = log_in(JUDGE)
    page = judge.get("/calendar").text
    assert 'aria-current="date"' in page
    overdue = today - timedelta(days=8)
    for bad in ("2026-13", "x", "9999-99"):
        assert judge.get(f"/calendar?month={bad}&day=昨天").status_code == 200
    page = judge.get(f"/calendar?month={overdue:%Y-%m}&day={overdue}").text
    cell = re.search(rf'data-day="{overdue}".*?</a>', page, re.DOTALL)[0]
    assert int(re.search(r'<b class="num">(\d+)</b>', cell)[1]) == page.count("<li data-row>")
    assert case_no(101, today) in page


def test_a_refusal_in_place_leaves_the_page_alone(log_in, path):
    client = log_in(OPERATOR)
    answer = client.post(f"{path}/flags", data={"flag": "amount"}, headers={"hx-request": "true"})
    assert answer.status_code == 403
    assert answer.headers["hx-reswap"] == "none"


def test_english(log_in, path):
    client = log_in(CHIEF)
    client.cookies.set("zhixing_language", "en")
    for page in ("/work", "/cases", "/calendar", path, f"{path}/edit"):
        assert client.get(page).status_code == 200
    assert "Nodes and deadlines" in client.get(path).text


@pytest.mark.parametrize("number", ["-1", str(2**63), str(10**30)])
def test_numbers_no_database_holds_are_refused(log_in, path, number):
    judge = log_in("faguan")
    assert judge.get(f"{path}?before={number}").status_code == 422
    assert judge.post(f"{path}/parties/{number}/unmask", data={"purpose": "核对样例身份"}).status_code == 422
    assert judge.post(f"{path}/nodes/{number}", data={"done_on": "2026-11-20"}).status_code == 422
