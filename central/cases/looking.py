"""The ways cases are looked for in the database, each bounded in what it reads.

A place is (filed_day, case_id): the order of every list, newest first. `Scan` walks the courts' indexes in that order
and says how far it came; the term functions read what a name, a number or a serial points to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from sqlalchemy import BindParameter, Date, TextClause, bindparam, text
from sqlmodel import Session, col, select

from central.cases.models import CaseRecusal, CaseShare, EnforcementCase
from central.cases.terms import BLOCK_BITS, block_of
from central.courts.models import Court
from central.courts.permissions import Viewer, sees_court

Place = tuple[int, int]
Blocks = list[int]

MAX_SHARED: Final = 1000
# SQLite takes 500 parts in a compound; PostgreSQL plans each.
_MAX_ARMS: Final = 100
_SAMPLED_BLOCKS: Final = 4
_ENTRIES: Final = "FROM case_term t WHERE t.block IN :blocks AND t.term IN :terms"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the viewer may look: courts, cases shared with the own court, and cases hidden by recusal."""

    courts: tuple[str, ...]
    shared: frozenset[int]
    hidden: frozenset[int]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a walk came upon: hits newest first, the place down to which they are complete (None: to the end)."""

    hits: list[Place]
    sure: Place | None
    seen: dict[str, int]
    """How many rows of each court lie above that place."""


@dataclass(slots=True)
class Conditions:
    """SQL conditions on enforcement_case. `ordered` ones narrow an index that runs by place, `rest` judges rows."""

    ordered: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    _is_led: bool = False

    def lead(self, condition: str) -> None:
        """Let `condition` choose the index; after the first one, it only judges."""
        (self.rest if self._is_led else self.ordered).append(condition)
        self._is_led = True

    def all(self) -> str:
        """Return every condition as one."""
        return " AND ".join([*self.ordered, *self.rest]) or "1 = 1"


def find_scope(session: Session, viewer: Viewer, court_code: str, *, now_ms: int) -> Scope:
    """Return where `viewer` may look, narrowed to `court_code` and below when given."""
    codes = session.exec(select(Court.code)).all()
    wanted = [code for code in codes if not court_code or sees_court(court_code, code)]
    courts = tuple(sorted(code for code in wanted if sees_court(viewer.court_code, code)))
    shares = select(CaseShare.case_id).where(
        CaseShare.court_code == viewer.court_code,
        col(CaseShare.ended_ms).is_(None),
        CaseShare.from_ms <= now_ms,
        CaseShare.until_ms > now_ms,
    )
    recusals = select(CaseRecusal.case_id).where(
        CaseRecusal.user_id == viewer.user_id, col(CaseRecusal.ended_ms).is_(None)
    )
    if court_code:
        below = col(EnforcementCase.court_code).startswith(court_code, autoescape=True)
        shares = shares.where(col(CaseShare.case_id).in_(select(EnforcementCase.case_id).where(below)))
    shared = session.exec(shares.order_by(col(CaseShare.case_id).desc()).limit(MAX_SHARED)).all()
    return Scope(courts, frozenset(shared), frozenset(session.exec(recusals).all()))


def scan(
    session: Session,
    sizes: Mapping[str, int],
    conditions: Conditions,
    *,
    after: Place | None,
    hit: str = "",
) -> Scan:
    """Read so many rows of each court (`sizes`), newest first.

    `conditions.ordered` must be ones that an index (court_code, ..., filed_day, case_id) answers; a row is a hit when
    it meets `conditions.rest` and `hit`.
    """
    judged = " AND ".join([*conditions.rest, *([hit] if hit else [])])
    told = f"CASE WHEN {judged} THEN 1 ELSE 0 END" if judged else "1"
    where = " AND ".join(["court_code = :court_{0}", *conditions.ordered])
    if after:
        where += " AND (filed_day, case_id) < (:after_day, :after_id)"
    arm = (
        f"SELECT {{0}} AS arm, filed_day, case_id, hit FROM (SELECT filed_day, case_id, {told} AS hit "  # noqa: S608
        f"FROM enforcement_case c WHERE {where} ORDER BY filed_day DESC, case_id DESC LIMIT :size_{{0}}) AS a{{0}}"
    )
    params = dict(conditions.params)
    if after:
        params |= {"after_day": after[0], "after_id": after[1]}
    courts = list(sizes)
    rows: list[Any] = []
    for start in range(0, len(courts), _MAX_ARMS):
        part = range(start, min(start + _MAX_ARMS, len(courts)))
        own: dict[str, Any] = {f"court_{number}": courts[number] for number in part}
        own |= {f"size_{number}": sizes[courts[number]] for number in part}
        rows += _read(session, " UNION ALL ".join(arm.format(number) for number in part), params | own)
    return _judge(rows, courts, sizes)


def _judge(rows: Sequence[Any], courts: Sequence[str], sizes: Mapping[str, int]) -> Scan:
    counts: Counter[int] = Counter()
    last: dict[int, Place] = {}
    for arm, day, case_id, _ in rows:
        counts[arm] += 1
        last[arm] = min(last.get(arm, (day, case_id)), (day, case_id))
    # A court that gave all it was asked for may have more: nothing below its last row is sure.
    sure = max((last[arm] for arm, count in counts.items() if count >= sizes[courts[arm]]), default=None)
    inside = rows if sure is None else [row for row in rows if (row[1], row[2]) >= sure]
    hits = sorted(((day, case_id) for _, day, case_id, hit in inside if hit), reverse=True)
    return Scan(hits, sure, {courts[arm]: count for arm, count in Counter(row[0] for row in inside).items()})


def find_places(
    session: Session, conditions: str, params: Mapping[str, Any], *, after: Place | None, limit: int
) -> list[Place]:
    """Return the places of at most `limit` cases that meet `conditions`; beyond it, which ones is left open."""
    where = f"({conditions})"
    values = {**params, "limit": limit}
    if after:
        where += " AND (filed_day, case_id) < (:after_day, :after_id)"
        values |= {"after_day": after[0], "after_id": after[1]}
    query = f"SELECT filed_day, case_id FROM enforcement_case c WHERE {where} LIMIT :limit"  # noqa: S608
    return sorted(_read(session, query, values), reverse=True)


def places_of(
    session: Session,
    case_ids: Collection[int],
    conditions: Conditions,
    *,
    courts: Collection[str] | None,
    after: Place | None,
) -> list[Place]:
    """Return the places of those of `case_ids` that meet `conditions` and lie in `courts` (None: wherever)."""
    if not case_ids:
        return []
    # Courts are compared here: told of them, a planner may prefer an index of courts and read all of their cases.
    columns, where = "filed_day, case_id, court_code", f"case_id IN :case_ids AND {conditions.all()}"
    query = f"SELECT {columns} FROM enforcement_case c WHERE {where}"  # noqa: S608
    params = {**conditions.params, "case_ids": sorted(case_ids)}
    places = [
        (day, case_id)
        for day, case_id, court in _read(session, query, params)
        if (courts is None or court in courts) and (after is None or (day, case_id) < after)
    ]
    return sorted(places, reverse=True)


def count_terms(session: Session, blocks: Blocks, terms: Collection[int], limit: int) -> int:
    """Return how many entries `terms` have together, at most `limit`."""
    query = f"SELECT count(*) FROM (SELECT 1 AS one {_ENTRIES} LIMIT :limit) AS entries"  # noqa: S608
    return int(_read(session, query, {"blocks": blocks, "terms": list(terms), "limit": limit})[0][0])


def find_by_terms(session: Session, blocks: Blocks, terms: Collection[int], also: Sequence[int] = ()) -> list[Place]:
    """Return the places of the cases that have one of `terms` and all of `also`, newest first."""
    params: dict[str, Any] = {"blocks": blocks, "terms": list(terms)}
    params |= {f"also_{at}": term for at, term in enumerate(also)}
    # A scalar subquery is asked row by row; as EXISTS, PostgreSQL would join, and read a common term whole.
    probe = (
        "(SELECT 1 FROM case_term o WHERE o.block = t.block AND o.term = :also_{0} "
        "AND o.filed_day = t.filed_day AND o.case_id = t.case_id) = 1"
    )
    where = "".join(f" AND {probe.format(at)}" for at in range(len(also)))
    rows = _read(session, f"SELECT filed_day, case_id {_ENTRIES}{where}", params)
    return sorted(set(rows) if len(terms) > 1 else rows, reverse=True)


def order_by_rarity(session: Session, blocks: Blocks, terms: Sequence[int]) -> list[int]:
    """Return `terms`, rarest first, as a few blocks show them."""
    if len(terms) < 2:
        return list(terms)
    # Fewer blocks for a long name: most of its pairs are common ones, of which a block has a thousand.
    sampled = max(1, _SAMPLED_BLOCKS // ((len(terms) + 1) // 2))
    step = max(1, len(blocks) // sampled)
    params = {"blocks": blocks[::-step][:sampled], "terms": list(terms)}
    counts = dict(_read(session, f"SELECT term, count(*) {_ENTRIES} GROUP BY term", params))
    return sorted(terms, key=lambda term: counts.get(term, 0))


def has_term(name: str) -> str:
    """Return the SQL condition that a row of enforcement_case c has the term in parameter `name`."""
    found = (
        f"SELECT 1 FROM case_term t WHERE t.block = c.case_id >> {BLOCK_BITS} AND t.term = :{name} "  # noqa: S608
        "AND t.filed_day = c.filed_day AND t.case_id = c.case_id"
    )
    return f"({found}) = 1"


def list_blocks(session: Session) -> Blocks:
    """Return every block there is."""
    highest = _read(session, "SELECT max(case_id) FROM enforcement_case", {})[0][0]
    return list(range(block_of(int(highest or 0)) + 1))


def _read(session: Session, query: str, params: Mapping[str, Any]) -> list[Any]:
    """Return the rows as the driver gives them: thousands of them are not worth an object each."""
    result = session.connection().execute(_prepare(query, params), params)
    cursor: Any = result.cursor
    rows: list[Any] = cursor.fetchall()
    result.close()
    return rows


def _prepare(query: str, params: Mapping[str, Any]) -> TextClause:
    """Return the statement with the types its parameters need: lists written out, days as the database keeps them."""
    typed: list[BindParameter[Any]] = [
        bindparam(name, expanding=True) for name, value in params.items() if isinstance(value, list)
    ]
    typed += [bindparam(name, type_=Date()) for name, value in params.items() if isinstance(value, date)]
    return text(query).bindparams(*typed)
