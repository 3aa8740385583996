"""Tables of specimen cases: no person is meant, the region of every identity number (999999) does not exist."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import openpyxl
from stdnum.cn import ric, uscc

from central.cases.catalogue import load_catalogue
from central.imports.judging import Frame

COURTS = ("云2901", *(f"云29{number}" for number in range(22, 33)))
TODAY = date(2026, 11, 24)
HEADINGS = (
    "案号", "执行法院", "立案日期", "案件状态", "结案方式", "结案日期", "标的额(元)", "执行到位金额(元)",
    "执行依据文号", "案由", "承办人", "申请执行人", "申请执行人证件号码", "被执行人", "被执行人证件号码",
    "被执行人电话", "被执行人地址", "法定代表人", "通知书送达日期",
)  # fmt: skip


def person_id(number: int) -> str:
    """A resident ID with its right check digit, of a region that does not exist."""
    body = f"999999{1950 + number % 50}{1 + number % 12:02}{1 + number % 28:02}{number % 1000:03}"
    return body + ric.calc_check_digit(body + "0")


def body_code(number: int) -> str:
    """A 统一社会信用代码 with its right check character."""
    body = f"91999999MA{number:07}"
    return body + uscc.calc_check_digit(body)


def case_no(seq: int, court: str = "云2901", kind: str = "执", year: int = 2026) -> str:
    return f"（{year}）{court}{kind}{seq}号"


def row(seq: int, court: str = "云2901", **changes: str) -> dict[str, str]:
    """One good row by heading; `changes` overwrite."""
    good = {
        "案号": case_no(seq, court), "执行法院": court, "立案日期": "2026-03-02", "案件状态": "执行中",
        "标的额(元)": "125,000.50", "执行到位金额(元)": "1.2万元", "执行依据文号": "（2025）云2901民初1号",
        "案由": "民间借贷纠纷", "承办人": "样例法官", "申请执行人": "样例银行股份有限公司",
        "申请执行人证件号码": body_code(1), "被执行人": "样例乙", "被执行人证件号码": person_id(seq),
        "被执行人电话": "13900000000", "被执行人地址": "样例县样例镇1号", "通知书送达日期": "2026年3月5日",
    }  # fmt: skip
    return good | changes


def cells(rows: Iterable[Mapping[str, str]], headings: Sequence[str] = HEADINGS) -> list[list[str]]:
    return [list(headings), *([one.get(heading, "") for heading in headings] for one in rows)]


def csv_text(rows: Iterable[Mapping[str, str]], headings: Sequence[str] = HEADINGS, *, delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(cells(rows, headings))
    return text.getvalue()


def csv_bytes(rows: Iterable[Mapping[str, str]], headings: Sequence[str] = HEADINGS) -> bytes:
    return csv_text(rows, headings).encode()


def xlsx_bytes(table: Iterable[Sequence[object]], *, title: str = "Sheet1") -> bytes:
    book = openpyxl.Workbook()
    book.active.title = title
    for line in table:
        book.active.append(list(line))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def frame(job_court: str = "云29") -> Frame:
    courts = {code: code for code in ("云29", *COURTS)} | {"大理市人民法院": "云2901", "大理": "云2901"}
    return Frame(load_catalogue(), courts, job_court, TODAY)
