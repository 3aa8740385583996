"""Columns of an import: what each means, the headings it goes by, and which column of a file is which. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from central.imports.readers.row import RawRow
from central.imports.rules import ColumnsMissingError, ColumnTwiceError

HEADING_WITHIN_ROWS: Final = 20
"""A title or two may stand above the headings."""
_UNITS: Final = {"万元": 10_000, "亿元": 100_000_000, "元": 1}
_BRACKETED: Final = re.compile(r"[(\[{【〔].*?[)\]}】〕]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `code` names it in English files and mappings, `zh` heads the template."""

    code: str
    zh: str
    en: str
    aliases: tuple[str, ...] = ()
    is_required: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _party(role: str, zh: str, en: str, *others: str) -> tuple[Column, ...]:
    """Return the columns of a role; several parties stand in one cell, one below the other."""

    def named(*endings: str) -> tuple[str, ...]:
        return tuple(name + ending for name in (zh, *others) for ending in endings)

    ids = (
        "证件号码",
        "证件号",
        "身份证号码",
        "身份证号",
        "身份证件号码",
        "统一社会信用代码",
        "证照号码",
        "身份证/统一社会信用代码",
    )
    return (
        Column(role, zh, en, named("", "姓名", "名称", "姓名或名称", "姓名/名称"), is_required=role != "third_party"),
        Column(f"{role}_id", f"{zh}证件号码", f"ID no. of {en}", named(*ids)),
        Column(f"{role}_id_kind", f"{zh}证件类型", f"ID kind of {en}", named("证件类型", "证件种类")),
        Column(
            f"{role}_phone", f"{zh}电话", f"Phone of {en}", named("电话", "联系电话", "手机", "手机号", "手机号码")
        ),
        Column(
            f"{role}_address", f"{zh}地址", f"Address of {en}", named("地址", "住址", "住所地", "住所", "联系地址")
        ),
        Column(
            f"{role}_representative",
            f"{zh}法定代表人",
            f"Representative of {en}",
            named("法定代表人", "法定代表人或负责人", "法定代表人(负责人)", "法人代表", "负责人")
            + (("法定代表人", "法定代表人或负责人", "法人代表") if role == "executee" else ()),
        ),
    )


COLUMNS: Final[tuple[Column, ...]] = (
    Column("case_no", "案号", "Case no.", ("执行案号", "案件号", "案件编号", "case number"), is_required=True),
    Column("court", "执行法院", "Court", _words("法院 法院名称 经办法院 承办法院 法院代码 执行法院代码 court_code")),
    Column("filed_on", "立案日期", "Filed on", ("立案时间", "立案日", "filing date"), is_required=True),
    Column("state", "案件状态", "State", ("状态", "办理状态", "案件进展", "案件阶段")),
    Column("closing", "结案方式", "Closing", ("结案类型", "结案形式")),
    Column("closed_on", "结案日期", "Closed on", ("结案时间", "结案日", "closing date")),
    Column("claim", "标的额(元)", "Claim (CNY)",
           _words("标的额 申请标的额 申请执行标的额 执行标的额 标的金额 申请标的 执行标的 申请执行标的")
           + _words("标的 claim_amount claim_yuan")),
    Column("received", "执行到位金额(元)", "Received (CNY)",
           _words("执行到位金额 到位金额 实际到位金额 执行到位额 received_amount received_yuan")),
    Column("basis_doc_no", "执行依据文号", "Basis document no.",
           _words("执行依据 依据文号 执行依据案号 执行依据编号")),
    Column("cause", "案由", "Cause", ("执行案由",)),
    Column("handler_name", "承办人", "Handler", ("承办法官", "承办人姓名", "执行法官", "主办人", "handler")),
    Column("handler_login", "承办人账号", "Handler's log-in", ("承办人登录名", "承办人用户名", "承办人工号")),
    *_party("applicant", "申请执行人", "Applicant", "申请人"),
    *_party("executee", "被执行人", "Executee", "被申请人"),
    *_party("third_party", "案外人", "Third party", "第三人"),
    Column("assign_on", "分案日期", "Assigned on", ("分案时间", "确定承办人日期")),
    Column("notice_on", "通知书送达日期", "Notice served on",
           _words("执行通知书送达日期 执行通知送达日期 通知送达日期 执行通知书发出日期 通知书送达时间")),
    Column("inquiry_on", "网络查控日期", "Network inquiry on", ("查控日期", "网络查控发起日期", "首次查控日期")),
    Column("property_report_on", "财产报告日期", "Property reported on", ("报告财产日期", "申报财产日期")),
    Column("valuation_on", "启动评估日期", "Valuation started on", ("评估日期", "委托评估日期")),
    Column("auction_on", "启动拍卖日期", "Auction started on", ("拍卖日期", "上拍日期")),
)  # fmt: skip
BY_CODE: Final = {column.code: column for column in COLUMNS}
REQUIRED: Final = tuple(column.code for column in COLUMNS if column.is_required)
AMOUNTS: Final = ("claim", "received")
# Column -> node of the catalogue that is done on that day.
NODE_DAYS: Final = {
    "assign_on": "assign",
    "notice_on": "notice",
    "inquiry_on": "inquiry",
    "property_report_on": "property_report",
    "valuation_on": "valuation",
    "auction_on": "auction",
}


