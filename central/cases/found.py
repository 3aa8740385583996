"""What a search hands back: rows for a list, with names and masked nothing else of a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import select
from sqlmodel import Session, col

from central.cases import looking
from central.cases.looking import Place
from central.cases.models import EnforcementCase, Party
from central.cases.searches import FoundParty, Search

_SHOWN_NAMES: Final = 3
_MAX_OPENED: Final = 1000


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in a list; names of parties joined by 、, three at most, … for more."""

    case_id: int
    case_no: str
    court_code: str
    type_code: str
    state: str
    closing: str
    filed_on: date
    claim_fen: int
    handler_name: str
    due_on: date | None
    due_node: str
    limit_on: date | None
    is_flagged: bool
    version: int
    applicants: str = ""
    executees: str = ""
    matched: str = ""
    """The party's name that the search found."""


@dataclass(frozen=True, slots=True)
class CasePage:
    """Rows newest filed first; `next` goes on after them."""

    rows: list[CaseRow]
    next: str | None
    how: str
    """What the text was taken for: number, name, identity; filter without a text."""
    hint: str = ""
    """Code of what to tell the reader (search.search_cases)."""


_COLUMNS: Final = (
    "case_id", "case_no", "court_code", "type_code", "state", "closing", "filed_on", "claim_fen", "handler_name",
    "due_on", "due_node", "limit_on", "is_flagged", "version",
)  # fmt: skip
_CASE = select(*(getattr(EnforcementCase, name) for name in _COLUMNS))
_PARTY = select(col(Party.case_id), col(Party.role), col(Party.name), col(Party.id_index))


def collect(search: Search, *, after: Place | None, limit: int) -> CasePage:
    """Run a search until a page is full."""
    rows: list[tuple[Place, CaseRow]] = []
    opened = 0
    for places, sure, ends_early in _with_shared(search, after):
        for start in range(0, len(places), limit + 1):
            part = [place for place in places[start : start + limit + 1] if place[1] not in search.scope.hidden]
            rows += _open(search, part)
            opened += len(part)
            if len(rows) > limit:
                return CasePage(
                    [row for _, row in rows[:limit]], _cursor(rows[limit - 1][0]), search.how, search.hint
                )
            if opened >= _MAX_OPENED and part:
                return CasePage([row for _, row in rows], _cursor(part[-1]), search.how, search.hint or "more")
        if ends_early and sure is not None:
            return CasePage([row for _, row in rows], _cursor(sure), search.how, search.hint or "more")
    return CasePage([row for _, row in rows], None, search.how, search.hint)


def _with_shared(search: Search, after: Place | None) -> Iterator[tuple[list[Place], Place | None, bool]]:
    """Yield the search's stretches with the cases shared with the viewer's court sorted in."""
    shared = looking.places_of(search.session, search.scope.shared, search.conditions, courts=None, after=after)
    for stretch in search.stretches(after):
        now = [place for place in shared if stretch.sure is None or place >= stretch.sure]
        shared = shared[len(now) :]
        places = sorted({*stretch.places, *now}, reverse=True) if now else stretch.places
        yield places, stretch.sure, stretch.is_last


def _open(search: Search, places: Sequence[Place]) -> list[tuple[Place, CaseRow]]:
    """Return the rows of those places that the search accepts."""
    if not places:
        return []
    parties = _load_parties(search.session, [case_id for _, case_id in places])
    matched = {place: name for place in places if (name := search.accepts(parties.get(place[1], []))) is not None}
    query = _CASE.where(col(EnforcementCase.case_id).in_([case_id for _, case_id in matched]))
    cases = {row.case_id: row for row in search.session.connection().execute(query)}
    return [
        (place, _row(cases[place[1]], parties.get(place[1], []), name))
        for place, name in matched.items()
        if place[1] in cases
    ]


def _load_parties(session: Session, case_ids: Sequence[int]) -> dict[int, list[FoundParty]]:
    found: dict[int, list[FoundParty]] = {}
    query = _PARTY.where(col(Party.case_id).in_(case_ids)).order_by(col(Party.case_id), col(Party.position))
    for case_id, role, name, id_index in session.connection().execute(query):
        found.setdefault(case_id, []).append(FoundParty(role, name, id_index))
    return found


def _row(case: object, parties: Sequence[FoundParty], matched: str) -> CaseRow:
    values = {name: getattr(case, name) for name in _COLUMNS}
    return CaseRow(
        **values,
        applicants=_join([party.name for party in parties if party.role == "applicant"]),
        executees=_join([party.name for party in parties if party.role == "executee"]),
        matched=matched,
    )


def _join(names: Sequence[str]) -> str:
    return "、".join(names[:_SHOWN_NAMES]) + ("…" if len(names) > _SHOWN_NAMES else "")


def _cursor(place: Place) -> str:
    return f"{place[0]}-{place[1]}"
