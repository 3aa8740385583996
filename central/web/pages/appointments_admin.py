"""Appointments at a court: the president's page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response
from pydantic import BaseModel, Field

from central.base.unit_of_work import UnitOfWork
from central.people import appointments
from central.people.posts import POSTS
from central.web.court_forms import NO_REFUSAL, CourtDesk, ProvenDesk, Refusal, end_ms, first_ms
from central.web.pages.courts_admin import load_court
from central.web.render import render

router = APIRouter(prefix="/admin/courts/{code}/appointments")


class AppointmentSent(BaseModel):
    """Who is appointed to what: first day (empty: today) and last day (empty: open)."""

    post: str = Field("", max_length=20)
    login: str = Field("", max_length=64)
    from_day: str = Field("", max_length=20)
    until_day: str = Field("", max_length=20)
    basis: str = Field("", max_length=800)


class EndSent(BaseModel):
    """When an appointment ends (empty: now), and the paper that ends it."""

    until_day: str = Field("", max_length=20)
    basis: str = Field("", max_length=800)


@router.get("")
def show_appointments(desk: ProvenDesk) -> Response:
    """Show the form and the appointments that can be ended."""
    return _show(desk, NO_REFUSAL)


@router.post("")
def appoint(desk: ProvenDesk, sent: Annotated[AppointmentSent, Form()]) -> Response:
    """Appoint somebody."""

    def act(uow: UnitOfWork) -> None:
        from_ms = first_ms("from_day", sent.from_day)
        appointments.appoint(
            uow,
            desk.actor,
            desk.code,
            post=sent.post,
            login=sent.login,
            from_ms=uow.now_ms if from_ms is None else from_ms,
            until_ms=end_ms("until_day", sent.until_day),
            basis=sent.basis,
        )

    return desk.change("appoint", sent, act, show=_show, part="#appointments")


@router.post("/{appointment_id}/end")
def end_appointment(desk: ProvenDesk, appointment_id: str, sent: Annotated[EndSent, Form()]) -> Response:
    """End an appointment early."""

    def act(uow: UnitOfWork) -> None:
        until_ms = end_ms("until_day", sent.until_day)
        appointments.end_appointment(uow, desk.actor, appointment_id, until_ms=until_ms, basis=sent.basis)

    return desk.change(f"end-{appointment_id}", sent, act, show=_show, part="#appointments")


def _show(desk: CourtDesk, refusal: Refusal) -> Response:
    now_ms = desk.here.now_ms()
    with desk.here.store.read() as session:
        values = load_court(session, desk.actor, desk.code, now_ms)
        candidates = appointments.list_candidates(session, desk.actor, desk.code)
    running = [
        holder
        for holder in values["holders"]
        if holder.appointment.until_ms is None or holder.appointment.until_ms > now_ms
    ]
    return render(
        desk.request,
        "admin/court_appoint.html",
        status=refusal.status,
        problems=refusal.problems,
        given=refusal.given,
        candidates=candidates,
        running=running,
        posts=POSTS,
        **values,
    )
