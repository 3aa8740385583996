"""Reads of the courts room: the tree, its history, units, custody levels and functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, or_, true
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.courts import features, rules
from central.courts.models import CommandUnit, Court, CourtName, CourtSeat, CustodyLevel, FeatureSwitch
from central.courts.permissions import SUPREME, Viewer, check_permission


@dataclass(frozen=True, slots=True)
class FeatureState:
    """Whether a function is on for a court, and whose decision that is (`decided_by` empty: the default)."""

    feature: features.Feature
    is_on: bool
    decided_by: str = ""
    basis: str = ""
    changed_ms: int | None = None
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class CustodyView:
    """At which level a category's data lie for a court, and which court asks for it."""

    category: str
    level: str
    route: str
    rule: CustodyLevel | None
    """The row that decides; None: no court above has one, the default holds."""
    upcoming: tuple[CustodyLevel, ...] = ()
    """Rows of this very court that begin later."""


def in_scope(column: Any, actor: Viewer) -> ColumnElement[bool]:
    """Return the SQL condition that `column` (a court code) lies in the actor's scope."""
    if actor.court_code == SUPREME:
        return true()
    condition: ColumnElement[bool] = col(column).startswith(actor.court_code, autoescape=True)
    return condition


def list_courts(session: Session, actor: Viewer) -> Sequence[Court]:
    """Return the courts the actor sees, superior first."""
    found = session.exec(select(Court).where(in_scope(Court.code, actor))).all()
    return sorted(found, key=lambda court: (court.code != SUPREME, court.code))


def list_all_courts(session: Session) -> Sequence[Court]:
    """Return every court of the tree, superior first: that they exist and what they are called is no secret."""
    found = session.exec(select(Court)).all()
    return sorted(found, key=lambda court: (court.code != SUPREME, court.code))


def get_court(session: Session, code: str) -> Court:
    """Return one court; raises NotFoundError."""
    court = session.get(Court, code)
    if court is None:
        raise NotFoundError(f"There is no court with code {code!r}; see courts.toml.", court_code=code)
    return court


def view_court(session: Session, actor: Viewer, code: str) -> Court:
    """Return one court of the actor's scope; raises NotFoundError outside of it."""
    court = session.exec(select(Court).where(Court.code == code, in_scope(Court.code, actor))).first()
    if court is None:
        raise NotFoundError("There is no such court among yours; see the list of courts.", court_code=code)
    return court


def seat_at(session: Session, court_code: str, at_ms: int) -> CourtSeat:
    """Return where a court sat at a moment; raises NotFoundError when nothing is recorded for it."""
    query = select(CourtSeat).where(CourtSeat.court_code == court_code, _holding(CourtSeat, at_ms))
    seat = session.exec(query).first()
    if seat is None:
        raise NotFoundError("No seat of this court is recorded for that time; see its history.")
    return seat


def name_at(session: Session, court_code: str, at_ms: int) -> CourtName:
    """Return what a court was called at a moment; raises NotFoundError when nothing is recorded for it."""
    query = select(CourtName).where(CourtName.court_code == court_code, _holding(CourtName, at_ms))
    name = session.exec(query).first()
    if name is None:
        raise NotFoundError("No name of this court is recorded for that time; see its history.")
    return name


def list_seats(session: Session, actor: Viewer, court_code: str) -> Sequence[CourtSeat]:
    """Return every seat of a court, newest first."""
    view_court(session, actor, court_code)
    query = select(CourtSeat).where(CourtSeat.court_code == court_code)
    return session.exec(query.order_by(col(CourtSeat.from_ms).desc())).all()


def list_names(session: Session, actor: Viewer, court_code: str) -> Sequence[CourtName]:
    """Return every name of a court, newest first."""
    view_court(session, actor, court_code)
    query = select(CourtName).where(CourtName.court_code == court_code)
    return session.exec(query.order_by(col(CourtName.from_ms).desc())).all()


def list_units(
    session: Session, actor: Viewer, court_code: str, *, at_ms: int | None = None
) -> Sequence[CommandUnit]:
    """Return the units of a court that serve at `at_ms` (None: those without an end), centre first."""
    view_court(session, actor, court_code)
    query = select(CommandUnit).where(CommandUnit.court_code == court_code)
    if at_ms is None:
        query = query.where(col(CommandUnit.until_ms).is_(None))
    else:
        query = query.where(_holding(CommandUnit, at_ms))
    return _in_order(session.exec(query).all())


def list_open_units(session: Session, actor: Viewer, court_code: str, *, now_ms: int) -> Sequence[CommandUnit]:
    """Return the units of a court that serve now or will, centre first."""
    view_court(session, actor, court_code)
    ends = or_(col(CommandUnit.until_ms).is_(None), col(CommandUnit.until_ms) > now_ms)
    return _in_order(session.exec(select(CommandUnit).where(CommandUnit.court_code == court_code, ends)).all())


def list_past_units(session: Session, actor: Viewer, court_code: str, *, now_ms: int) -> Sequence[CommandUnit]:
    """Return the units of a court that have ended, newest end first."""
    view_court(session, actor, court_code)
    query = select(CommandUnit).where(CommandUnit.court_code == court_code, col(CommandUnit.until_ms) <= now_ms)
    return session.exec(query.order_by(col(CommandUnit.until_ms).desc())).all()