def normalise_heading(text: str) -> str:
    """Return a heading for comparison: no blanks, marks, bracketed remarks; lower case."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[\s*:_.\-'\ufeff]", "", _BRACKETED.sub("", plain))


def _headings() -> dict[str, str]:
    found: dict[str, str] = {}
    for column in COLUMNS:
        for text in (column.code, column.zh, column.en, *column.aliases):
            found.setdefault(normalise_heading(text), column.code)
    return found


HEADINGS: Final = _headings()


@dataclass(frozen=True, slots=True)
class Row:
    """A row by column. `values` holds what is not empty; `fault` makes it unreadable, `params` are for its words."""

    row_no: int
    values: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Binder:
    """Finds which column of a file is which, by its headings or by a mapping heading -> column code.

    After the heading has been read, `unknown` names the headings that mean nothing here, `units` the yuan 1 in an
    amount column stands for, `heading_row` the row they stood in (0: JSON).
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    units: dict[str, int] = field(default_factory=dict)
    heading_row: int = 0
    _places: tuple[tuple[int, str], ...] = ()
    _width: int = 0
    _named: dict[str, str] = field(default_factory=dict)

    def bind(self, rows: Iterable[RawRow]) -> Iterator[Row]:
        """Yield rows by column; raises ColumnsMissingError, ColumnTwiceError."""
        source = iter(rows)
        first = next(source, None)
        if first is None:
            raise _missing(REQUIRED)
        if first.named is not None or first.fault.startswith("json"):
            yield from self._bind_named(first, source)
        else:
            self._find_heading(first, source)
            for row in source:
                yield self._bind_cells(row)

    def _find_heading(self, first: RawRow, source: Iterator[RawRow]) -> None:
        best: tuple[str, ...] = REQUIRED
        row: RawRow | None = first
        for _ in range(HEADING_WITHIN_ROWS):
            if row is None:
                break
            codes = [self._code_of(cell) for cell in row.cells]
            missing = tuple(code for code in REQUIRED if code not in codes)
            if not missing:
                self._take_heading(row, codes)
                return
            best = min(best, missing, key=len)
            row = next(source, None)
        raise _missing(best)

    def _take_heading(self, row: RawRow, codes: Sequence[str]) -> None:
        places: dict[str, int] = {}
        for place, code in enumerate(codes):
            if not code:
                continue
            if code in places:
                raise _twice(code, row.cells[places[code]], row.cells[place])
            places[code] = place
            self._note_unit(code, row.cells[place])
        self._places = tuple((place, code) for code, place in places.items())
        self.unknown = tuple(
            cell.strip()[:60] for cell, code in zip(row.cells, codes, strict=True) if cell.strip() and not code
        )
        self.heading_row = row.row_no
        self._width = max((place + 1 for place, cell in enumerate(row.cells) if cell.strip()), default=0)

    def _bind_cells(self, row: RawRow) -> Row:
        cells, width = row.cells, self._width
        if row.fault:
            return Row(row.row_no, fault=row.fault)
        if len(cells) > width and any(cells[width:]):
            return Row(row.row_no, fault="column_count", params={"found": len(cells), "wanted": width})
        count = len(cells)
        return Row(row.row_no, {code: cells[place] for place, code in self._places if place < count and cells[place]})

    def _bind_named(self, first: RawRow, source: Iterator[RawRow]) -> Iterator[Row]:
        row: RawRow | None = first
        while row is not None:
            if row.named is None:
                yield Row(row.row_no, fault=row.fault)
            else:
                yield self._by_name(row.row_no, row.named)
            row = next(source, None)

    def _by_name(self, row_no: int, named: Mapping[str, str]) -> Row:
        values: dict[str, str] = {}
        for key, text in named.items():
            code = self._named.get(key)
            if code is None:
                code = self._learn(key)
            if code and text:
                if code in values:
                    return Row(row_no, fault="column_twice", params={"column": code})
                values[code] = text
        return Row(row_no, values)

    def _learn(self, key: str) -> str:
        code = self._code_of(key)
        if len(self._named) < 1000:
            self._named[key] = code
        if not code and len(self.unknown) < 50 and key[:60] not in self.unknown:
            self.unknown = (*self.unknown, key[:60])
        self._note_unit(code, key)
        return code

    def _code_of(self, heading: str) -> str:
        stripped = heading.strip()
        return self.mapping.get(stripped) or HEADINGS.get(normalise_heading(stripped), "")

    def _note_unit(self, code: str, heading: str) -> None:
        if code in AMOUNTS:
            plain = unicodedata.normalize("NFKC", heading)
            self.units[code] = next((yuan for unit, yuan in _UNITS.items() if unit in plain), 1)


def _missing(codes: Iterable[str]) -> ColumnsMissingError:
    columns = [BY_CODE[code] for code in codes]
    return ColumnsMissingError(
        f"The file lacks the columns {', '.join(f'{column.zh} ({column.code})' for column in columns)}: "
        "add them, or name other headings in a mapping.",
        columns="、".join(column.zh for column in columns),
    )


def _twice(code: str, first: str, second: str) -> ColumnTwiceError:
    first, second = first.strip()[:60], second.strip()[:60]
    return ColumnTwiceError(
        f"The columns {first!r} and {second!r} both mean {code}: remove or rename one of them.",
        column=BY_CODE[code].zh,
        first=first,
        second=second,
    )
