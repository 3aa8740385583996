"""Judges one row: a case that can be taken, or everything that is wrong with it. Pure.

Identity numbers never leave this module except within the draft: a problem names the party's position, not its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Final

from central.cases.catalogue import Catalogue
from central.cases.drafts import CaseDraft
from central.cases.identity import IdCheckDigitError
from central.cases.names import clean_text
from central.cases.numbers import (
    CaseNumber,
    CaseNumberError,
    CaseYearError,
    DocumentNumberError,
    parse_case_no,
    with_court,
)
from central.cases.parties import PartyDraft, PartyError, check_party, guess_id_kind
from central.courts.permissions import sees_court
from central.imports.columns import NODE_DAYS, Row
from central.imports.rules import hide_numbers
from central.imports.values import (
    is_excel_error,
    is_scientific,
    read_amount,
    read_day,
    split_aligned,
    split_names,
)

FIRST_DAY: Final = date(1980, 1, 1)
MAX_PARTIES: Final = 2000
_TEXT_LENGTH: Final = 100
ROLES: Final = ("applicant", "executee", "third_party")
STATE_WORDS: Final = {
    "filed": ("已立案", "立案", "新收", "待分案", "未分案"),
    "assigned": ("已分案", "分案", "待执行"),
    "active": ("执行中", "在执", "办理中", "在办", "未结", "正在执行", "执行实施", "恢复执行中"),
    "suspended": ("中止", "已中止", "中止执行", "暂缓执行"),
    "closed": ("已结案", "结案", "已结", "报结", "已报结", "办结", "已办结"),
}
_STATES: Final = {word: code for code, words in STATE_WORDS.items() for word in (code, *words)}
_CLOSING_WORDS: Final = {
    "终本": "terminated_for_now",
    "终结本次执行": "terminated_for_now",
    "完毕": "completed",
    "执行完结": "completed",
    "终结": "terminated",
    "驳回": "dismissed",
}
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


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a row (words.PROBLEMS). A refusal keeps the row out, anything else is only noted."""

    code: str
    column: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    is_refusal: bool = True


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a row: a draft, or None with at least one refusal. `case_no` is fit to be shown."""

    row_no: int
    case_no: str
    draft: CaseDraft | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Frame:
    """What rows are judged by: courts by code and by every name, the job's court, today, the catalogue, log-ins."""

    catalogue: Catalogue
    courts: Mapping[str, str]
    job_court: str
    today: date
    logins: frozenset[str] | None = None
    """Log-ins of possible handlers; None: not judged."""


class _Refusal(Exception):  # noqa: N818 - a turn within this module
    def __init__(self, code: str, column: str = "", **params: Any) -> None:
        super().__init__(code)
        self.problem = Problem(code, column, params)


