"""Kits: the fleet, one kit with its trail, health, recordings, mailbox and certificates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from central.courts import queries as courts
from central.courts.permissions import may
from central.devices import logs, lost
from central.devices import queries as devices
from central.devices.health_history import KitHour, judge_view, list_hours
from central.devices.rules import STALE_MS
from central.devices.steps import find_answers
from central.evidence import queries as evidence
from central.flows.link import order_metered
from central.flows.recording import order_recording
from central.flows.tasks import list_kit_tasks
from central.flows.together import end_together, order_together
from central.incidents import queries as incidents
from central.incidents.calls import list_open_calls
from central.web.context import Here, SignedIn
from central.web.health_view import Curve, draw_curve, limits_of
from central.web.render import render
from central.web.task_choices import TASK_CHOICES
from central.web.views import is_recording

router = APIRouter(prefix="/kits")

HOUR_MS = 3600 * 1000
Moment = Annotated[int, Query(ge=0, lt=2**53)]
PRESENCE_ORDER = ("stale", "late", "live", "dark")


@router.get("")
def list_kits(request: Request, here: Here, actor: SignedIn, court: str = "", presence: str = "") -> Response:
    """List the kits of the actor's courts, those that need attention first."""
    with here.store.read() as session:
        every = devices.list_kits(session, actor, now_ms=here.now_ms())
        known = courts.list_courts(session, actor)
    shown = [
        view for view in every if view.kit.court_code.startswith(court) and presence in ("", view.presence.state)
    ]
    shown.sort(key=lambda view: (PRESENCE_ORDER.index(view.presence.state), view.kit.court_code, view.kit.kit_id))
    return render(
        request,
        "kits/list.html",
        kits=shown,
        healths={
            view.kit.kit_id: judge_view(view, now_ms=here.now_ms(), limits=limits_of(here.settings)) for view in shown
        },
        counts={state: sum(view.presence.state == state for view in every) for state in PRESENCE_ORDER},
        courts={row.code: row for row in known},
        court=court,
        presence=presence,
        is_recording=is_recording,
    )


@router.get("/{kit_id}")
def show_kit(
    request: Request, here: Here, actor: SignedIn, kit_id: str, hours: Annotated[int, Query(ge=1, le=168)] = 8
) -> Response:
    """Show one kit."""
    now_ms = here.now_ms()
    with here.store.read() as session:
        view = devices.get_kit(session, actor, kit_id, now_ms=now_ms)
        parts: dict[str, Any] = {
            "court": courts.get_court(session, view.kit.court_code),
            "directives": devices.list_directives(session, actor, kit_id, now_ms=now_ms, limit=20),
            "certificates": None,
            "judged": judge_view(view, now_ms=now_ms, limits=limits_of(here.settings)),
            "curves": _draw_curves(list_hours(session, actor, kit_id, now_ms=now_ms), now_ms),
            "logs": None,
            "loss": lost.get_loss(session, actor, kit_id),
            "recordings": None,
            "tasks": None,
            "alarms": None,
            "together": bool(list_open_calls(session, view.kit.kit_no or 0)),
        }
        parts["answers"] = find_answers(session, parts["directives"])
        if may(actor, "see_tasks"):
            parts["tasks"] = list_kit_tasks(session, actor, kit_id, now_ms=now_ms)
        if may(actor, "fetch_logs"):
            parts["logs"] = logs.list_logs(session, actor, kit_id)
        if may(actor, "manage_devices"):
            parts["certificates"] = devices.list_certificates(session, actor, kit_id, now_ms=now_ms)
        if may(actor, "see_recordings"):
            parts["recordings"] = evidence.list_recordings(session, actor, kit_id=kit_id, limit=20)
        if may(actor, "see_incidents"):
            parts["alarms"] = incidents.list_kit_alarms(session, actor, kit_id, limit=20)
    span = {"from_ms": now_ms - hours * HOUR_MS, "to_ms": now_ms, "hours": hours}
    parts |= {"is_recording": is_recording(view), **span, **TASK_CHOICES}
    return render(request, "kits/kit.html", view=view, **parts)


def _draw_curves(hours: Sequence[KitHour], now_ms: int) -> list[tuple[str, Curve | None, str]]:
    return [
        ("battery", draw_curve([(row.hour_ms, row.battery_min_pct) for row in hours], now_ms), "%"),
        ("temperature", draw_curve([(row.hour_ms, row.temp_max_c) for row in hours], now_ms), " °C"),
        ("segments", draw_curve([(row.hour_ms, row.segments_max) for row in hours], now_ms), ""),
    ]


@router.get("/{kit_id}/trail")
def give_trail(here: Here, actor: SignedIn, kit_id: str, from_ms: Moment, to_ms: Moment) -> dict[str, Any]:
    """Return fixes as [time ms, latitude, longitude, speed m/s, suspect], oldest first."""
    with here.store.read() as session:
        fixes = devices.list_trail(session, actor, kit_id, from_ms=from_ms, to_ms=to_ms, now_ms=here.now_ms())
    return {
        "fixes": [[fix.trail_ms, fix.lat, fix.lon, fix.speed_mps, fix.suspect] for fix in fixes],
        "break_ms": STALE_MS,
    }


@router.post("/{kit_id}/recording")
def order(
    here: Here,
    actor: SignedIn,
    kit_id: str,
    wanted: Annotated[bool, Form()],
    cause: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Order the kit to record or to stop; it goes through the mailbox and is audited with its cause."""
    with here.store.write() as uow:
        order_recording(uow, actor, kit_id, wanted=wanted, cause=cause)
    return RedirectResponse(f"/kits/{kit_id}#mailbox", status_code=303)


@router.post("/{kit_id}/link")
def count_link(
    here: Here,
    actor: SignedIn,
    kit_id: str,
    metered: Annotated[Literal["yes", "no", "auto"], Form()],
    reason: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Say whether the kit's link counts as metered, or leave that to the kit."""
    with here.store.write() as uow:
        order_metered(uow, actor, kit_id, metered={"yes": True, "no": False, "auto": None}[metered], reason=reason)
    return RedirectResponse(f"/kits/{kit_id}#link", status_code=303)


@router.post("/{kit_id}/together")
def record_together(
    here: Here,
    actor: SignedIn,
    kit_id: str,
    wanted: Annotated[bool, Form()],
    cause: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Order the kit and those near it to record together, or end what was ordered so."""
    with here.store.write() as uow:
        if wanted:
            order_together(uow, actor, kit_id, cause=cause, radius_m=here.settings.neighbour_radius_m)
        else:
            end_together(uow, actor, kit_id, cause=cause)
    return RedirectResponse(f"/kits/{kit_id}#mailbox", status_code=303)
