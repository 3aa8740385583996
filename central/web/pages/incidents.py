"""Incidents: list, detail with timeline and map, acknowledging, notes, closing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.courts.permissions import Actor
from central.devices import queries as devices
from central.flows import acknowledge
from central.incidents import queries as incidents
from central.incidents.rules import URGENT_KINDS
from central.web import views
from central.web.context import Here, SignedIn
from central.web.pages.screen import board_response
from central.web.render import render

router = APIRouter(prefix="/incidents")

Note = Annotated[str, Form(max_length=4000)]
TRAIL_BEFORE_MS = 10 * 60 * 1000


@router.get("")
def list_incidents(request: Request, here: Here, actor: SignedIn, state: str = "unfinished") -> Response:
    """List incidents of the actor's courts."""
    states = {"unfinished": ("open", "acknowledged"), "closed": ("closed",)}.get(state, views.ALL_STATES)
    with here.store.read() as session:
        cards = views.load_cards(session, actor, states=states, now_ms=here.now_ms())
        counts = incidents.count_by_state(session, actor)
    return render(request, "incidents/list.html", cards=cards, counts=counts, state=state)


@router.get("/urgent")
def show_urgent(request: Request, here: Here, actor: SignedIn) -> Response:
    """Return the bar that tells of alarms nobody has taken, for pages other than the big screen."""
    with here.store.read() as session:
        cards = views.load_cards(session, actor, states=("open",), now_ms=here.now_ms())
    urgent = [card for card in cards if card.kind in URGENT_KINDS]
    return render(request, "office_siren.html", urgent=sorted(urgent, key=lambda card: int(card.received_ms)))


@router.get("/{incident_id}")
def show_incident(request: Request, here: Here, actor: SignedIn, incident_id: str) -> Response:
    """Show one incident; its map shows where the kit was before and since."""
    with here.store.read() as session:
        now_ms = here.now_ms()
        incident = incidents.describe(incidents.get_incident(session, actor, incident_id))
        kits = devices.list_kits(session, actor, now_ms=now_ms)
        card = views.make_card(session, actor, incident, kits, now_ms=now_ms)
        timeline = incidents.tell_timeline(session, actor, incident_id)
        view = next((view for view in kits if view.kit.kit_id == card.kit_id), None)
    from_ms = min(card.happened_ms, card.received_ms) - TRAIL_BEFORE_MS
    to_ms = card.closed_ms or now_ms
    return render(
        request, "incidents/incident.html", card=card, timeline=timeline, view=view, from_ms=from_ms, to_ms=to_ms
    )


@router.post("/{incident_id}/acknowledge")
def acknowledge_incident(
    request: Request, here: Here, actor: SignedIn, incident_id: str, note: Note = ""
) -> Response:
    """Take the alarm; the kit is told in the same transaction."""
    with here.store.write() as uow:
        acknowledge.acknowledge_incident(uow, actor, incident_id, note)
    return _after_act(request, here, actor, incident_id)


@router.post("/{incident_id}/notes")
def add_note(request: Request, here: Here, actor: SignedIn, incident_id: str, note: Note = "") -> Response:
    """Write a line into the timeline."""
    with here.store.write() as uow:
        acknowledge.add_note(uow, actor, incident_id, note)
    return _after_act(request, here, actor, incident_id)


@router.post("/{incident_id}/close")
def close_incident(request: Request, here: Here, actor: SignedIn, incident_id: str, note: Note = "") -> Response:
    """Close the incident with how it ended."""
    with here.store.write() as uow:
        acknowledge.close_incident(uow, actor, incident_id, note)
    return _after_act(request, here, actor, incident_id)


def _after_act(request: Request, here: Here, actor: Actor, incident_id: str) -> Response:
    # On the big screen the panels are swapped in place; elsewhere (or without scripts) the page is shown anew.
    if request.headers.get("hx-request"):
        return board_response(request, here, actor)
    return RedirectResponse(f"/incidents/{incident_id}", status_code=303)
