"""Judges one row: a case that can be taken, or everything that is wrong with it. Pure.

Identity numbers never leave this module except within the draft: a problem names the party's place,
not its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

from central.cases.catalogue import Catalogue
from central.cases.drafts import CaseDraft
from central.cases.names import clean_text
from central.cases.numbers import (
    CaseNumber,
    CaseNumberError,
    CaseYearError,
    DocumentNumberError,
    parse_case_no,
    with_court,
)
from central.cases.parties import PartyDraft
from central.courts.permissions import sees_court
from central.imports.columns import NODE_DAYS, Row
from central.imports.judging_parties import read_parties
from central.imports.problem import Problem
from central.imports.rules import hide_numbers
from central.imports.values import CLOSING_WORDS, STATES, is_excel_error, read_amount, read_day

__all__ = ["Frame", "Judge", "Judged", "Problem"]

FIRST_DAY: Final = date(1980, 1, 1)
_TEXT_LENGTH: Final = 100


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a row: a draft, or None with at least one refusal. `case_no` is fit to be shown."""

    row_no: int
    case_no: str
    draft: CaseDraft | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Frame:
    """What rows are judged by: courts by code and by every name, the job's court, today, the catalogue."""

    catalogue: Catalogue
    courts: Mapping[str, str]
    job_court: str
    today: date


class Judge:
    """`judge(row)` tells what becomes of each row of one file; `units` are the yuan of 1 in an amount column."""

    def __init__(self, frame: Frame, units: Mapping[str, int]) -> None:
        self._frame, self._units = frame, units
        # The catalogue has `legacy` among its types; no number bears it.
        self._types = tuple(entry.code for entry in frame.catalogue.types if entry.code != "legacy")
        self._implementing = frozenset(e.code for e in frame.catalogue.types if e.nature == "implementing")
        self._closings = CLOSING_WORDS | {w: e.code for e in frame.catalogue.closings for w in (e.code, e.zh)}
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
        name, login = self._read_text(values, "handler_name"), self._read_text(values, "handler_login")
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
        elif text in STATES:
            state = STATES[text]
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
        before = len(self._problems)
        parties = read_parties(values, self._problems)
        if not parties and len(self._problems) == before:
            self._refuse("party_missing", "applicant")
        elif number and number.type_code in self._implementing and not values.get("executee", "").strip():
            self._refuse("executee_missing", "executee")
        return tuple(parties)


_clean = lru_cache(maxsize=8192)(clean_text)
