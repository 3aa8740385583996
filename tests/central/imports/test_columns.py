"""Which column of a file is which."""

import pytest

from central.imports.columns import BY_CODE, COLUMNS, HEADINGS, Binder, normalise_heading
from central.imports.mapping import read_mapping
from central.imports.readers.row import RawRow
from central.imports.rules import ColumnsMissingError, ColumnTwiceError, MappingError

GOOD = ("案号", "立案日期", "申请执行人", "被执行人")


def bind(*rows, mapping=None):
    binder = Binder(mapping or {})
    return binder, list(binder.bind(RawRow(number, cells) for number, cells in enumerate(rows, 1)))


def test_every_column_is_found_by_every_name_of_it():
    for column in COLUMNS:
        for text in (column.code, column.zh, column.en, *column.aliases):
            assert HEADINGS[normalise_heading(text)] == column.code, text


@pytest.mark.parametrize(
    ("heading", "code"),
    [
        (" 案 号 ", "case_no"), ("*案号：", "case_no"), ("标的额（元）", "claim"), ("申请执行标的额(万元)", "claim"),
        ("被执行人身份证号", "executee_id"), ("申请人名称", "applicant"), ("Filed on", "filed_on"),
        ("法定代表人或负责人", "executee_representative"), ("CASE_NO", "case_no"),
    ],
)  # fmt: skip
def test_headings_as_people_write_them(heading, code):
    assert HEADINGS[normalise_heading(heading)] == code


def test_titles_may_stand_above_the_headings():
    binder, rows = bind(["大理市人民法院执行案件清单"], [], GOOD, ["1", "2", "3", "4"])
    assert binder.heading_row == 3
    assert [(row.row_no, dict(row.values)) for row in rows] == [
        (4, {"case_no": "1", "filed_on": "2", "applicant": "3", "executee": "4"})
    ]


def test_what_is_missing_is_named_at_once():
    with pytest.raises(ColumnsMissingError, match=r"lacks the columns 立案日期 \(filed_on\), 被执行人") as caught:
        bind(["案号", "申请执行人"], ["1", "2"])
    assert caught.value.params["columns"] == "立案日期、被执行人"
    with pytest.raises(ColumnsMissingError):
        bind()


def test_two_columns_of_one_meaning_are_refused():
    with pytest.raises(ColumnTwiceError, match="both mean executee"):
        bind([*GOOD, "被执行人姓名"], ["1"])


def test_unknown_columns_are_told_once_and_units_noted():
    binder, _ = bind([*GOOD, "备注", "标的额(万元)", ""], ["1"])
    assert binder.unknown == ("备注",)
    assert binder.units == {"claim": 10_000}


def test_rows_of_another_width():
    _, rows = bind(GOOD, ["1", "2"], ["1", "2", "3", "4", "5"], ["1", "2", "3", "4", ""])
    assert dict(rows[0].values) == {"case_no": "1", "filed_on": "2"}
    assert (rows[1].fault, rows[1].params) == ("column_count", {"found": 5, "wanted": 4})
    assert rows[2].fault == ""


def test_a_mapping_names_other_headings():
    mapping = read_mapping('"经办单位" = "执行法院"\n"编号" = "case_no"')
    binder, rows = bind(["编号", "经办单位", *GOOD[1:]], ["1", "2", "3", "4", "5"], mapping=mapping)
    assert rows[0].values["court"] == "2"
    assert binder.unknown == ()


def test_a_mapping_may_be_plain_lines():
    assert read_mapping("# 对照\n经办单位 = 执行法院\n\n编号＝案号") == {"经办单位": "court", "编号": "case_no"}
    assert read_mapping('[columns]\n"a b" = "cause"') == {"a b": "cause"}
    assert read_mapping("") == {}


@pytest.mark.parametrize("text", ["x", "a = 没有这一列", '"a" = "nothing"', "= 案号"])
def test_a_mapping_that_cannot_be_used(text):
    with pytest.raises(MappingError):
        read_mapping(text)


def test_entries_of_json_are_bound_by_their_names():
    binder = Binder()
    rows = binder.bind(
        iter(
            [
                RawRow(1, named={"案号": "1", "remark": "x", "executee": ""}),
                RawRow(2, named={"案号": "1", "case_no": "2"}),
            ]
        )
    )
    first, second = rows
    assert dict(first.values) == {"case_no": "1"}
    assert (second.fault, second.params) == ("column_twice", {"column": "case_no"})
    assert binder.unknown == ("remark",)


def test_codes_are_unique():
    assert len(BY_CODE) == len(COLUMNS)
