"""One search each: by serial, by identity number, by name, by filters alone.

A search yields stretches of places, newest first and without gaps; `accepts` judges what the index cannot.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlmodel import Session

from central.cases import looking
from central.cases.looking import Conditions, Place, Scope
from central.cases.numbers import NumberQuery
from central.cases.terms import CASES_A_BLOCK, holds, identity_term, name_terms_asked, serial_term

# As measured at a million cases: up to so many entries of a term are read and put in order; above it, walking the
# courts' indexes newest first and asking each case for the term comes upon a page of them sooner.
MANY: Final = 10_000
# A term that one case in so many has is met soon enough in any case.
DENSE: Final = 50
# A handler's cases, or those of a time of due days, are fetched whole up to so many.
FEW: Final = 3000
_FIRST_PORTION: Final = 60
# A walk begins with a page of each court and goes on in steps of so many rows in all.
_FIRST_SIZE: Final = 60
_FIRST_STEP: Final = 1500
_MAX_STEP: Final = 6000
_MAX_WALK: Final = 24_000
_MAX_JUDGED_WALK: Final = 8000
_MAX_ASKED: Final = 4
# Stands for every state of a case that is not closed.
OPEN: Final = "open"


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What is looked for; empty fields do not narrow. Days are inclusive."""

    text: str = ""
    court_code: str = ""
    """This court and those below it."""
    state: str = ""
    """A state, or OPEN for every one but closed."""
    type_code: str = ""
    handler_id: str = ""
    due_from: date | None = None
    due_until: date | None = None
    filed_from: date | None = None
    filed_until: date | None = None
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """Places newest first; `sure` is how far down nothing is missing (None: to the end)."""

    places: list[Place]
    sure: Place | None
    is_last: bool = False
    """Whether the search stops here although there may be more."""


@dataclass(frozen=True, slots=True)
class FoundParty:
    """What of a party a search looks at."""

    role: str
    name: str
    id_index: bytes | None


