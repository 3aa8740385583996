"""Acts that one person drafts, another approves and, where required, a third signs. Pure.

`extend` the whole-case limit, `close` the case, `reopen` it because the closing was an error. The bureau chief
approves; the president signs extensions, reopenings and the closings for which the catalogue says so (终本). What an
act rests on is kept with its draft (`detail["basis"]`): when the case has moved on from that, the act is stale and
can only be refused or withdrawn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final

from central.base.errors import ConflictError, ForbiddenError, InvalidInputError
from central.cases.catalogue import Catalogue
from central.cases.catalogue_entries import Condition
from central.cases.clock import add_limit
from central.cases.rules import closed_case

ACTS: Final = ("extend", "close", "reopen")
# state -> step -> next state; `approve` goes straight to done where nobody signs.
TRANSITIONS: Final[dict[str, dict[str, str]]] = {
    "submitted": {"approve": "approved", "refuse": "refused", "withdraw": "withdrawn"},
    "approved": {"sign": "done", "refuse": "refused", "withdraw": "withdrawn"},
    "done": {},
    "refused": {},
    "withdrawn": {},
}
PENDING: Final = ("submitted", "approved")


class UnknownActError(InvalidInputError):
    """There is no such act, or its particulars are not the ones it needs."""

    code: ClassVar[str] = "act_unknown"


class ActPendingError(ConflictError):
    """An act of this kind waits for its decision."""

    code: ClassVar[str] = "act_pending"


class ActDecidedError(ConflictError):
    """The act was decided, or is not at the step wanted."""

    code: ClassVar[str] = "act_decided"


class StaleActError(ConflictError):
    """The case has moved on since the act was drafted."""

    code: ClassVar[str] = "act_stale"


class NotDrafterError(ForbiddenError):
    """Only the drafter withdraws an act."""

    code: ClassVar[str] = "not_drafter"


class ExtensionError(InvalidInputError):
    """The case cannot be extended by so much, or has no limit."""

    code: ClassVar[str] = "extension"


class ClosingError(InvalidInputError):
    """Cases of this type do not end in this way."""

    code: ClassVar[str] = "closing"


class ClosingGateError(ConflictError):
    """Conditions of the closing are unmet: `params` carry `unmet` (codes) and their remedies."""

    code: ClassVar[str] = "closing_gate"


@dataclass(frozen=True, slots=True)
class ActCase:
    """What acts look at in a case; `papers` are kinds of its documents, `nodes_done` kinds of nodes recorded."""

    type_code: str
    state: str
    closing: str
    filed_on: date
    closed_on: date | None
    extended: int
    has_limit: bool
    nodes_done: Collection[str] = ()
    papers: Collection[str] = ()

    def basis_of(self, kind: str) -> dict[str, Any]:
        """Return what an act of this kind rests on, as it is kept with the draft."""
        state = "closed" if self.state == "closed" else "open"
        if kind == "extend":
            return {"state": state, "extended": self.extended}
        if kind == "reopen":
            return {"state": state, "closing": self.closing, "closed_on": str(self.closed_on or "")}
        return {"state": state}


def check_detail(kind: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the particulars of an act: `extend` {"months"}, `close` {"closing"}, `reopen` {}.

    Raises UnknownActError.
    """
    if kind == "extend" and type(detail.get("months")) is int:  # True is no number of months
        return {"months": detail["months"]}
    if kind == "close" and isinstance(detail.get("closing"), str):
        return {"closing": detail["closing"]}
    if kind == "reopen":
        return {}
    raise UnknownActError("The act must be an extension, a closing or a reopening with its particulars.")


def check_act(catalogue: Catalogue, kind: str, detail: Mapping[str, Any], case: ActCase, on: date) -> None:
    """Check that the act is possible on the case as it stands on day `on`.

    Raises CaseClosedError, ActDecidedError, ExtensionError, ClosingError or ClosingGateError.
    """
    if kind == "reopen":
        if case.state != "closed":
            raise ActDecidedError("The case is open; there is nothing to reopen.")
        return
    if case.state == "closed":
        raise closed_case()
    if kind == "extend":
        _check_extension(catalogue, detail["months"], case)
    else:
        _check_closing(catalogue, detail["closing"], case, on)


def _check_extension(catalogue: Catalogue, steps: int, case: ActCase) -> None:
    longest = catalogue.type(case.type_code).extension_max
    if not case.has_limit or not longest:
        raise ExtensionError("A case of this type has no limit that could be extended.", limit=0)
    left = longest - case.extended
    if not 1 <= steps <= left:
        raise ExtensionError(
            f"The limit can be extended {longest} times the step in all, {left} are left; ask for less.", limit=left
        )


def _check_closing(catalogue: Catalogue, code: str, case: ActCase, on: date) -> None:
    closing = catalogue.closing(code)
    if closing not in catalogue.closings_of(case.type_code):
        raise ClosingError(f"A case of this type does not end as {closing.en}; choose another closing.", closing=code)
    unmet = list_unmet(catalogue, code, case, on)
    if unmet:
        raise refuse_closing(unmet)


def list_unmet(catalogue: Catalogue, closing: str, case: ActCase, on: date) -> list[Condition]:
    """Return every condition of `closing` that the record does not show, in the catalogue's order."""
    return [entry for entry in catalogue.conditions_of(closing) if not _is_met(catalogue, entry, case, on)]


def _is_met(catalogue: Catalogue, condition: Condition, case: ActCase, on: date) -> bool:
    # Papers prove what later rooms (inquiry, disclosure) will know by themselves: the lists then read their records.
    papers = set(case.papers)
    if condition.since_filing and on <= add_limit(case.filed_on, catalogue.limits[condition.since_filing]):
        return False
    return (
        set(condition.nodes) <= set(case.nodes_done)
        and set(condition.documents_all) <= papers
        and (not condition.documents_any or not papers.isdisjoint(condition.documents_any))
    )


def refuse_closing(unmet: Collection[Condition]) -> ClosingGateError:
    """Build the error that lists every unmet condition with its remedy, in both languages."""
    return ClosingGateError(
        "The case cannot be closed so yet: " + "; ".join(f"{c.en}: {c.remedy_en}" for c in unmet) + ".",
        unmet=[condition.code for condition in unmet],
        unmet_zh="；".join(f"{c.zh}（{c.remedy_zh}）" for c in unmet),
    )


def needs_signature(catalogue: Catalogue, kind: str, detail: Mapping[str, Any]) -> bool:
    """Tell whether the president signs the act after the approval."""
    return kind != "close" or catalogue.closing(detail["closing"]).president_signs


def next_act_state(state: str, step: str, *, is_signed: bool) -> str:
    """Return the act's state after `approve`, `sign`, `refuse` or `withdraw`; raises ActDecidedError."""
    following = TRANSITIONS[state].get(step)
    if following is None:
        raise ActDecidedError(f"This act is {state}; it cannot be decided so any more. Look at it again.", act=step)
    return "done" if step == "approve" and not is_signed else following


def check_fresh(kind: str, basis: Mapping[str, Any], case: ActCase) -> None:
    """Raise StaleActError when the case has moved on from what the act rests on."""
    if dict(basis) != case.basis_of(kind):
        raise StaleActError("The case has changed since this act was drafted; refuse it, and have it drafted anew.")
