"""Judges the parties of a row: names, numbers and private fields of each, in the order of the names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from central.cases.identity import IdCheckDigitError
from central.cases.parties import PartyDraft, PartyError, check_party, guess_id_kind
from central.imports.problem import Problem
from central.imports.rules import hide_numbers
from central.imports.values import is_scientific, known_text, split_aligned, split_names

ROLES: Final = ("applicant", "executee", "third_party")
MAX_PARTIES: Final = 2000
_ID_KIND_WORDS: Final = {
    "resident_id": ("身份证", "居民身份证", "居民身份证号码", "身份证号码"),
    "old_resident_id": ("15位身份证", "一代身份证"),
    "uscc": ("统一社会信用代码", "社会信用代码", "营业执照", "信用代码"),
    "org_code": ("组织机构代码", "组织机构代码证", "机构代码"),
    "passport": ("护照",),
    "permit": ("通行证", "港澳通行证", "台胞证", "港澳居民来往内地通行证", "台湾居民来往大陆通行证"),
    "other": ("其他", "其他证件", "军官证", "士兵证", "户口簿"),
}
_ID_KINDS: Final = {word: code for code, words in _ID_KIND_WORDS.items() for word in (code, *words)}
_PERSON_ID: Final = re.compile(r"\d{6}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]", re.ASCII)
_PERSON_KINDS: Final = frozenset(("resident_id", "old_resident_id", "passport", "permit"))
_BODY: Final = re.compile(
    r"(公司|银行|支行|分行|合作社|信用社|联社|委员会|政府|集团|企业|事务所|法院|检察院|经营部|商行|商店|超市|工作室|协会|学会|"
    r"基金会?|大学|学院|中学|小学|幼儿园|医院|卫生院|中心|工厂|.{3}厂|.{2}局|.{3}[院所店社站场矿队]|合伙\)|合伙）|"
    r"(?i:ltd|inc|co|llc|corp)\.?)$"
)


class _Cell(NamedTuple):
    """What a row says of one party. `id_no` is None when the numbers of the role do not fit its names."""

    role: str
    position: int
    name: str
    id_no: str | None
    id_kind: str
    phone: str
    address: str
    representative: str


class _RefusedError(Exception):
    """This party cannot be taken."""

    def __init__(self, code: str, column: str, **params: Any) -> None:
        super().__init__(code)
        self.problem = Problem(code, column, params)


def read_parties(values: Mapping[str, str], problems: list[Problem]) -> list[PartyDraft]:
    """Return the parties of a row, normalised; what is wrong with them is added to `problems`."""
    parties = []
    for role in ROLES:
        if role not in values:
            continue
        for cell in _read_cells(values, role, problems):
            try:
                parties.append(_read_party(cell, problems))
            except _RefusedError as refused:
                problems.append(refused.problem)
    return parties


def _read_cells(values: Mapping[str, str], role: str, problems: list[Problem]) -> Iterable[_Cell]:
    names = split_names(values[role])
    if len(names) > MAX_PARTIES:
        problems.append(Problem("too_many_parties", role, {"limit": MAX_PARTIES}))
        return

    def aligned(ending: str, *, is_number: bool = True) -> list[str] | None:
        """Return the pieces of a column, one for each name, or none at all; None when they do not fit the names."""
        column = role + ending
        text = values.get(column)
        if text is None:
            return []
        if len(names) == 1 and not is_number:
            return [known_text(text)]
        pieces = split_aligned(text, is_number=is_number)
        if pieces and len(pieces) != len(names):
            problems.append(Problem("pieces_misaligned", column, {"names": len(names), "found": len(pieces)}))
            return None
        return pieces

    ids, kinds, phones = aligned("_id"), aligned("_id_kind"), aligned("_phone")
    addresses, representatives = aligned("_address", is_number=False), aligned("_representative")
    for place, name in enumerate(names):
        yield _Cell(
            role,
            place + 1,
            name,
            None if ids is None else ids[place] if ids else "",
            kinds[place] if kinds else "",
            phones[place] if phones else "",
            addresses[place] if addresses else "",
            representatives[place] if representatives else "",
        )


def _read_party(cell: _Cell, problems: list[Problem]) -> PartyDraft:
    id_kind = _read_id_kind(cell)
    column = f"{cell.role}_id"
    try:
        party = _check(cell, id_kind)
    except PartyError as error:
        is_of_name = error.code.startswith("name") or error.code == "party_field_too_long"
        raise _RefusedError(error.code, cell.role if is_of_name else column, position=cell.position) from None
    code = {"": "id_missing", "old_resident_id": "id_old_15"}.get(id_kind, "")
    if id_kind == "other" and not cell.id_kind:
        code = "id_kind_other"
    if code and cell.id_no is not None:
        problems.append(Problem(code, column, {"position": cell.position}, is_refusal=False))
    return party


def _check(cell: _Cell, id_kind: str) -> PartyDraft:
    given = (cell.id_no or "", cell.phone, cell.address, cell.representative)
    try:
        return _checked(cell.role, cell.name, id_kind, given)
    except IdCheckDigitError:
        # Digits alone may be a body's code that happens to hold a date where a person's has one.
        if cell.id_kind or guess_id_kind(given[0]) != "uscc":
            raise
        return _checked(cell.role, cell.name, "uscc", given)


def _read_id_kind(cell: _Cell) -> str:
    id_no, kind, column = cell.id_no or "", cell.id_kind, f"{cell.role}_id"
    if not id_no:
        return ""
    if is_scientific(id_no):
        raise _RefusedError("id_scientific", column, position=cell.position)
    if kind:
        known = _ID_KINDS.get(kind)
        if known is None:
            value = hide_numbers(kind)
            raise _RefusedError("id_kind_unknown", f"{column}_kind", position=cell.position, value=value)
        # 身份证 may well be one of 15 digits.
        return "old_resident_id" if known == "resident_id" and len(id_no.strip()) == 15 else known
    # Most are of this form; guessing computes every check digit there is.
    guessed = "resident_id" if _PERSON_ID.fullmatch(id_no) else guess_id_kind(id_no)
    if guessed == "other" and sum(letter.isdigit() for letter in id_no) >= 12:
        raise _RefusedError("id_form_unknown", column, position=cell.position)
    return guessed


@lru_cache(maxsize=4096)
def _checked(role: str, name: str, id_kind: str, given: tuple[str, str, str, str]) -> PartyDraft:
    """Check a party once: banks come again and again. `given`: ID number, phone, address, representative."""
    kind = "natural" if id_kind in _PERSON_KINDS else "organisation" if id_kind in ("uscc", "org_code") else ""
    id_no, phone, address, representative = given
    return check_party(
        PartyDraft(
            role=role,
            kind=kind or ("organisation" if _BODY.search(name.strip()) else "natural"),
            name=name,
            id_kind=id_kind,
            id_no=id_no,
            phone=phone,
            address=address,
            representative=representative,
        )
    )
