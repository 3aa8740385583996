"""Case numbers as courts write them and as people type them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.cases.numbers import (
    TYPES,
    CaseNumberError,
    CaseYearError,
    DocumentNumberError,
    NumberQuery,
    make_case_no,
    parse_case_no,
    parse_partial,
    with_court,
)

STORED = "（2026）云2901执123号"


@pytest.mark.parametrize(
    "text",
    [
        STORED, "(2026)云2901执123号", "〔2026〕云2901执123号", "[2026]云2901执123号", "【2026】云2901执123号",
        " （2026） 云2901 执 123 号\u3000", "（２０２６）云２９０１执１２３号", "(2026)云2901执00123号",
        "\u200b（2026）云2901\u202e执123号\ufeff",
    ],
)  # fmt: skip
def test_every_shape_is_stored_in_one(text):
    number = parse_case_no(text)
    assert (number.text, number.court_code, number.type_code, number.year, number.seq) == (
        STORED, "云2901", "执", 2026, 123,
    )  # fmt: skip
    assert not number.is_legacy


@pytest.mark.parametrize(
    ("text", "court", "kind"),
    [
        ("（2020）最高法执监5号", "最高法", "执监"),
        ("（2019）云执复7号", "云", "执复"),
        ("（2021）云29执恢88号", "云29", "执恢"),
        ("（2024）兵0101执保12345678号", "兵0101", "执保"),
    ],
)
def test_longest_type_is_read_first(text, court, kind):
    number = parse_case_no(text)
    assert (number.court_code, number.type_code, number.text) == (court, kind, text)


@pytest.mark.parametrize(
    "text",
    [
        "", "张三", "（2026）云2901民初1号", "（2026）云2901执0号", "（2026）云2901执123456789号", "（2026）云2执1号",
        "（2026）滇2901执1号", "2026云2901执123号", "（2026）云2901执123", "（2026）云2901执督3号", "一" * 200,
        "（2026）云2901执١٢٣号",
    ],
)  # fmt: skip
def test_what_is_no_case_number_is_refused(text):
    with pytest.raises(CaseNumberError) as refused:
        parse_case_no(text)
    assert refused.value.code == "case_number"
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("text", "case_no"),
    [
        ("（2026）云2901执123号之一", STORED),
        ("（2026）云2901执123号之十二", STORED),
        ("(2026)云2901执123号-2", STORED),
        ("（2012）大执字第123-1号", "（2012）大执字第123号"),
        ("（2012）大执字第123号之二", "（2012）大执字第123号"),
    ],
)
def test_a_papers_number_names_its_case(text, case_no):
    with pytest.raises(DocumentNumberError) as refused:
        parse_case_no(text)
    assert refused.value.params["case_no"] == case_no
    assert case_no in refused.value.message


def test_numbers_of_before_2016_are_kept_as_they_are():
    number = parse_case_no("(2012)大执字第00123号", legacy_court="云2901")
    assert (number.text, number.type_code, number.seq, number.year) == (
        "（2012）大执字第00123号",
        "legacy",
        None,
        2012,
    )
    assert number.court_code == "云2901"
    assert with_court(parse_case_no("(2012)大执字第1号"), "云2922").court_code == "云2922"
    assert with_court(parse_case_no(STORED), "云2922").court_code == "云2901"


@pytest.mark.parametrize(
    "text", ["（2015）云2901执1号", "（2100）云2901执1号", "（2016）大执字第1号", "（1901）大执字第1号"]
)
def test_the_year_goes_with_the_form(text):
    with pytest.raises(CaseYearError):
        parse_case_no(text)


def test_the_catalogue_may_bring_more_types():
    assert parse_case_no("（2026）云2901执督3号", types=(*TYPES, "执督")).type_code == "执督"


@given(
    st.integers(2016, 2099),
    st.sampled_from(["云2901", "云29", "云", "最高法"]),
    st.sampled_from(TYPES),
    st.integers(1, 99_999_999),
)
def test_what_is_made_reads_back(year, court, kind, seq):
    number = make_case_no(year, court, kind, seq)
    assert parse_case_no(number.text) == number
    assert parse_partial(number.text) == NumberQuery(year, court, kind, seq)


@given(st.text(max_size=300))
def test_no_text_breaks_the_readers(text):
    with contextlib.suppress(CaseNumberError):
        assert parse_case_no(text).text
    parse_partial(text)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("123", NumberQuery(seq=123)),
        ("123号", NumberQuery(seq=123)),
        ("第123号", NumberQuery(seq=123)),
        ("执123", NumberQuery(type_code="执", seq=123)),
        ("2026执恢12号", NumberQuery(2026, "", "执恢", 12)),
        ("云2901执123", NumberQuery(None, "云2901", "执", 123)),
        ("2901执123", NumberQuery(None, "2901", "执", 123)),
        ("26执5", NumberQuery(2026, "", "执", 5)),
        ("（2026）云2901", NumberQuery(2026, "云2901")),
        ("(2026)", NumberQuery(2026)),
        ("2026年", NumberQuery(2026)),
        ("2026-123", NumberQuery(2026, seq=123)),
        ("2026", NumberQuery(seq=2026)),
        ("云29", NumberQuery(court_code="云29")),
        ("执恢", NumberQuery(type_code="执恢")),
        ("2026 云2901 执 123", NumberQuery(2026, "云2901", "执", 123)),
    ],
)
def test_what_clerks_type(text, query):
    assert parse_partial(text) == query


@pytest.mark.parametrize(
    "text", ["", "张三", "云", "宁", "秀英", "999999199001011234", "12345678-9", "0", "号", "(1999)"]
)
def test_what_is_no_part_of_a_number(text):
    assert parse_partial(text) is None


def test_old_numbers_are_looked_for_whole():
    assert parse_partial("（2012）大执字第123号").exact == ("（2012）大执字第123号",)
    assert "（2009）大执字第123号" in parse_partial("大执字第123").exact
