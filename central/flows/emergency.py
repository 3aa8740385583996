"""Which kits an emergency is about: what is begun before anybody decided calls those and no others (seed 13)."""

from __future__ import annotations

from typing import Final

from sqlmodel import Session, col, select

from central.command.models import CommandRequest
from central.courts.permissions import Actor, may, sees_court
from central.devices.models import Kit, KitState
from central.devices.nearby import FRESH_MS, list_nearby
from central.devices.rules import KitRef
from central.devices.tasks import list_tasks_naming
from central.flows.tasks import list_kit_tasks
from central.incidents.models import Incident, RecordingCall

NEAR_M: Final = 1000
"""Who is so near can be there on foot within a quarter of an hour."""
_MAX_NEAR: Final = 64


def list_tied(session: Session, actor: Actor, request: CommandRequest, *, now_ms: int) -> set[str]:
    """Return the ids of the kits that the SOS or the officer's wish behind a request is about.

    The kit that called; those ordered to record with it; those of officers with an open task of the same case; those
    within `NEAR_M` by a fix of the last minute. Others are added one by one in the session, each with a reason.
    """
    incident = session.get(Incident, request.ground_ref) if request.ground == "incident" else None
    if incident is None and request.ground != "watch_me":
        return set()
    origin = incident.kit_id if incident is not None else request.kits[0]
    found = {origin}
    if incident is not None:
        called = select(RecordingCall.kit_id).where(RecordingCall.call_id == incident.alarm_id)
        found.update(session.exec(called))
    found |= _list_team(session, actor, origin, now_ms)
    return found | _list_near(session, origin, incident, now_ms)


def _list_team(session: Session, actor: Actor, kit_id: str, now_ms: int) -> set[str]:
    """The kits with an open task of a case that an open task of this kit names, as far as the actor may know."""
    if not may(actor, "see_tasks"):
        return set()
    own = list_kit_tasks(session, actor, kit_id, now_ms=now_ms)
    cases = {str(view.body.get("case_no", "")) for view in own if view.is_open} - {""}
    views = [view for case_no in sorted(cases) for view in list_tasks_naming(session, case_no, now_ms=now_ms)]
    return {view.kit.kit_id for view in views if view.is_open and sees_court(actor.court_code, view.kit.court_code)}


def _list_near(session: Session, kit_id: str, incident: Incident | None, now_ms: int) -> set[str]:
    """The kits around where the caller is now; where that is not known, around where he called."""
    kit = session.exec(select(Kit).where(col(Kit.kit_id) == kit_id)).first()
    if kit is None or kit.kit_no is None:
        return set()
    state = session.get(KitState, kit.kit_no)
    lat, lon = (incident.lat, incident.lon) if incident is not None else (None, None)
    if state is not None and (state.fix_received_ms or 0) >= now_ms - FRESH_MS and state.lat is not None:
        lat, lon = state.lat, state.lon
    if lat is None or lon is None:
        return set()
    ref = KitRef(kit.kit_no, kit.kit_id, kit.court_code)
    near = list_nearby(session, ref, lat=lat, lon=lon, radius_m=NEAR_M, now_ms=now_ms, limit=_MAX_NEAR)
    return {item.kit.kit_id for item in near}
