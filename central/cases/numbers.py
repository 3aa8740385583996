"""Case numbers (案号): how they are written, read and typed into a search box. Pure.

Stored form: `（2026）云2901执123号`, full-width round brackets as courts print them, nothing else in between.
Source: 最高人民法院 关于人民法院案件案号的若干规定, in force from 2016-01-01. Numbers of before are kept as they are
(`（2012）大执字第123号`, type `legacy`): they name no court code and have no serial that could be checked.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, Final

from central.base.errors import InvalidInputError

# Longest first: 执 would swallow the beginning of the others. The catalogue may bring more.
TYPES: Final = ("执恢", "执保", "执异", "执复", "执监", "执协", "执他", "执")
LEGACY: Final = "legacy"
FIRST_YEAR: Final = 2016
LAST_YEAR: Final = 2099
_FIRST_LEGACY_YEAR: Final = 1980
_MAX_LENGTH: Final = 60

_PROVINCES: Final = "京津冀晋内辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新兵军"
_COURT: Final = rf"最高法|[{_PROVINCES}](?:\d{{2}}(?:\d{{2}})?)?"
_SUB: Final = r"(?:之[一二三四五六七八九十\d]{1,4}|-\d{1,3})"
_BRACKETS: Final = str.maketrans({**dict.fromkeys("〔[【{〈《「『", "("), **dict.fromkeys("〕]】}〉》」』", ")")})
# Of before 2016: court's short name, perhaps a type, 字第, serial.
_OLD: Final = re.compile(rf"\((\d{{4}})\)([\u4e00-\u9fff]{{0,12}}执[\u4e00-\u9fff]{{0,6}}字第\d{{1,8}}号)({_SUB})?")
_OLD_PART: Final = re.compile(r"(?:\(?(\d{4})\)?)?([\u4e00-\u9fff]{0,12}执[\u4e00-\u9fff]{0,6}字第\d{1,8})号?")
# A serial with the sub-number before 号: (2012)大执字第123-1号.
_OLD_SUB: Final = re.compile(r"(\(\d{4}\)[\u4e00-\u9fff]{1,20}字第\d{1,8})-\d{1,3}号")
_DROPPED: Final = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf"))


class CaseNumberError(InvalidInputError):
    """The text is no case number."""

    code: ClassVar[str] = "case_number"


class DocumentNumberError(CaseNumberError):
    """The number names a paper of a case (之一), not the case; `case_no` is the case's."""

    code: ClassVar[str] = "case_number_document"


class CaseYearError(CaseNumberError):
    """The year does not go with the form of the number."""

    code: ClassVar[str] = "case_number_year"


@dataclass(frozen=True, slots=True)
class CaseNumber:
    """One case number; `text` is the stored form. A legacy one has no serial, and its court is said by the caller."""

    text: str
    court_code: str
    type_code: str
    year: int
    seq: int | None

    @property
    def is_legacy(self) -> bool:
        """Whether it is of before 2016."""
        return self.type_code == LEGACY


@dataclass(frozen=True, slots=True)
class NumberQuery:
    """What somebody typed of a case number; None and "" are open. `exact` lists whole numbers to look for instead."""

    year: int | None = None
    court_code: str = ""
    """A court's code (云2901, 云29) or only its digits (2901)."""
    type_code: str = ""
    seq: int | None = None
    exact: tuple[str, ...] = ()


def normalise(text: str) -> str:
    """Return `text` NFKC, without spaces and invisible characters, every bracket a half-width round one."""
    plain = unicodedata.normalize("NFKC", text).translate(_BRACKETS)
    if plain.isprintable() and " " not in plain:
        return plain
    return "".join(letter for letter in plain if unicodedata.category(letter) not in _DROPPED)


def parse_case_no(text: str, *, legacy_court: str = "", types: tuple[str, ...] = TYPES) -> CaseNumber:
    """Read a whole case number in any of the shapes clerks type.

    `legacy_court` becomes the court of a number of before 2016, which does not name its court by code.
    Raises CaseNumberError, DocumentNumberError (a 之一 number) or CaseYearError.
    """
    if len(text) > 2 * _MAX_LENGTH:
        raise _no_number(text)
    plain = normalise(text)
    found = _whole(types).fullmatch(plain)
    if found is not None:
        year, court, kind, seq, sub = found.groups()
        number = make_case_no(int(year), court, kind, int(seq))
        if sub:
            raise _document(number.text)
        return _check_year(number, FIRST_YEAR, LAST_YEAR)
    return _parse_legacy(plain, legacy_court)


def make_case_no(year: int, court_code: str, type_code: str, seq: int) -> CaseNumber:
    """Return the number of a court's `seq`th case of a type in a year."""
    return CaseNumber(f"（{year}）{court_code}{type_code}{seq}号", court_code, type_code, year, seq)