class Judge:
    """`judge(row)` tells what becomes of each row of one file; `units` are the yuan of 1 in an amount column."""

    def __init__(self, frame: Frame, units: Mapping[str, int]) -> None:
        self._frame, self._units = frame, units
        # The catalogue has `legacy` among its types; no number bears it.
        self._types = tuple(entry.code for entry in frame.catalogue.types if entry.code != "legacy")
        self._implementing = frozenset(e.code for e in frame.catalogue.types if e.nature == "implementing")
        self._closings = _CLOSING_WORDS | {w: e.code for e in frame.catalogue.closings for w in (e.code, e.zh)}
        self._closings_of = {
            entry.code: frozenset(closing.code for closing in frame.catalogue.closings_of(entry.code))
            for entry in frame.catalogue.types
        }
        self._nodes_of = {
            entry.code: frozenset(node.kind for node in frame.catalogue.nodes_of(entry.code))
            for entry in frame.catalogue.types
        }
        self._problems: list[Problem] = []

    def judge(self, row: Row) -> Judged:
        """Judge a row; every problem of it is told, not only the first."""
        self._problems = problems = []
        values = row.values
        if row.fault:
            problems.append(Problem(row.fault, params=row.params))
            return Judged(row.row_no, "", None, tuple(problems))
        for column, text in values.items():
            if text[0] == "#" and is_excel_error(text):
                problems.append(Problem("excel_error", column))
        if problems:
            return Judged(row.row_no, hide_numbers(values.get("case_no", "").strip()), None, tuple(problems))
        number = self._read_number(values)
        filed_on = self._read_required_day(values, "filed_on")
        parties = self._read_parties(values, number)
        draft = self._draft(values, number, filed_on, parties)
        case_no = number.text if number else hide_numbers(values.get("case_no", "").strip())
        is_refused = any(problem.is_refusal for problem in problems)
        return Judged(row.row_no, case_no, None if is_refused else draft, tuple(problems))

    def _draft(
        self,
        values: Mapping[str, str],
        number: CaseNumber | None,
        filed_on: date | None,
        parties: tuple[PartyDraft, ...],
    ) -> CaseDraft | None:
        """Read what is left; None when number or filing day are missing (and told already)."""
        type_code = number.type_code if number else ""
        closed_on = self._read_day(values, "closed_on")
        closing = self._read_closing(values, type_code)
        state = self._read_state(values, closing, closed_on)
        if filed_on and closed_on and closed_on < filed_on:
            self._refuse("closed_before_filed", "closed_on", value=str(closed_on), filed_on=str(filed_on))
        claim, received = self._read_amount(values, "claim"), self._read_amount(values, "received")
        basis, cause = self._read_text(values, "basis_doc_no"), self._read_text(values, "cause")
        name, login = self._read_text(values, "handler_name"), self._read_login(values)
        nodes = self._read_nodes(values, type_code, filed_on)
        if number is None or filed_on is None:
            return None
        if number.is_legacy:
            self._note("number_legacy", "case_no")
        if number.year != filed_on.year:
            self._note("year_differs", "filed_on", value=str(filed_on))
        return CaseDraft(
            number=number,
            filed_on=filed_on,
            parties=parties,
            basis_doc_no=basis,
            cause=cause,
            claim_fen=claim,
            received_fen=received,
            state=state,
            closing=closing,
            closed_on=closed_on,
            handler_login=login,
            handler_name=name,
            nodes_done=nodes,
        )

    def _refuse(self, code: str, column: str = "", **params: Any) -> None:
        self._problems.append(Problem(code, column, params))

    def _note(self, code: str, column: str = "", **params: Any) -> None:
        self._problems.append(Problem(code, column, params, is_refusal=False))

    # ---- number and court

    def _read_number(self, values: Mapping[str, str]) -> CaseNumber | None:
        text = values.get("case_no", "")
        if not text.strip():
            self._refuse("value_missing", "case_no")
            return None
        try:
            number = parse_case_no(text, types=self._types)
        except CaseNumberError as error:
            code = {DocumentNumberError: "case_number_document", CaseYearError: "case_number_year"}.get(type(error))
            self._refuse(code or "case_number", "case_no", value=hide_numbers(text.strip()))
            return None
        return with_court(number, self._find_court(values, number))

    def _find_court(self, values: Mapping[str, str], number: CaseNumber) -> str:
        """Return the court of the case: the number says it, one of before 2016 leaves it to the court column."""
        named = values.get("court", "").strip()
        code, column = number.court_code, "case_no"
        if named:
            code, column = self._frame.courts.get(named, ""), "court"
            if not code:
                self._refuse("court_unknown", "court", value=hide_numbers(named))
                return ""
        if number.is_legacy and not named:
            self._refuse("court_missing", "court")
        elif not number.is_legacy and code != number.court_code:
            self._refuse("court_mismatch", "court", value=code, number=number.court_code)
        elif code not in self._frame.courts:
            self._refuse("court_unknown", column, value=code)
        elif not sees_court(self._frame.job_court, code):
            self._refuse("court_outside", column, value=code, job=self._frame.job_court)
        return code

    # ---- days, amounts, texts

    def _read_required_day(self, values: Mapping[str, str], column: str) -> date | None:
        if not values.get(column, "").strip():
            self._refuse("value_missing", column)
            return None
        return self._read_day(values, column)

    def _read_day(self, values: Mapping[str, str], column: str) -> date | None:
        text = values.get(column)
        if text is None or not text.strip(" /-"):
            return None
        day = read_day(text)
        if day is None:
            self._refuse("day_unreadable", column, value=hide_numbers(text.strip()))
        elif day > self._frame.today:
            self._refuse("day_in_future", column, value=str(day))
            return None
        elif day < FIRST_DAY:
            self._refuse("day_too_early", column, value=str(day))
            return None
        return day

    def _read_nodes(self, values: Mapping[str, str], type_code: str, filed_on: date | None) -> dict[str, date]:
        done: dict[str, date] = {}
        for column, kind in NODE_DAYS.items():
            if column not in values:
                continue
            day = self._read_day(values, column)
            if day is None or filed_on is None:
                continue
            if day < filed_on:
                self._note("day_before_filing", column, value=str(day))
            elif kind in self._nodes_of.get(type_code, ()):
                done[kind] = day
        return done

    def _read_amount(self, values: Mapping[str, str], column: str) -> int:
        text = values.get(column)
        if text is None or not text.strip(" /-"):
            return 0
        amount = read_amount(text, self._units.get(column, 1))
        if amount is None:
            self._refuse("amount_unreadable", column, value=hide_numbers(text.strip()))
            return 0
        if amount[1]:
            self._note("amount_rounded", column)
        return amount[0]

    def _read_text(self, values: Mapping[str, str], column: str) -> str:
        text = values.get(column)
        if text is None:
            return ""
        cleaned = _clean(text) if len(text) <= 10 * _TEXT_LENGTH else text
        if len(cleaned) > _TEXT_LENGTH:
            self._refuse("text_too_long", column, limit=_TEXT_LENGTH)
        return cleaned

    def _read_login(self, values: Mapping[str, str]) -> str:
        login = self._read_text(values, "handler_login")
        if login and self._frame.logins is not None and login not in self._frame.logins:
            self._note("handler_unknown", "handler_login", value=hide_numbers(login))
            return ""
        return login

    # ---- state and closing

    def _read_closing(self, values: Mapping[str, str], type_code: str) -> str:
        text = values.get("closing", "").strip(" /-\t\r\n")
        if not text:
            return ""
        code = self._closings.get(text)
        if code is None or (type_code and code not in self._closings_of.get(type_code, ())):
            self._refuse("closing_unknown", "closing", value=hide_numbers(text))
            return ""
        return code

    def _read_state(self, values: Mapping[str, str], closing: str, closed_on: date | None) -> str:
        text = values.get("state", "").strip()
        has_closing, has_day = (
            bool(values.get(column, "").strip(" /-\t\r\n")) for column in ("closing", "closed_on")
        )
        if not text:
            is_handled = values.get("handler_name") or values.get("handler_login")
            state = "closed" if has_closing or has_day else "assigned" if is_handled else "filed"
        elif text in _STATES:
            state = _STATES[text]
        else:
            self._refuse("state_unknown", "state", value=hide_numbers(text))
            return ""
        if state != "closed" and (has_closing or has_day):
            self._refuse("closing_too_soon", "state")
        elif state == "closed":
            if not has_closing:
                self._refuse("closing_missing", "closing")
            if not has_day:
                self._refuse("closed_on_missing", "closed_on")
        return state

    # ---- parties

    def _read_parties(self, values: Mapping[str, str], number: CaseNumber | None) -> tuple[PartyDraft, ...]:
        parties: list[PartyDraft] = []
        for role in ROLES:
            text = values.get(role)
            if text is not None:
                parties += self._read_role(values, role, text)
        if not parties and not self._problems_in_parties():
            self._refuse("party_missing", "applicant")
        elif number and number.type_code in self._implementing and not values.get("executee", "").strip():
            self._refuse("executee_missing", "executee")
        return tuple(parties)

    def _problems_in_parties(self) -> bool:
        return any(problem.column.startswith(ROLES) for problem in self._problems)

    def _read_role(self, values: Mapping[str, str], role: str, text: str) -> Iterable[PartyDraft]:
        names = split_names(text)
        if len(names) > MAX_PARTIES:
            self._refuse("too_many_parties", role, limit=MAX_PARTIES)
            return ()
        ids = self._aligned(values, f"{role}_id", names, is_number=True)
        kinds = self._aligned(values, f"{role}_id_kind", names, is_number=True)
        phones = self._aligned(values, f"{role}_phone", names, is_number=True)
        addresses = self._aligned(values, f"{role}_address", names)
        representatives = self._aligned(values, f"{role}_representative", names, is_number=True)
        found = []
        for place, name in enumerate(names):
            try:
                party = self._read_party(
                    role,
                    place + 1,
                    name,
                    None if ids is None else ids[place] if ids else "",
                    kinds[place] if kinds else "",
                    phones[place] if phones else "",
                    addresses[place] if addresses else "",
                    representatives[place] if representatives else "",
                )
            except _Refusal as refusal:
                self._problems.append(refusal.problem)
                continue
            found.append(party)
        return found

    def _aligned(
        self, values: Mapping[str, str], column: str, names: list[str], *, is_number: bool = False
    ) -> list[str] | None:
        """Return the pieces of a column, one for each name, or none at all; None when they do not fit the names."""
        text = values.get(column)
        if text is None:
            return []
        if len(names) == 1 and not is_number:
            return [text.strip()]
        pieces = split_aligned(text, is_number=is_number)
        if pieces and len(pieces) != len(names):
            self._refuse("pieces_misaligned", column, names=len(names), found=len(pieces))
            return None
        return pieces

    def _read_party(
        self,
        role: str,
        position: int,
        name: str,
        given: str | None,
        kind: str,
        phone: str,
        address: str,
        representative: str,
    ) -> PartyDraft:
        id_no = given or ""
        id_kind = self._id_kind(role, position, id_no, kind)
        try:
            try:
                party = _checked(role, name, id_kind, id_no, phone, address, representative)
            except IdCheckDigitError:
                # Digits alone may be a body's code that happens to hold a date where a person's has one.
                if kind or guess_id_kind(id_no) != "uscc":
                    raise
                party = _checked(role, name, "uscc", id_no, phone, address, representative)
        except PartyError as error:
            column = role if error.code.startswith("name") else f"{role}_id"
            if error.code == "party_field_too_long":
                column = role
            raise _Refusal(error.code, column, position=position) from None
        if given == "":
            self._note("id_missing", f"{role}_id", position=position)
        elif id_kind == "old_resident_id":
            self._note("id_old_15", f"{role}_id", position=position)
        elif id_kind == "other" and not kind:
            self._note("id_kind_other", f"{role}_id", position=position)
        return party

    def _id_kind(self, role: str, position: int, id_no: str, kind: str) -> str:
        if not id_no:
            return ""
        if is_scientific(id_no):
            raise _Refusal("id_scientific", f"{role}_id", position=position)
        if kind:
            if kind not in _ID_KINDS:
                raise _Refusal("id_kind_unknown", f"{role}_id_kind", position=position, value=hide_numbers(kind))
            known = _ID_KINDS[kind]
            # 身份证 may well be one of 15 digits.
            return "old_resident_id" if known == "resident_id" and len(id_no.strip()) == 15 else known
        # Most are of this form; guessing computes every check digit there is.
        guessed = "resident_id" if _PERSON_ID.fullmatch(id_no) else guess_id_kind(id_no)
        if guessed == "other" and sum(letter.isdigit() for letter in id_no) >= 12:
            raise _Refusal("id_form_unknown", f"{role}_id", position=position)
        return guessed


@lru_cache(maxsize=4096)
def _checked(
    role: str, name: str, id_kind: str, id_no: str, phone: str, address: str, representative: str
) -> PartyDraft:
    """Check a party once: banks come again and again."""
    kind = "natural" if id_kind in _PERSON_KINDS else "organisation" if id_kind in ("uscc", "org_code") else ""
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


_clean = lru_cache(maxsize=8192)(clean_text)
