"""What a source's drafts would do to the cases here, and what no source may do, before anything is written.

A file has no hand, no office and no signature. So it touches only cases of its own source; what was decided here (an
act under way or done, a pause, a recusal) it neither undoes nor overtakes; a person recused from a case cannot reach
it by a file either; and it makes nobody a handler who could not be assigned.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, Final

from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from central.base.errors import ConflictError, DomainError
from central.base.keyring import Keyring
from central.cases.drafts import CaseDraft, CaseHeldError, Outcome, draft_text
from central.cases.handlers import Handlers, find_handlers
from central.cases.models import CaseAct, CasePause, CaseRecusal, EnforcementCase
from central.cases.rules import HandlerUnfitError, unknown_case
from central.people.models import User

DIGEST_KIND: Final = "case.digest"
# What acts, pauses and signatures decide; a source decides it only of a case that nobody worked on here.
DECIDED: Final = ("state", "closing", "closed_on", "filed_on")
_WORKING: Final = ("submitted", "approved", "done")


class OtherSourceError(ConflictError):
    """The case was registered here or came from another system; whoever changes it must have read it."""

    code: ClassVar[str] = "case_of_other_source"


class CaseWorkedHereError(ConflictError):
    """The source says of a case that was worked on here what only an act here decides; `fields` names it."""

    code: ClassVar[str] = "case_worked_here"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a draft is not taken: the stable code and the params of its sentence."""

    code: str
    case_no: str
    fields: tuple[str, ...] = ()

    def error(self) -> DomainError:
        """Return this refusal as the error of a single case."""
        if self.code == "case_unknown":
            return unknown_case(self.case_no)
        if self.code == "case_other_court":
            return CaseHeldError(
                f"Case {self.case_no} is one of another court here: correct the number or the court.",
                case_no=self.case_no,
            )
        if self.code == "handler_unfit":
            return HandlerUnfitError(
                "The handler's log-in is not that of a judge of the case's court: correct it, or leave it out.",
                role="judge",
            )
        if self.code == "case_of_other_source":
            return OtherSourceError(
                "This case was not delivered by your system: read it, and send the version you read."
            )
        return CaseWorkedHereError(
            f"The case was worked on here, and {', '.join(self.fields)} can only be changed by an act here: send "
            "what stands here.",
            case_no=self.case_no,
            fields=", ".join(self.fields),
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a case that a draft names."""

    case_id: int
    court_code: str
    source: str
    digest: bytes | None
    state: str
    closing: str
    closed_on: date | None
    filed_on: date


@dataclass(slots=True)
class Foresight:
    """What would become of each draft, in order, with what was looked up for it."""

    known: dict[str, Known]
    handlers: Handlers
    outcomes: list[Outcome | Refusal] = field(default_factory=list)


def foresee(
    session: Session,
    keyring: Keyring,
    drafts: Sequence[CaseDraft],
    *,
    source: str,
    people: Collection[str] = (),
    replaces_others: bool = False,
) -> Foresight:
    """Return what storing `drafts` would do, without writing.

    `people` are the log-ins of those who bring the drafts: none may be recused from a case. `replaces_others` is for
    a system that has read the version it replaces: it may change a case of another source, but not what is decided.
    """
    found = Foresight(_find_known(session, drafts), find_handlers(session, drafts))
    recused = _find_recused(session, found.known.values(), people)
    changes = {
        draft.number.text: _decided_changes(found.known[draft.number.text], draft)
        for draft in drafts
        if draft.number.text in found.known
    }
    worked = _find_worked(session, [found.known[number].case_id for number, fields in changes.items() if fields])
    for draft in drafts:
        known = found.known.get(draft.number.text)
        refusal = None
        if known is not None:
            refusal = _refuse_touch(known, draft, source=source, recused=recused, replaces_others=replaces_others)
            if refusal is None and known.digest in keyring.blind_indexes(DIGEST_KIND, draft_text(draft)):
                found.outcomes.append(Outcome.UNCHANGED)
                continue
        if refusal is None and not found.handlers.is_fit(draft):
            refusal = Refusal("handler_unfit", draft.number.text)
        if refusal is None and known is not None and (known.case_id in worked or known.source != source):
            fields = changes[draft.number.text]
            refusal = Refusal("case_worked_here", draft.number.text, fields) if fields else None
        found.outcomes.append(refusal or (Outcome.CREATED if known is None else Outcome.UPDATED))
    return found


def _find_known(session: Session, drafts: Sequence[CaseDraft]) -> dict[str, Known]:
    case = EnforcementCase
    columns: tuple[Any, ...] = (
        case.case_no, case.case_id, case.court_code, case.source, case.source_digest, case.state, case.closing,
        case.closed_on, case.filed_on,
    )  # fmt: skip
    query = sql_select(*map(col, columns)).where(col(case.case_no).in_([draft.number.text for draft in drafts]))
    return {row[0]: Known(*row[1:]) for row in session.connection().execute(query)}


def _find_recused(session: Session, known: Collection[Known], people: Collection[str]) -> set[int]:
    if not known or not people:
        return set()
    query = (
        select(CaseRecusal.case_id)
        .join(User, col(User.id) == CaseRecusal.user_id)
        .where(col(User.login).in_(people), col(CaseRecusal.ended_ms).is_(None))
        .where(col(CaseRecusal.case_id).in_([case.case_id for case in known]))
    )
    return set(session.exec(query))


def _find_worked(session: Session, case_ids: Sequence[int]) -> set[int]:
    """Return the cases on which an act stands, or a pause or recusal was ever set here."""
    if not case_ids:
        return set()
    acts = select(CaseAct.case_id).where(col(CaseAct.case_id).in_(case_ids), col(CaseAct.state).in_(_WORKING))
    pauses = select(CasePause.case_id).where(col(CasePause.case_id).in_(case_ids))
    recusals = select(CaseRecusal.case_id).where(col(CaseRecusal.case_id).in_(case_ids))
    return {case_id for query in (acts, pauses, recusals) for case_id in session.exec(query)}


def _decided_changes(known: Known, draft: CaseDraft) -> tuple[str, ...]:
    return tuple(name for name in DECIDED if getattr(known, name) != getattr(draft, name))


def _refuse_touch(
    known: Known, draft: CaseDraft, *, source: str, recused: Collection[int], replaces_others: bool
) -> Refusal | None:
    """Return why a draft may not even be compared with its case: a comparison tells what the case holds."""
    number = draft.number.text
    if known.case_id in recused:
        return Refusal("case_unknown", number)
    if known.court_code != draft.number.court_code:
        return Refusal("case_other_court", number)
    if known.source != source and not replaces_others:
        return Refusal("case_of_other_source", number)
    return None