def with_court(number: CaseNumber, court_code: str) -> CaseNumber:
    """Return a legacy number as one of `court_code`; any other number as it is."""
    return replace(number, court_code=court_code) if number.is_legacy else number


def parse_partial(text: str, types: tuple[str, ...] = TYPES) -> NumberQuery | None:
    """Read what people type into a search box; None when it is no part of a case number.

    123 and 123号 (serial), 执123, 2026执恢12号, 云2901执123, 2901执123, 26执5, （2026）云2901, 2026-123, 云29, 执恢,
    （2012）大执字第123号 and 大执字第123号. A number that stands alone is a serial, in brackets a year.
    """
    if len(text) > 2 * _MAX_LENGTH:
        return None
    plain = normalise(text)
    old = _OLD_PART.fullmatch(plain)
    if old is not None:
        return _legacy_query(old[1], old[2])
    found = _part(types).fullmatch(plain)
    if found is None:
        return None
    in_brackets, year, court, kind, seq, _ = found.groups()
    if plain.isalpha() and not kind:
        return None  # 宁 is a province and a surname; alone it is a name
    return _query(in_brackets or "", year or "", court or "", kind or "", seq or "", is_year=plain.endswith("年"))


def _query(in_brackets: str, year: str, court: str, kind: str, seq: str, *, is_year: bool) -> NumberQuery | None:
    if year and not court and not _is_year(year):
        year, court = "", year  # 2901执123: the court's digits
    if year and not (court or kind or seq or is_year):
        year, seq = "", year  # a number alone
    if not (in_brackets or year or court or kind or seq):
        return None
    full_year = _full_year(in_brackets or year)
    serial = int(seq) if seq else None
    if serial == 0 or (full_year is not None and not FIRST_YEAR <= full_year <= LAST_YEAR):
        return None
    return NumberQuery(full_year, court, kind, serial)


def _is_year(digits: str) -> bool:
    return len(digits) == 2 or FIRST_YEAR <= int(digits) <= LAST_YEAR


def _full_year(digits: str) -> int | None:
    if not digits:
        return None
    return 2000 + int(digits) if len(digits) == 2 else int(digits)


def _legacy_query(year: str | None, rest: str) -> NumberQuery:
    years = [int(year)] if year else range(_FIRST_LEGACY_YEAR, FIRST_YEAR)
    return NumberQuery(type_code=LEGACY, exact=tuple(f"（{each}）{rest}号" for each in years))


def _parse_legacy(plain: str, legacy_court: str) -> CaseNumber:
    sub = _OLD_SUB.fullmatch(plain)
    if sub is not None:
        raise _document(_stored(sub[1] + "号"))
    found = _OLD.fullmatch(plain)
    if found is None:
        raise _no_number(plain)
    year, rest, sub_number = found.groups()
    number = CaseNumber(f"（{year}）{rest}", legacy_court, LEGACY, int(year), None)
    if sub_number:
        raise _document(number.text)
    return _check_year(number, _FIRST_LEGACY_YEAR, FIRST_YEAR - 1)


def _stored(plain: str) -> str:
    return plain.replace("(", "（", 1).replace(")", "）", 1)


def _check_year(number: CaseNumber, first: int, last: int) -> CaseNumber:
    if first <= number.year <= last:
        return number
    raise CaseYearError(
        f"The year of {number.text} cannot be {number.year}: numbers of this form are of {first} to {last}.",
        case_no=number.text,
        year=number.year,
        first=first,
        last=last,
    )


def _document(case_no: str) -> DocumentNumberError:
    return DocumentNumberError(
        f"This number names a paper of the case: give the case's own, {case_no}.", case_no=case_no
    )


def _no_number(text: str) -> CaseNumberError:
    return CaseNumberError(
        f"{text[:_MAX_LENGTH]!r} is no case number: write it like （2026）云2901执123号.", value=text[:_MAX_LENGTH]
    )


@lru_cache(maxsize=8)
def _whole(types: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\((\d{{4}})\)({_COURT})({_alternatives(types)})0*([1-9]\d{{0,7}})号({_SUB})?", re.ASCII)


@lru_cache(maxsize=8)
def _part(types: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(
        rf"(?:\((\d{{4}})\)|(\d{{4}}|\d{{2}})(?![\d号])(?:年|-)?)?"
        rf"({_COURT}|\d{{4}}(?={_alternatives(types)}))?({_alternatives(types)})?(?:字?第?)?(\d{{1,8}})?(号?)",
        re.ASCII,
    )


def _alternatives(types: tuple[str, ...]) -> str:
    return "|".join(re.escape(kind) for kind in sorted(types, key=len, reverse=True))
