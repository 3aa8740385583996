"""One case as another system pushes it, with what it last knew of it: nothing of others is overwritten unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final, NamedTuple

from sqlmodel import select

from central.base.errors import ForbiddenError
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.cases.catalogue import Catalogue, get_catalogue
from central.cases.clock import today
from central.cases.foresight import CaseWorkedHereError, OtherSourceError
from central.cases.models import EnforcementCase
from central.cases.rules import STATES, CaseExistsError, EditConflictError, unknown_case
from central.cases.writer import CaseDraft, Outcome, store_cases
from central.courts.permissions import Viewer, check_permission, sees_court

__all__ = [
    "CaseWorkedHereError",
    "Delivery",
    "Expectation",
    "Fault",
    "ForeignCaseError",
    "OtherSourceError",
    "deliver_case",
    "list_faults",
    "source_of",
]

MAX_SOURCE_CHARS: Final = 40


class ForeignCaseError(ForbiddenError):
    """The case number belongs to a court outside the system's own."""

    code: ClassVar[str] = "case_foreign_court"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the sender knows: `versions` any of which must stand now, `is_there` that there is or is no such case.

    Nothing known (None, None) is right for a new case and for one that the sender itself delivered.
    """

    versions: frozenset[int] | None = None
    is_there: bool | None = None


class Delivery(NamedTuple):
    """What became of a pushed case."""

    case_no: str
    outcome: Outcome
    version: int


class Fault(NamedTuple):
    """What in a draft does not fit: field, stable code, English and Chinese sentence with the remedy."""

    field: str
    code: str
    detail: str
    detail_zh: str


def deliver_case(
    uow: UnitOfWork, sender: Viewer, keyring: Keyring, draft: CaseDraft, expected: Expectation
) -> Delivery:
    """Create or replace the case of `draft` (without `list_faults`) for a system, audited by `store_cases`.

    Raises ForeignCaseError, NotFoundError (expected, but not there), CaseExistsError (there, but expected not to be),
    EditConflictError (another version), OtherSourceError, and what `store_cases` raises.
    """
    number, source = draft.number, source_of(sender)
    if not sees_court(sender.court_code, number.court_code):
        raise ForeignCaseError(
            f"Case {number.text} belongs to court {number.court_code!r}, outside of your account's court: send the "
            "cases of your own court and those below.",
            court_code=number.court_code,
        )
    query = select(EnforcementCase).where(EnforcementCase.case_no == number.text)
    case = uow.session.exec(query).first()
    check_permission(sender, "edit_case" if case else "register_case", number.court_code)
    _check_expectation(case, number.text, source, expected)
    if case is not None and case.court_code != number.court_code:
        raise CaseExistsError(f"There is a case {number.text} of another court: correct court_code.")
    (outcome,) = store_cases(
        uow, keyring, get_catalogue(), [draft], source=source, actor=sender.audit_name,
        replaces_others=expected.versions is not None or expected.is_there is not None,
    )  # fmt: skip
    stored = uow.session.exec(query.execution_options(populate_existing=True)).one()
    return Delivery(number.text, outcome, stored.version)


def source_of(sender: Viewer) -> str:
    """Return under which name a system's cases are kept, pushed or imported."""
    return sender.name[:MAX_SOURCE_CHARS]


def _check_expectation(case: EnforcementCase | None, case_no: str, source: str, expected: Expectation) -> None:
    if case is None:
        if expected.is_there or expected.versions is not None:
            raise unknown_case(case_no)
        return
    if expected.is_there is False:
        raise CaseExistsError(f"There is a case {case_no} already: read it, then send your change with its version.")
    if expected.versions is not None and case.version not in expected.versions:
        raise EditConflictError(
            f"The case is at version {case.version} now: read it again, apply your change to that, and send it anew.",
            version=case.version,
            differences=(),
        )
    if expected.versions is None and expected.is_there is None and case.source != source:
        raise OtherSourceError("This case was not delivered by your system: read it, and send the version you read.")


def list_faults(catalogue: Catalogue, draft: CaseDraft, now_ms: int) -> Iterator[Fault]:
    """Yield what in a draft contradicts itself or the catalogue; `store_cases` takes a draft without any."""
    on = today(now_ms)
    types = {entry.code for entry in catalogue.types}
    if draft.number.type_code not in types:
        yield Fault("case_no", "unknown_code", "The catalogue has no such case type.", "目录中没有该案件类型。")
        return
    if draft.state not in STATES:
        yield Fault("state", "unknown_code", f"Use one of {', '.join(STATES)}.", "案件状态不是允许的取值。")
    yield from _closing_faults(catalogue, draft)
    days: dict[str, date | None] = {"filed_on": draft.filed_on, "closed_on": draft.closed_on}
    days |= {f"nodes_done.{kind}": day for kind, day in draft.nodes_done.items()}
    for field, day in days.items():
        if day is not None and day > on:
            yield Fault(field, "day", "This day lies in the future: correct it.", "日期晚于今天；请更正。")
    known = {node.kind for node in catalogue.nodes_of(draft.number.type_code)}
    for kind in draft.nodes_done:
        if kind not in known:
            yield Fault(
                f"nodes_done.{kind[:24]}",
                "unknown_code",
                "Cases of this type have no such node: see the catalogue.",
                "该类案件没有此节点；请核对目录。",
            )


def _closing_faults(catalogue: Catalogue, draft: CaseDraft) -> Iterator[Fault]:
    if draft.state != "closed":
        for field in ("closing", "closed_on"):
            if getattr(draft, field):
                yield Fault(
                    field, "not_closed", "Only a closed case has this: leave it out.", "未结案件不应填写此项。"
                )
        return
    closings = [entry.code for entry in catalogue.closings_of(draft.number.type_code)]
    if draft.closing not in closings:
        yield Fault(
            "closing",
            "unknown_code",
            f"A case of this type closes as one of {', '.join(closings)}.",
            "该类案件没有此结案方式。",
        )
    if draft.closed_on is None:
        yield Fault("closed_on", "missing", "A closed case needs the day it was closed.", "已结案件须填写结案日期。")
    elif draft.closed_on < draft.filed_on:
        yield Fault(
            "closed_on", "day", "The case was closed before it was filed: correct it.", "结案日期早于立案日期。"
        )
