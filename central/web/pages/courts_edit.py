"""Forms of the system administrator: adding a court, names, seat, functions, custody levels. All ask for proof."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, Field

from central.base.unit_of_work import UnitOfWork
from central.courts import custody, places, rules, switches
from central.courts import service as courts
from central.courts.features import FEATURES
from central.courts.permissions import Actor, check_permission
from central.courts.service import CourtNames
from central.web.context import Here, Proven
from central.web.court_forms import (
    NO_REFUSAL,
    CourtDesk,
    FieldError,
    ProvenDesk,
    Refusal,
    attempt,
    first_ms,
    to_court,
)
from central.web.pages.courts_admin import load_court
from central.web.render import render

router = APIRouter(prefix="/admin/courts")

INHERIT = "inherit"


class NamesSent(BaseModel):
    """Names and division of a court; an empty `from_day` puts the present ones right."""

    name_zh: str = Field("", max_length=400)
    name_en: str = Field("", max_length=400)
    short_zh: str = Field("", max_length=400)
    short_en: str = Field("", max_length=400)
    division: str = Field("", max_length=40)
    from_day: str = Field("", max_length=20)
    basis: str = Field("", max_length=800)
    version: int = Field(0, ge=0, lt=2**31)

    def names(self) -> CourtNames:
        """Return the names as the domain has them."""
        return CourtNames(self.name_zh, self.name_en, self.short_zh, self.short_en, self.division)


class SeatSent(BaseModel):
    """Where a court sits; an empty `from_day` puts the present seat right."""

    lat: str = Field("", max_length=40)
    lon: str = Field("", max_length=40)
    address: str = Field("", max_length=800)
    from_day: str = Field("", max_length=20)
    basis: str = Field("", max_length=800)
    version: int = Field(0, ge=0, lt=2**31)


class NewCourtSent(NamesSent):
    """A court to add."""

    code: str = Field("", max_length=40)
    lat: str = Field("", max_length=40)
    lon: str = Field("", max_length=40)
    address: str = Field("", max_length=800)


class FeatureSent(BaseModel):
    """A function and what becomes of it: on, off or inherit."""

    feature: str = Field("", max_length=40)
    state: str = Field("", max_length=10)
    basis: str = Field("", max_length=800)


class CustodySent(BaseModel):
    """A category and its level from a day on; `inherit` lets the court above decide again."""

    category: str = Field("", max_length=4)
    level: str = Field("", max_length=20)
    from_day: str = Field("", max_length=20)
    basis: str = Field("", max_length=800)


class ReasonSent(BaseModel):
    """A reason alone."""

    basis: str = Field("", max_length=800)
    version: int = Field(0, ge=0, lt=2**31)


@router.get("/new")
def show_new(request: Request, here: Here, actor: Proven) -> Response:
    """Show the form for another court."""
    return _show_new(request, actor, NO_REFUSAL)


@router.post("/new")
def add_court(request: Request, here: Here, actor: Proven, sent: Annotated[NewCourtSent, Form()]) -> Response:
    """Add a court."""

    def act(uow: UnitOfWork) -> None:
        lat, lon = _place(sent.lat, sent.lon)
        courts.add_court(
            uow, actor, sent.code, sent.names(), lat=lat, lon=lon, address=sent.address, basis=sent.basis
        )

    check_permission(actor, "manage_courts")
    refusal = attempt(request, here.store, "new", sent, act)
    return _show_new(request, actor, refusal) if refusal else to_court(rules.tidy(sent.code))


@router.get("/{code}/edit")
def show_edit(desk: ProvenDesk) -> Response:
    """Show the forms that change a court."""
    return _show(desk, NO_REFUSAL)


@router.post("/{code}/edit/names")
def change_names(desk: ProvenDesk, sent: Annotated[NamesSent, Form()]) -> Response:
    """Rename a court from a day on, or put its names right."""

    def act(uow: UnitOfWork) -> None:
        courts.rename_court(
            uow,
            desk.actor,
            desk.code,
            sent.names(),
            from_ms=first_ms("from_day", sent.from_day),
            basis=sent.basis,
            version=sent.version,
        )

    return desk.change("names", sent, act, show=_show)


@router.post("/{code}/edit/seat")
def change_seat(desk: ProvenDesk, sent: Annotated[SeatSent, Form()]) -> Response:
    """Move a court from a day on, or put its seat right."""

    def act(uow: UnitOfWork) -> None:
        lat, lon = _place(sent.lat, sent.lon)
        from_ms = first_ms("from_day", sent.from_day)
        if from_ms is None:
            courts.correct_seat(
                uow,
                desk.actor,
                desk.code,
                lat=lat,
                lon=lon,
                address=sent.address,
                reason=sent.basis,
                version=sent.version,
            )
            return
        courts.move_seat(
            uow,
            desk.actor,
            desk.code,
            lat=lat,
            lon=lon,
            address=sent.address,
            from_ms=from_ms,
            reason=sent.basis,
            version=sent.version,
        )

    return desk.change("seat", sent, act, show=_show)


@router.post("/{code}/edit/cancel")
def cancel_planned(desk: ProvenDesk, sent: Annotated[ReasonSent, Form()]) -> Response:
    """Take back what was entered for a later day."""

    def act(uow: UnitOfWork) -> None:
        courts.cancel_planned(uow, desk.actor, desk.code, sent.basis, sent.version)

    return desk.change("cancel", sent, act, show=_show)


@router.post("/{code}/edit/feature")
def change_feature(desk: ProvenDesk, sent: Annotated[FeatureSent, Form()]) -> Response:
    """Switch a function on or off, or let the court above decide."""

    def act(uow: UnitOfWork) -> None:
        if sent.state == INHERIT:
            switches.clear_feature(uow, desk.actor, desk.code, sent.feature, basis=sent.basis)
        else:
            switches.set_feature(uow, desk.actor, desk.code, sent.feature, is_on=sent.state == "on", basis=sent.basis)

    return desk.change("feature", sent, act, show=_show)


@router.post("/{code}/edit/custody")
def change_custody(desk: ProvenDesk, sent: Annotated[CustodySent, Form()]) -> Response:
    """Change the level a category is asked for at, from a day on."""

    def act(uow: UnitOfWork) -> None:
        from_ms = first_ms("from_day", sent.from_day) or uow.now_ms
        if sent.level == INHERIT:
            custody.inherit_custody_level(
                uow, desk.actor, desk.code, sent.category, from_ms=from_ms, basis=sent.basis
            )
        else:
            custody.set_custody_level(
                uow, desk.actor, desk.code, sent.category, sent.level, from_ms=from_ms, basis=sent.basis
            )

    return desk.change("custody", sent, act, show=_show)


def _show(desk: CourtDesk, refusal: Refusal) -> Response:
    with desk.here.store.read() as session:
        values = load_court(session, desk.actor, desk.code, desk.here.now_ms())
    check_permission(desk.actor, "manage_courts", desk.code)
    return render(
        desk.request,
        "admin/court_edit.html",
        status=refusal.status,
        problems=refusal.problems,
        given=refusal.given,
        features=FEATURES.values(),
        levels=rules.CUSTODY_LEVELS,
        categories=rules.INQUIRY_CATEGORIES,
        **values,
    )


def _show_new(request: Request, actor: Actor, refusal: Refusal) -> Response:
    check_permission(actor, "manage_courts")
    return render(
        request,
        "admin/court_new.html",
        status=refusal.status,
        problems=refusal.problems,
        given=refusal.given,
    )


def _place(lat: str, lon: str) -> tuple[float, float]:
    try:
        degrees = places.parse_degrees(lat)
    except places.CoordinateFormatError as error:
        raise FieldError("lat", error) from error
    try:
        return degrees, places.parse_degrees(lon)
    except places.CoordinateFormatError as error:
        raise FieldError("lon", error) from error
