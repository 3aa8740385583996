"""Texts of cells read as days, amounts, lists, states and closings. Pure.

Several parties stand in one cell, separated by a line end, ； or ;, names and numbers also by 、 (no name holds one;
a comma may be part of one). `/`, `-`, `无` and an empty piece mean unknown and keep the place.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from central.imports.readers.row import PART

MAX_FEN: Final = 10**15
"""Ten trillion yuan: more is a slip."""
_DAY: Final = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]?\d{1,2}[:时]\d{1,2}分?(?:[:分]?\d{1,2}(?:\.\d+)?秒?)?Z?)?",
    re.ASCII,
)
_COMPACT_DAY: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_SERIAL: Final = re.compile(r"[34567]\d{4}(?:\.\d+)?", re.ASCII)
_SERIAL_START: Final = date(1899, 12, 30)
_PLAIN_AMOUNT: Final = re.compile(r"(\d{1,14})(?:\.(\d)(\d)?)?", re.ASCII)
_AMOUNT: Final = re.compile(
    r"[¥￥]?(?:RMB|CNY|人民币)?(\d+(?:,\d{3})*(?:\.\d*)?)(万|亿|百万|千万)?(?:元|圆)?整?", re.ASCII
)
_FACTORS: Final = {"": 1, "万": 10**4, "百万": 10**6, "千万": 10**7, "亿": 10**8}
_SCIENTIFIC: Final = re.compile(r"\d(?:\.\d+)?E\+?\d{1,3}", re.ASCII | re.IGNORECASE)
_UNKNOWN: Final = frozenset(("", "/", "\\", "-", "--", "—", "——", "无", "不详", "未知", "null", "NULL", "None"))
_NAMES: Final = re.compile(r"[；;、\r\n|]+")
_NUMBERS: Final = re.compile(r"[；;、,，\r\n|]")
_LINES: Final = re.compile(r"[；;\r\n|]")
_EXCEL_ERRORS: Final = frozenset(
    ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#FORMULA!")
)
_STATE_WORDS: Final = {
    "filed": ("已立案", "立案", "新收", "待分案", "未分案"),
    "assigned": ("已分案", "分案", "待执行"),
    "active": ("执行中", "在执", "办理中", "在办", "未结", "正在执行", "执行实施", "恢复执行中"),
    "suspended": ("中止", "已中止", "中止执行", "暂缓执行"),
    "closed": ("已结案", "结案", "已结", "报结", "已报结", "办结", "已办结"),
}
STATES: Final = {word: code for code, words in _STATE_WORDS.items() for word in (code, *words)}
# What closings go by besides their names in the catalogue.
CLOSING_WORDS: Final = {
    "终本": "terminated_for_now",
    "终结本次执行": "terminated_for_now",
    "完毕": "completed",
    "执行完结": "completed",
    "终结": "terminated",
    "驳回": "dismissed",
}


@lru_cache(maxsize=16_384)
def read_day(text: str) -> date | None:
    """Return the day a text names, or None: 2026-11-23, 2026/11/23, 2026.11.23, 2026年11月23日, 20261123, serials."""
    plain = unicodedata.normalize("NFKC", text).strip()
    found = _DAY.fullmatch(plain) or _COMPACT_DAY.fullmatch(plain)
    try:
        if found:
            return date(int(found[1]), int(found[2]), int(found[3]))
        if _SERIAL.fullmatch(plain):
            return _SERIAL_START + timedelta(days=int(float(plain)))
    except ValueError:
        return None
    return None


def read_amount(text: str, unit: int = 1) -> tuple[int, bool] | None:
    """Return (fen, whether it was rounded) for an amount in `unit` yuan, or None when it is no amount.

    12345, 12,345.60, ￥12,345.6元, 1.2万元. A unit within the text counts instead of the column's.
    """
    plain_found = _PLAIN_AMOUNT.fullmatch(text)
    if plain_found and unit == 1:
        yuan, tenth, hundredth = plain_found.groups()
        fen = int(yuan) * 100 + int(tenth or 0) * 10 + int(hundredth or 0)
        return (fen, False) if fen <= MAX_FEN else None
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text))
    found = _AMOUNT.fullmatch(plain)
    if not found:
        return None
    has_own_unit = bool(found[2]) or plain.endswith(("元", "圆", "整"))
    try:
        exact = Decimal(found[1].replace(",", "")) * _FACTORS[found[2] or ""] * (1 if has_own_unit else unit) * 100
        fen = int(exact.to_integral_value(ROUND_HALF_UP))
    except InvalidOperation:
        return None
    return (fen, fen != exact) if fen <= MAX_FEN else None


def split_names(text: str) -> list[str]:
    """Return the names in a cell, without the empty ones."""
    if PART in text:
        return text.split(PART)
    if not _NAMES.search(text):
        return [text] if text.strip() not in _UNKNOWN else []
    return [piece for piece in _NAMES.split(text) if piece.strip() not in _UNKNOWN]


def split_aligned(text: str, *, is_number: bool) -> list[str]:
    """Return the pieces of a cell by position, "" for unknown; a separator at the end adds none."""
    if PART in text:
        pieces = text.split(PART)
    else:
        separators = _NUMBERS if is_number else _LINES
        text = text.replace("\r\n", "\n").strip(" \r\n")
        if not separators.search(text):
            return [] if text in _UNKNOWN else [text]
        pieces = separators.split(text.rstrip("；;、|"))
    return ["" if piece.strip() in _UNKNOWN else piece.strip() for piece in pieces]


def known_text(text: str) -> str:
    """Return a text without blanks around it, "" when it only says that nothing is known."""
    plain = text.strip()
    return "" if plain in _UNKNOWN else plain


def is_scientific(text: str) -> bool:
    """Tell whether a spreadsheet turned the number into 5.33E+17: its last digits are lost."""
    return _SCIENTIFIC.fullmatch(text.strip()) is not None


def is_excel_error(text: str) -> bool:
    """Tell whether a cell holds an error of the spreadsheet, or a formula without a result."""
    return text[0] == "#" and text.strip().upper() in _EXCEL_ERRORS
