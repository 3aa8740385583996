"""States of a case and what is refused. Pure.

Who may do what on a case stands in rights.py, acts that one person drafts and another decides in act_rules.py, the
deadlines in clock.py, the law in catalogue.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final

from central.base.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from central.cases.catalogue import Catalogue
from central.cases.clock import add_months
from central.courts.permissions import Actor, Viewer, sees_court

STATES: Final = ("filed", "assigned", "active", "suspended", "closed")
# state -> act -> next state; what is not listed is refused. 中止 suspends and does not close.
TRANSITIONS: Final[dict[str, dict[str, str]]] = {
    "filed": {"assign": "assigned", "begin": "active", "suspend": "suspended", "close": "closed"},
    "assigned": {"assign": "assigned", "begin": "active", "suspend": "suspended", "close": "closed"},
    "active": {"assign": "active", "begin": "active", "suspend": "suspended", "close": "closed"},
    "suspended": {"assign": "suspended", "suspend": "suspended", "resume": "active", "close": "closed"},
    # A closed case keeps a handler for its rechecks; only an error reopens it, resumption makes a new case (执恢).
    "closed": {"assign": "closed", "reopen": "active"},
}
# What a clerk may correct; parties are edited beside these.
EDITABLE: Final = ("basis_doc_no", "cause", "claim_fen", "received_fen", "is_non_litigation")

MIN_PURPOSE_CHARS: Final = 4
MAX_PURPOSE_CHARS: Final = 200
MAX_REASON_CHARS: Final = 500
MAX_MONEY_FEN: Final = 10**17
# Two reads of a case by one person within this time are one row of the audit.
READ_AGAIN_MS: Final = 5 * 60 * 1000
MAX_SHARE_DAYS: Final = 366
MAX_YEARS: Final = 20  # from the filing to any deadline or end of a pause; the law's longest are five years of 终本
# Why a role ordinarily reads cases: the purpose in the audit when the reader states none.
READ_PURPOSES: Final = {
    "judge": "办理案件",
    "clerk": "办理案件",
    "president": "审批案件",
    "bureau_chief": "审批案件",
    "commander": "指挥调度",
    "duty_operator": "值班调度",
    "supervisor": "监督检查",
}


class CaseClosedError(ConflictError):
    """The case is closed."""

    code: ClassVar[str] = "case_closed"


class CaseStateError(ConflictError):
    """The state of the case does not allow the act."""

    code: ClassVar[str] = "case_state"


class CaseExistsError(ConflictError):
    """There is a case of this number."""

    code: ClassVar[str] = "case_exists"


class NotOwnCaseError(ForbiddenError):
    """A judge works on the own cases only."""

    code: ClassVar[str] = "not_own_case"


class OtherCourtCaseError(ForbiddenError):
    """The work on a case is done in its own court."""

    code: ClassVar[str] = "other_court_case"


class EditConflictError(ConflictError):
    """Somebody changed the case since it was opened; `params` carry `version` and `differences`."""

    code: ClassVar[str] = "edit_conflict"


class PurposeShortError(InvalidInputError):
    """The purpose of an unmasking is not told."""

    code: ClassVar[str] = "purpose_short"


class TextMissingError(InvalidInputError):
    """A reason or basis is empty."""

    code: ClassVar[str] = "text_missing"


class TextTooLongError(InvalidInputError):
    """A text is longer than its field."""

    code: ClassVar[str] = "text_too_long"


class AmountError(InvalidInputError):
    """An amount of money is negative or absurd."""

    code: ClassVar[str] = "amount"


class DayError(InvalidInputError):
    """A day lies before the case was filed, or in the future."""

    code: ClassVar[str] = "day"


class NodeDoneError(ConflictError):
    """The node was recorded before."""

    code: ClassVar[str] = "node_done"


class NodeOpenError(ConflictError):
    """A node of this kind is open already."""

    code: ClassVar[str] = "node_open"


class NodeNotForTypeError(InvalidInputError):
    """Cases of this type have no such node, or not by hand."""

    code: ClassVar[str] = "node_not_for_type"


class PauseError(InvalidInputError):
    """The pause lacks its end or paper, is too long, or runs already."""

    code: ClassVar[str] = "pause"


class PauseRunningError(ConflictError):
    """A pause of this kind runs."""

    code: ClassVar[str] = "pause_running"


class PauseEndedError(ConflictError):
    """The pause has ended."""

    code: ClassVar[str] = "pause_ended"


class HandlerUnfitError(InvalidInputError):
    """The chosen person cannot handle this case."""

    code: ClassVar[str] = "handler_unfit"


class ShareError(InvalidInputError):
    """The share names its own court, or no sensible time."""

    code: ClassVar[str] = "share"


class AlreadySetError(ConflictError):
    """The flag, share or recusal stands already."""

    code: ClassVar[str] = "already_set"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that two people changed: what stands now, and what the second one wrote."""

    field: str
    theirs: Any
    yours: Any


def unknown_case(case_no: str) -> NotFoundError:
    """Build the error for a case that does not exist or that the person may not know of."""
    return NotFoundError(f"There is no case {case_no!r} in your courts; search for it.", case_no=case_no)


