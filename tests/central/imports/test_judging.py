"""Rows judged: everything wrong with one is told, and no identity number ever is."""

import json
import re
from datetime import date

import pytest

from central.imports.columns import Binder
from central.imports.judging import Judge, Judged
from central.imports.kinds import KINDS
from central.imports.readers.row import RawRow
from central.imports.words import PROBLEMS, tell
from tests.central.imports.sheets import HEADINGS, body_code, case_no, frame, person_id, row

SEEN: set[str] = set()


def judge(*, job_court="云29", extra=(), **changes) -> Judged:
    values = row(1, **changes)
    headings = [*HEADINGS, *extra, *(name for name in values if name not in HEADINGS and name not in extra)]
    binder = Binder()
    rows = binder.bind(iter([RawRow(1, headings), RawRow(2, [values.get(name, "") for name in headings])]))
    judged = Judge(frame(job_court), binder.units).judge(next(rows))
    SEEN.update(problem.code for problem in judged.problems)
    return judged


def codes(judged):
    return [(problem.code, problem.column) for problem in judged.problems]


def test_a_good_row_becomes_a_case():
    judged = judge()
    assert judged.problems == ()
    draft = judged.draft
    assert draft is not None
    assert (draft.number.text, draft.filed_on, draft.state) == (case_no(1), date(2026, 3, 2), "active")
    assert (draft.claim_fen, draft.received_fen) == (12_500_050, 1_200_000)
    assert draft.nodes_done == {"notice": date(2026, 3, 5)}
    applicant, executee = draft.parties
    assert (applicant.role, applicant.kind, applicant.id_kind) == ("applicant", "organisation", "uscc")
    assert (executee.role, executee.kind, executee.id_kind, executee.id_no) == (
        "executee", "natural", "resident_id", person_id(1),
    )  # fmt: skip
    assert executee.phone == "13900000000"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"案号": ""}, [("value_missing", "case_no")]),
        ({"案号": "执123"}, [("case_number", "case_no")]),
        ({"案号": "（2026）云2901执1号之一"}, [("case_number_document", "case_no")]),
        ({"案号": "（2010）云2901执1号"}, [("case_number_year", "case_no")]),
        ({"执行法院": "样例法院"}, [("court_unknown", "court")]),
        ({"执行法院": "云2922"}, [("court_mismatch", "court")]),
        ({"案号": case_no(1, "京0101"), "执行法院": ""}, [("court_unknown", "case_no")]),
        ({"案号": "（2012）大执字第1号", "执行法院": "", "立案日期": "2012-03-01"}, [("court_missing", "court")]),
        ({"立案日期": ""}, [("value_missing", "filed_on")]),
        ({"立案日期": "昨天"}, [("day_unreadable", "filed_on")]),
        ({"立案日期": "2026-12-24"}, [("day_in_future", "filed_on")]),
        ({"立案日期": "1970-01-01"}, [("day_too_early", "filed_on")]),
        ({"标的额(元)": "很多"}, [("amount_unreadable", "claim")]),
        ({"标的额(元)": "#REF!"}, [("excel_error", "claim")]),
        ({"案由": "长" * 101}, [("text_too_long", "cause")]),
        ({"案件状态": "已归档"}, [("state_unknown", "state")]),
        ({"案件状态": "已结案"}, [("closing_missing", "closing"), ("closed_on_missing", "closed_on")]),
        ({"结案方式": "执行完毕", "结案日期": "2026-04-01"}, [("closing_too_soon", "state")]),
        ({"案件状态": "已结案", "结案方式": "和解", "结案日期": "2026-04-01"}, [("closing_unknown", "closing")]),
        (
            {"案件状态": "已结案", "结案方式": "执行完毕", "结案日期": "2026-03-01"},
            [("closed_before_filed", "closed_on")],
        ),
        (
            {"被执行人": "", "被执行人证件号码": "", "被执行人电话": "", "被执行人地址": ""},
            [("executee_missing", "executee")],
        ),
        ({"被执行人": "‍…", "被执行人证件号码": ""}, [("name_empty", "executee")]),
        ({"被执行人": "长" * 201}, [("name_too_long", "executee")]),
        ({"被执行人地址": "长" * 201}, [("party_field_too_long", "executee")]),
        ({"被执行人": "样例乙；样例丙"}, [
            ("pieces_misaligned", "executee_id"), ("pieces_misaligned", "executee_phone"),
            ("pieces_misaligned", "executee_address"),
        ]),
        ({"被执行人证件号码": "9.99999E+17"}, [("id_scientific", "executee_id")]),
        ({"被执行人证件号码": "99999919900101001"}, [("id_form_unknown", "executee_id")]),
        ({"被执行人证件号码": person_id(1)[:-1] + ("1" if person_id(1)[-1] == "0" else "0")}, [
            ("id_check_digit", "executee_id")
        ]),
        ({"被执行人证件号码": "999999199002300016"}, [("id_birth_date", "executee_id")]),
        ({"申请执行人证件号码": body_code(1)[:-1] + ("1" if body_code(1)[-1] == "0" else "0")}, [
            ("uscc_check_digit", "applicant_id")
        ]),
        ({"被执行人证件类型": "驾驶证"}, [("id_kind_unknown", "executee_id_kind")]),
        ({"被执行人证件类型": "护照", "被执行人证件号码": "E"}, [("id_form", "executee_id")]),
        (
            {"被执行人证件类型": "组织机构代码", "被执行人证件号码": "123456789"},
            [("org_code_check_digit", "executee_id")],
        ),
    ],
)  # fmt: skip
def test_what_is_refused(changes, expected):
    judged = judge(**changes)
    assert [(problem.code, problem.column) for problem in judged.problems if problem.is_refusal] == expected
    assert judged.draft is None


