"""Courts: the tree with commanders and functions, one court with its history, and its command units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, Field

from central.base.unit_of_work import ReadSession, UnitOfWork
from central.courts import queries as courts
from central.courts import rules, units
from central.courts.features import FEATURES, PHASES
from central.courts.permissions import Actor, check_permission
from central.people import appointments
from central.web.context import Here, SignedIn
from central.web.court_forms import NO_REFUSAL, CourtDesk, Desk, Refusal, end_ms, first_ms
from central.web.render import render

router = APIRouter(prefix="/admin/courts")

# Seed 4: the intermediate court and every county court have a centre; it is these that need a commander.
CENTRE_LEVELS = frozenset({"intermediate", "basic"})


@dataclass(frozen=True)
class CourtRow:
    """One line of the tree. `depth` counts from the highest court shown."""

    court: Any
    depth: int
    commander: appointments.Holder | None
    lacks_commander: bool
    forces: int
    features_on: frozenset[str]

    def completes(self, phase: int) -> bool:
        """Whether this is a centre at which every function of a phase is on."""
        wanted = {code for code, feature in FEATURES.items() if feature.phase == phase}
        return self.court.level in CENTRE_LEVELS and wanted <= self.features_on


class UnitSent(BaseModel):
    """The form of a unit; `unit_id` and `version` are empty for a new one."""

    name: str = Field("", max_length=400)
    kind: str = Field("", max_length=40)
    phone: str = Field("", max_length=200)
    note: str = Field("", max_length=400)
    from_day: str = Field("", max_length=20)
    until_day: str = Field("", max_length=20)
    version: int = Field(0, ge=0, lt=2**31)


@router.get("")
def list_courts(request: Request, here: Here, actor: SignedIn) -> Response:
    """Show the courts of the actor as a tree."""
    check_permission(actor, "see_courts")
    now_ms = here.now_ms()
    with here.store.read() as session:
        rows = _tree(session, actor, now_ms)
    return render(
        request,
        "admin/courts.html",
        rows=rows,
        lacking=[row for row in rows if row.lacks_commander],
        centres=sum(row.court.level in CENTRE_LEVELS for row in rows),
        features=FEATURES,
        phases=PHASES,
        phase_counts={phase: sum(row.completes(phase) for row in rows) for phase in PHASES},
    )


def _tree(session: ReadSession, actor: Actor, now_ms: int) -> list[CourtRow]:
    found = courts.list_courts(session, actor)
    commanders = appointments.list_commanders(session, actor, now_ms)
    counts = courts.count_units(session, actor, at_ms=now_ms)
    features_on = courts.list_features_on(session, actor)
    top = min((rules.LEVELS.index(rules.level_of(court.code)) for court in found), default=0)
    return [
        CourtRow(
            court=court,
            depth=rules.LEVELS.index(rules.level_of(court.code)) - top,
            commander=commanders.get(court.code),
            lacks_commander=court.level in CENTRE_LEVELS and court.code not in commanders,
            forces=counts.get((court.code, "rapid_force"), 0),
            features_on=features_on[court.code],
        )
        for court in found
    ]


@router.get("/{code}")
def show_court(desk: Desk) -> Response:
    """Show one court: seat, names, units, appointments, functions, custody levels."""
    return _show(desk, NO_REFUSAL)


@router.post("/{code}/units")
def add_unit(desk: Desk, sent: Annotated[UnitSent, Form()]) -> Response:
    """Add a unit."""

    def act(uow: UnitOfWork) -> None:
        from_ms = first_ms("from_day", sent.from_day)
        units.add_unit(
            uow,
            desk.actor,
            desk.code,
            kind=sent.kind,
            name=sent.name,
            phone=sent.phone,
            note=sent.note,
            from_ms=from_ms,
        )

    return desk.change("unit", sent, act, show=_show, part="#units")


@router.post("/{code}/units/{unit_id}")
def change_unit(desk: Desk, unit_id: str, sent: Annotated[UnitSent, Form()]) -> Response:
    """Change a unit's name, telephone and note."""

    def act(uow: UnitOfWork) -> None:
        units.change_unit(uow, desk.actor, unit_id, sent.version, name=sent.name, phone=sent.phone, note=sent.note)

    return desk.change(f"unit-{unit_id}", sent, act, show=_show, part="#units")


@router.post("/{code}/units/{unit_id}/end")
def end_unit(desk: Desk, unit_id: str, sent: Annotated[UnitSent, Form()]) -> Response:
    """Let a unit serve no longer, from now or after a last day."""

    def act(uow: UnitOfWork) -> None:
        units.end_unit(uow, desk.actor, unit_id, sent.version, until_ms=end_ms("until_day", sent.until_day))

    return desk.change(f"end-{unit_id}", sent, act, show=_show, part="#units")


def _show(desk: CourtDesk, refusal: Refusal) -> Response:
    with desk.here.store.read() as session:
        values = load_court(session, desk.actor, desk.code, desk.here.now_ms())
    return render(
        desk.request,
        "admin/court.html",
        status=refusal.status,
        problems=refusal.problems,
        given=refusal.given,
        unit_kinds=rules.UNIT_KINDS,
        **values,
    )


def load_court(session: ReadSession, actor: Actor, code: str, now_ms: int) -> dict[str, Any]:
    """Return everything a court's page shows; raises NotFoundError outside the actor's courts."""
    check_permission(actor, "see_courts")
    court = courts.view_court(session, actor, code)
    superior = court.parent_code
    features = courts.list_features(session, actor, code)
    seats, names = courts.list_seats(session, actor, code), courts.list_names(session, actor, code)
    return {
        "court": court,
        "superior": courts.get_court(session, superior) if superior else None,
        "seats": seats,
        "seat": courts.seat_at(session, code, now_ms),
        "names": names,
        "planned": any(_is_planned(line, now_ms) for line in [*seats, *names]),
        "open_units": courts.list_open_units(session, actor, code, now_ms=now_ms),
        "past_units": courts.list_past_units(session, actor, code, now_ms=now_ms),
        "holders": appointments.list_appointments(session, actor, code, now_ms=now_ms),
        "commander": appointments.serving_commander(session, code, now_ms),
        "has_centre": court.level in CENTRE_LEVELS,
        "phases": {phase: [state for state in features if state.feature.phase == phase] for phase in PHASES},
        "custody": courts.list_custody(session, actor, code, at_ms=now_ms),
    }


def _is_planned(line: Any, now_ms: int) -> bool:
    """A line that begins later, and was not taken back: such a line ends as it begins."""
    return bool(line.from_ms > now_ms) and line.until_ms != line.from_ms