def closed_case() -> CaseClosedError:
    """Build the error for work on a closed case."""
    return CaseClosedError("The case is closed: resume it as a new case, or have it reopened when this was an error.")


def next_state(state: str, act: str) -> str:
    """Return the state after `act`; raises CaseClosedError or CaseStateError when the table does not allow it."""
    following = TRANSITIONS[state].get(act)
    if following is not None:
        return following
    if state == "closed":
        raise closed_case()
    raise CaseStateError(f"A case that is {state} allows no {act}; look at its present state first.", act=act)


def check_purpose(purpose: str) -> str:
    """Return the purpose of an unmasking, trimmed; raises PurposeShortError or TextTooLongError."""
    purpose = " ".join(purpose.split())
    if len(purpose) < MIN_PURPOSE_CHARS:
        raise PurposeShortError(
            f"Say what the clear data are needed for, in {MIN_PURPOSE_CHARS} characters or more.",
            limit=MIN_PURPOSE_CHARS,
        )
    return check_text(purpose, "purpose", MAX_PURPOSE_CHARS)


def check_text(text: str, field: str, limit: int = MAX_REASON_CHARS, *, is_needed: bool = False) -> str:
    """Return a text trimmed; raises TextMissingError or TextTooLongError. `field` names it for the reader."""
    text = text.strip()
    if is_needed and not text:
        raise TextMissingError(f"The {field} is missing; write it down, it becomes part of the record.", field=field)
    if len(text) > limit:
        raise TextTooLongError(f"The {field} may have {limit} characters; shorten it.", field=field, limit=limit)
    return text


def check_amount(fen: int, field: str) -> int:
    """Return an amount in fen; raises AmountError."""
    if not 0 <= fen <= MAX_MONEY_FEN:
        raise AmountError(f"The {field} must be an amount of 0 or more; correct it.", field=field)
    return fen


def check_day(day: date, *, filed_on: date, on: date) -> date:
    """Return a day on which something of the case was done; raises DayError before filing or after today."""
    return _check_between(day, filed_on, on, "today, ")


def check_ahead(day: date, *, filed_on: date) -> date:
    """Return a day that a paper states for the future; raises DayError more than MAX_YEARS after the filing."""
    return _check_between(day, filed_on, add_months(filed_on, 12 * MAX_YEARS), "")


def _check_between(day: date, first: date, last: date, what: str) -> date:
    if first <= day <= last:
        return day
    text = f"The day {day} must lie between the filing on {first} and {what}{last}; correct it."
    raise DayError(text, first=str(first), last=str(last))


def check_pause(
    catalogue: Catalogue, kind: str, *, from_on: date, until_on: date | None, doc_no: str, filed_on: date, on: date
) -> None:
    """Check a new pause: no future start, its paper named, a stay with a set end within its longest time.

    Raises DayError, PauseError, TextMissingError, UnknownCodeError.
    """
    rule = catalogue.pause(kind)
    check_day(from_on, filed_on=filed_on, on=on)
    check_text(doc_no, "document number", 100, is_needed=True)
    if until_on is None:
        if rule.needs_end:
            raise PauseError(f"{rule.en} needs its last day from the start; enter the day it ends.", kind=kind)
        return
    check_ahead(until_on, filed_on=filed_on)
    if until_on <= from_on:
        raise PauseError("The pause must end after it begins; correct the days.", kind=kind)
    if rule.max_months and until_on > add_months(from_on, rule.max_months):
        raise PauseError(f"{rule.en} may last {rule.max_months} months at most; shorten it.", kind=kind)


def check_share(own_court: str, court_code: str, days: int) -> None:
    """Check a new share; raises ShareError for a court that sees the case anyway or a time out of bounds."""
    if sees_court(court_code, own_court):
        raise ShareError("That court sees the case already; choose another court.", court_code=court_code)
    if not 1 <= days <= MAX_SHARE_DAYS:
        raise ShareError(f"A share lasts 1 to {MAX_SHARE_DAYS} days; choose a time within.", limit=MAX_SHARE_DAYS)


def list_differences(current: Mapping[str, Any], yours: Mapping[str, Any]) -> list[Difference]:
    """Return the fields in which what was sent differs from what stands now."""
    return [Difference(name, current[name], value) for name, value in yours.items() if current[name] != value]


def propose_flags(
    catalogue: Catalogue, *, claim_fen: int, applicants: int, filed_on: date, on: date, is_open: bool
) -> list[str]:
    """Return the flags whose stated threshold the case reaches; a person sets them, the system never does."""
    proposed = []
    for flag in catalogue.flags:
        years = flag.proposes_from_years
        if (
            (flag.proposes_from_fen and claim_fen >= flag.proposes_from_fen)
            or (flag.proposes_from_applicants and applicants >= flag.proposes_from_applicants)
            or (years and is_open and on >= add_months(filed_on, 12 * years))
        ):
            proposed.append(flag.code)
    return proposed


def read_purpose(viewer: Viewer, purpose: str) -> str:
    """Return why a case is read: what the reader says, else what the role reads for."""
    if purpose.strip():
        return check_text(purpose, "purpose", MAX_PURPOSE_CHARS)
    return READ_PURPOSES.get(viewer.role, "") if isinstance(viewer, Actor) else "系统接口"