def test_a_row_without_any_party():
    nothing = dict.fromkeys(
        ("申请执行人", "申请执行人证件号码", "被执行人", "被执行人证件号码", "被执行人电话", "被执行人地址"), ""
    )
    assert codes(judge(**nothing)) == [("party_missing", "applicant")]


def test_a_review_needs_no_executee():
    nobody = {"被执行人": "", "被执行人证件号码": "", "被执行人电话": "", "被执行人地址": ""}
    assert judge(案号=case_no(1, kind="执异"), **nobody).draft is not None


def test_everything_wrong_is_told_at_once():
    judged = judge(案号="x", 立案日期="x", **{"标的额(元)": "x", "被执行人证件号码": "9E+17"})
    assert {code for code, _ in codes(judged)} == {
        "case_number", "day_unreadable", "amount_unreadable", "id_scientific",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"案号": "（2012）大执字第1号", "立案日期": "2012-03-01", "通知书送达日期": ""},
            [("number_legacy", "case_no")],
        ),
        ({"被执行人证件号码": ""}, [("id_missing", "executee_id")]),
        ({"被执行人证件号码": "999999900101001"}, [("id_old_15", "executee_id")]),
        ({"被执行人证件号码": "军字第123号"}, [("id_kind_other", "executee_id")]),
        ({"立案日期": "2025-12-31"}, [("year_differs", "filed_on")]),
        ({"通知书送达日期": "2026-02-28"}, [("day_before_filing", "notice_on")]),
        ({"标的额(元)": "1.005"}, [("amount_rounded", "claim")]),
    ],
)  # fmt: skip
def test_what_is_taken_and_noted(changes, expected):
    judged = judge(**changes)
    assert codes(judged) == expected
    assert judged.draft is not None
    assert not any(problem.is_refusal for problem in judged.problems)


def test_a_legacy_number_takes_its_court_from_the_column():
    draft = judge(案号="(2012)大执字第1号", 执行法院="大理市人民法院", 立案日期="2012-03-01").draft
    assert draft is not None
    assert (draft.number.text, draft.number.court_code, draft.number.type_code) == (
        "（2012）大执字第1号", "云2901", "legacy",
    )  # fmt: skip


def test_a_court_outside_of_the_jobs():
    assert codes(judge(job_court="云2922")) == [("court_outside", "court")]
    assert judge(job_court="云2901").draft is not None


def test_several_parties_in_one_cell():
    judged = judge(
        被执行人="样例乙\n样例丙；样例有限公司", 被执行人证件号码=f"{person_id(2)}；/；{body_code(2)}",
        被执行人电话="1；2；3", 被执行人地址="/；样例县；/", 法定代表人="/；/；样例丁",
    )  # fmt: skip
    assert judged.draft is not None
    parties = judged.draft.parties[1:]
    assert [(p.name, p.kind, p.phone, p.address, p.representative) for p in parties] == [
        ("样例乙", "natural", "1", "", ""), ("样例丙", "natural", "2", "样例县", ""),
        ("样例有限公司", "organisation", "3", "", "样例丁"),
    ]  # fmt: skip
    assert codes(judged) == [("id_missing", "executee_id")]
    assert judged.problems[0].params == {"position": 2}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"案件状态": ""}, "assigned"),
        ({"案件状态": "", "承办人": ""}, "filed"),
        ({"案件状态": "", "结案方式": "终本", "结案日期": "2026-04-01"}, "closed"),
        ({"案件状态": "中止执行"}, "suspended"),
        ({"案件状态": "active"}, "active"),
    ],
)
def test_states(changes, state):
    draft = judge(**changes).draft
    assert draft is not None
    assert draft.state == state


def test_no_identity_number_is_ever_told():
    """Wherever a number stands by mistake, what is told of the row hides it."""
    number = person_id(7)
    for heading in (*HEADINGS, "被执行人证件类型", "承办人账号"):
        judged = judge(**{heading: number})
        told = json.dumps([judged.case_no, *(dict(problem.params) for problem in judged.problems)])
        assert number[2:] not in told, heading


def test_every_problem_has_its_words():
    assert PROBLEMS.keys() >= SEEN
    for code, (zh, en) in PROBLEMS.items():
        plain = re.sub("（2026）云2901执123号|执字第…号|之一|1.2万元", "", en)
        assert zh and en and not re.search("[\u4e00-\u9fff]", plain), code
        assert code in KINDS or code.startswith("import_"), code
    assert tell("pieces_misaligned", {"names": 2, "found": 1}, "en").startswith("There are 2 names")
    assert tell("nothing", {}, "zh", fallback="x") == "x"
    assert "案号" in tell("import_columns_missing", {"columns": "案号"}, "zh")