def count_units(session: Session, actor: Viewer, *, at_ms: int) -> dict[tuple[str, str], int]:
    """Return how many units of each (court, kind) serve at a moment in the actor's courts."""
    query = select(CommandUnit.court_code, CommandUnit.kind)
    counts: dict[tuple[str, str], int] = {}
    rows = session.exec(query.where(in_scope(CommandUnit.court_code, actor), _holding(CommandUnit, at_ms))).all()
    for court_code, kind in rows:
        counts[court_code, kind] = counts.get((court_code, kind), 0) + 1
    return counts


def find_custody(session: Session, category: str, court_code: str, at_ms: int) -> CustodyLevel | None:
    """Return the row that decides a category for a court at a moment: the nearest court's upwards, if any has one."""
    path = rules.path_up(rules.check_code(court_code))
    query = select(CustodyLevel).where(
        CustodyLevel.category == rules.check_category(category),
        col(CustodyLevel.court_code).in_(path),
        _holding(CustodyLevel, at_ms),
    )
    return min(session.exec(query).all(), key=lambda row: path.index(row.court_code), default=None)


def custody_level(session: Session, category: str, court_code: str, at_ms: int) -> str:
    """Return at which level the data of `category` lie for a court (seed 9): high, intermediate or basic."""
    row = find_custody(session, category, court_code, at_ms)
    return row.level if row else rules.DEFAULT_CUSTODY


def route_court(session: Session, category: str, court_code: str, at_ms: int) -> str:
    """Return the code of the court on the tree that asks for `court_code`'s inquiry of `category` at a moment."""
    return rules.route_up(court_code, custody_level(session, category, court_code, at_ms))


def list_custody(session: Session, actor: Viewer, court_code: str, *, at_ms: int) -> list[CustodyView]:
    """Return every category as it stands for a court, A to M."""
    view_court(session, actor, court_code)
    later = session.exec(
        select(CustodyLevel)
        .where(CustodyLevel.court_code == court_code, col(CustodyLevel.from_ms) > at_ms)
        .order_by(col(CustodyLevel.from_ms))
    ).all()
    views = []
    for category in rules.INQUIRY_CATEGORIES:
        row = find_custody(session, category, court_code, at_ms)
        level = row.level if row else rules.DEFAULT_CUSTODY
        upcoming = tuple(other for other in later if other.category == category and _is_real(other))
        views.append(CustodyView(category, level, rules.route_up(court_code, level), row, upcoming))
    return views


def is_feature_on(session: Session, court_code: str, feature: str) -> bool:
    """Tell whether a function is on for a court: the nearest court upwards that decided, else the default."""
    features.get_feature(feature)
    return feature_states(session, [court_code])[court_code][feature].is_on


def check_feature(session: Session, court_code: str, feature: str) -> None:
    """Raise FeatureOffError when a function is off for a court."""
    if not is_feature_on(session, court_code, feature):
        name = features.get_feature(feature)
        raise rules.FeatureOffError(
            f"{name.en} is not switched on for {court_code} yet; ask the system administrator.",
            feature=name.zh,
            court_code=court_code,
        )


def list_features(session: Session, actor: Viewer, court_code: str) -> list[FeatureState]:
    """Return every function as it stands for a court, by phase."""
    view_court(session, actor, court_code)
    return list(feature_states(session, [court_code])[court_code].values())


def list_features_on(session: Session, actor: Viewer) -> dict[str, frozenset[str]]:
    """Return the functions that are on, for each court of the actor's scope."""
    check_permission(actor, "see_courts")
    codes = [court.code for court in list_courts(session, actor)]
    states = feature_states(session, codes)
    return {code: frozenset(name for name, state in states[code].items() if state.is_on) for code in codes}


def feature_states(session: Session, court_codes: Sequence[str]) -> dict[str, dict[str, FeatureState]]:
    """Return, for each court, every function with who decided it; one read whatever the number of courts."""
    paths = {code: rules.path_up(code) for code in court_codes}
    wanted = {code for path in paths.values() for code in path}
    rows = session.exec(select(FeatureSwitch).where(col(FeatureSwitch.court_code).in_(sorted(wanted)))).all()
    switches = {(row.court_code, row.feature): row for row in rows}
    return {
        code: {name: _decide(feature, path, switches) for name, feature in features.FEATURES.items()}
        for code, path in paths.items()
    }


def _decide(
    feature: features.Feature, path: Sequence[str], switches: dict[tuple[str, str], FeatureSwitch]
) -> FeatureState:
    for code in path:
        row = switches.get((code, feature.code))
        if row is not None:
            return FeatureState(feature, row.is_on, code, row.basis, row.changed_ms, row.changed_by)
    return FeatureState(feature, feature.is_default)


def _holding(table: Any, at_ms: int) -> ColumnElement[bool]:
    """The condition that a dated row holds at a moment."""
    ends = or_(col(table.until_ms).is_(None), col(table.until_ms) > at_ms)
    condition: ColumnElement[bool] = (col(table.from_ms) <= at_ms) & ends
    return condition


def _is_real(row: CustodyLevel) -> bool:
    """A row ended before it began never holds."""
    return row.until_ms is None or row.until_ms > row.from_ms


def _in_order(units: Sequence[CommandUnit]) -> Sequence[CommandUnit]:
    return sorted(units, key=lambda unit: (rules.UNIT_KINDS.index(unit.kind), unit.name, unit.id))