class Search:
    """What all searches share: filters alone, in the order of the lists."""

    how = "filter"

    def __init__(self, session: Session, scope: Scope, wanted: CaseFilter, hint: str = "") -> None:
        self.session, self.scope, self.hint = session, scope, hint
        self.conditions = conditions_of(wanted)
        self._is_due_wanted = wanted.due_from is not None or wanted.due_until is not None
        self._handler_id = wanted.handler_id

    def stretches(self, after: Place | None) -> Iterator[Stretch]:
        """Yield stretches from `after` on."""
        if not self.scope.courts:
            yield Stretch([], None)
        elif self._handler_id or self._is_due_wanted:
            yield from self._narrow(after)
        else:
            yield from self._walk(after)

    def accepts(self, parties: Sequence[FoundParty]) -> str | None:
        """Return the name by which a case was found ("" for none in particular); None when it was not."""
        return ""

    def _narrow(self, after: Place | None) -> Iterator[Stretch]:
        """A handler's cases, or a time of due days: fetched whole when they are few enough."""
        where = f"court_code IN :courts AND {self.conditions.all()}"
        params = {**self.conditions.params, "courts": list(self.scope.courts)}
        places = looking.find_places(self.session, where, params, after=after, limit=FEW + 1)
        if len(places) <= FEW:
            yield Stretch(places, None)
        else:
            yield from self._walk(after)

    def _walk(self, after: Place | None, hit: str = "") -> Iterator[Stretch]:
        """Walk the courts' indexes in growing steps until the end or the most a page may cost."""
        left = _MAX_JUDGED_WALK if hit or self.conditions.rest else _MAX_WALK
        step, sizes = _FIRST_STEP, dict.fromkeys(self.scope.courts, _FIRST_SIZE)
        while True:
            scan = looking.scan(self.session, sizes, self.conditions, after=after, hit=hit)
            left -= sum(scan.seen.values())
            yield Stretch(scan.hits, scan.sure, is_last=left <= 0)
            if scan.sure is None or left <= 0:
                return
            after = scan.sure
            # Courts are read in proportion to what they had, so that all come equally far down.
            total = max(1, sum(scan.seen.values()))
            sizes = {court: 20 + 5 * step * scan.seen.get(court, 0) // (4 * total) for court in sizes}
            step = min(2 * step, _MAX_STEP)

    def _are_few(self, blocks: looking.Blocks, terms: Sequence[int]) -> bool:
        """Tell whether the entries of a term are better read whole than met along a walk."""
        most = min(MANY, max(MANY // 20, len(blocks) * CASES_A_BLOCK // DENSE))
        return looking.count_terms(self.session, blocks, terms, most + 1) <= most

    def _pick(self, places: Sequence[Place], after: Place | None) -> Iterator[Stretch]:
        """Yield those of `places` that meet the filters and lie in the courts, in growing portions."""
        rest = places if after is None else places[bisect_right(places, _negated(after), key=_negated) :]
        size = _FIRST_PORTION
        while rest:
            part, rest = rest[:size], rest[size:]
            case_ids = [case_id for _, case_id in part]
            kept = looking.places_of(self.session, case_ids, self.conditions, courts=self.scope.courts, after=None)
            yield Stretch(kept, part[-1] if rest else None)
            size *= 4


class NumberSearch(Search):
    """Part of a case number."""

    how = "number"

    def __init__(self, session: Session, scope: Scope, wanted: CaseFilter, number: NumberQuery) -> None:
        super().__init__(session, scope, wanted)
        self._number = number
        self.scope = Scope(_courts_of(scope.courts, number), scope.shared, scope.hidden)
        rest, params = self.conditions.rest, self.conditions.params
        if number.exact:
            rest.append("case_no IN :numbers")
            params["numbers"] = list(number.exact)
            return
        if number.court_code:
            rest.append(_court_condition(number))
            params["typed_court"] = number.court_code
        if number.type_code:
            self.conditions.lead("type_code = :number_type")
            params["number_type"] = number.type_code
        if number.seq is not None:
            rest.append("seq = :number_seq")
            params["number_seq"] = number.seq
        if number.year is not None:
            rest.append("year = :number_year")
            # A number is given when the case is filed, give or take the turn of the year.
            self.conditions.ordered.append("filed_day BETWEEN :year_first AND :year_last")
            params["number_year"] = number.year
            params["year_first"] = date(number.year - 1, 12, 1).toordinal()
            params["year_last"] = date(number.year + 1, 1, 7).toordinal()

    def stretches(self, after: Place | None) -> Iterator[Stretch]:
        """Yield stretches from `after` on."""
        if not self.scope.courts:
            yield Stretch([], None)
        elif self._number.exact:
            where = f"court_code IN :courts AND {self.conditions.all()}"
            params = {**self.conditions.params, "courts": list(self.scope.courts)}
            yield Stretch(looking.find_places(self.session, where, params, after=after, limit=FEW), None)
        elif self._number.seq is not None:
            blocks = looking.list_blocks(self.session)
            places = looking.find_by_terms(self.session, blocks, [serial_term(self._number.seq)])
            yield from self._pick(places, after)
        else:
            yield from super().stretches(after)


class IdentitySearch(Search):
    """An identity number, by its blind indexes."""

    how = "identity"

    def __init__(
        self, session: Session, scope: Scope, wanted: CaseFilter, indexes: Sequence[bytes], hint: str = ""
    ) -> None:
        super().__init__(session, scope, wanted, hint)
        self._indexes = frozenset(indexes)

    def stretches(self, after: Place | None) -> Iterator[Stretch]:
        """Yield stretches from `after` on."""
        if not self.scope.courts:
            yield Stretch([], None)
            return
        terms = [identity_term(index) for index in self._indexes]
        blocks = looking.list_blocks(self.session)
        if self._are_few(blocks, terms):
            yield from self._pick(looking.find_by_terms(self.session, blocks, terms), after)
        else:
            asked = " OR ".join(looking.has_term(f"term_{at}") for at in range(len(terms)))
            self.conditions.params |= {f"term_{at}": term for at, term in enumerate(terms)}
            yield from self._walk(after, hit=f"({asked})")

    def accepts(self, parties: Sequence[FoundParty]) -> str | None:
        """Return the name of the party that bears the number."""
        return next((party.name for party in parties if party.id_index in self._indexes), None)


class NameSearch(Search):
    """Part of a party's name."""

    how = "name"

    def __init__(self, session: Session, scope: Scope, wanted: CaseFilter, form: str) -> None:
        super().__init__(session, scope, wanted, "begins_with" if len(form) == 1 else "" if form else "no_letters")
        self._form = form

    def stretches(self, after: Place | None) -> Iterator[Stretch]:
        """Yield stretches from `after` on."""
        if not self._form or not self.scope.courts:
            yield Stretch([], None)
            return
        blocks = looking.list_blocks(self.session)
        terms = looking.order_by_rarity(self.session, blocks, name_terms_asked(self._form))[:_MAX_ASKED]
        if self._are_few(blocks, terms[:1]):
            yield from self._pick(looking.find_by_terms(self.session, blocks, terms[:1], terms[1:]), after)
        else:
            self.conditions.params |= {f"term_{at}": term for at, term in enumerate(terms)}
            yield from self._walk(after, hit=" AND ".join(looking.has_term(f"term_{at}") for at in range(len(terms))))

    def accepts(self, parties: Sequence[FoundParty]) -> str | None:
        """Return the name that holds what was typed."""
        if not self._form:
            return None
        return next((party.name for party in parties if holds(party.name, self._form)), None)


def _negated(place: Place) -> Place:
    return -place[0], -place[1]


def conditions_of(wanted: CaseFilter) -> Conditions:
    """Return the conditions of the filters, without the text and the court."""
    conditions = Conditions()
    rest, ordered, params = conditions.rest, conditions.ordered, conditions.params
    if wanted.flagged:
        conditions.lead("is_flagged")
    leading = ["state", "type_code"] if wanted.state != "closed" else ["type_code", "state"]  # most are closed
    if wanted.state == OPEN:
        rest.append("state <> 'closed'")
        leading = ["type_code"]
    for name in leading:
        if value := getattr(wanted, name):
            conditions.lead(f"{name} = :{name}")
            params[name] = value
    if wanted.handler_id:
        rest.append("handler_id = :handler_id")
        params["handler_id"] = wanted.handler_id
    for name, sign in (("due_from", ">="), ("due_until", "<=")):
        if (day := getattr(wanted, name)) is not None:
            rest.append(f"due_on {sign} :{name}")
            params[name] = day
    for name, sign in (("filed_from", ">="), ("filed_until", "<=")):
        if (day := getattr(wanted, name)) is not None:
            ordered.append(f"filed_day {sign} :{name}")
            params[name] = day.toordinal()
    return conditions


def _courts_of(courts: Sequence[str], number: NumberQuery) -> tuple[str, ...]:
    """Return the courts a typed part of a number can mean: 云2901, the digits 2901, or 云29 with those below it."""
    typed = number.court_code
    if typed.isdigit():
        return tuple(code for code in courts if code[1:] == typed)
    if typed and number.type_code:
        return tuple(code for code in courts if code == typed)
    return tuple(code for code in courts if code.startswith(typed))


def _court_condition(number: NumberQuery) -> str:
    """Return the same as SQL, in a form that does not tempt a planner to read the court's index."""
    if number.court_code.isdigit():
        return "substr(court_code, 2) = :typed_court"
    if number.type_code:
        return "substr(court_code, 1) = :typed_court"
    return f"substr(court_code, 1, {len(number.court_code)}) = :typed_court"
