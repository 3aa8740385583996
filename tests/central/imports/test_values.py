"""Days, amounts and lists as they are written."""

from datetime import date

import pytest

from central.imports.readers.row import PART
from central.imports.values import (
    is_excel_error,
    is_scientific,
    read_amount,
    read_day,
    split_aligned,
    split_names,
)

DAY = date(2026, 11, 3)


@pytest.mark.parametrize(
    "text",
    ["2026-11-03", "2026/11/3", "2026.11.03", "2026年11月3日", "20261103", "46329", "46329.5", " 2026-11-03 ",
     "2026-11-03 10:05:00", "2026-11-03T00:00:00Z", "２０２６－１１－０３", "2026年11月3日10时5分"],
)  # fmt: skip
def test_a_day_in_every_form(text):
    assert read_day(text) == DAY


@pytest.mark.parametrize(
    "text", ["2026-13-01", "2026-02-30", "3.11.2026", "x", "2026", "11-03", "99999", "20261", "二〇二六"]
)
def test_what_is_no_day(text):
    assert read_day(text) is None


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("12345", 1234500), ("12,345.60", 1234560), ("12345.6", 1234560), ("￥12,345.6元", 1234560),
        ("1.2万元", 1200000),
        ("1.5亿", 15_000_000_000), ("0", 0), ("１２３", 12300), ("人民币100元整", 10000), ("1 000", 100000),
    ],
)  # fmt: skip
def test_amounts(text, fen):
    assert read_amount(text) == (fen, False)


def test_amounts_in_another_unit():
    assert read_amount("1.2", 10_000) == (1_200_000, False)
    assert read_amount("1.2万元", 10_000) == (1_200_000, False)
    assert read_amount("12000元", 10_000) == (1_200_000, False)
    assert read_amount("12.345") == (1235, True)


@pytest.mark.parametrize("text", ["-1", "x", "1,2,3.4.5", "9" * 40, "1e5", "一百元", "1.2.3"])
def test_what_is_no_amount(text):
    assert read_amount(text) is None


def test_names_in_one_cell():
    assert split_names("样例甲") == ["样例甲"]
    assert split_names("样例甲；样例乙;样例丙、样例丁\n样例戊") == ["样例甲", "样例乙", "样例丙", "样例丁", "样例戊"]
    assert split_names("Specimen Co., Ltd.") == ["Specimen Co., Ltd."]
    assert split_names("/") == []
    assert split_names(f"甲、乙{PART}丙") == ["甲、乙", "丙"]


def test_pieces_keep_their_places():
    assert split_aligned("1；/；3", is_number=True) == ["1", "", "3"]
    assert split_aligned("1、2，3;", is_number=True) == ["1", "2", "3"]
    assert split_aligned("样例县、样例镇", is_number=False) == ["样例县、样例镇"]
    assert split_aligned("1\r\n无", is_number=True) == ["1", ""]
    assert split_aligned("/", is_number=True) == []
    assert split_aligned(f"1{PART}", is_number=True) == ["1", ""]


def test_what_spreadsheets_do_to_cells():
    assert is_scientific("5.33E+17")
    assert is_scientific("9.99999199001011e+17")
    assert not is_scientific("999999199001010016")
    assert is_excel_error("#REF!")
    assert not is_excel_error("#1 样例")
