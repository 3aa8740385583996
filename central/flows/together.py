"""Kits near a call for help record together with it, and stop by themselves when it is over.

What a call started, only this call ends: an order to stop names its call, and a kit whose officer has meanwhile
begun to record for himself goes on (`edge.uplink.recording_orders`).
"""

from __future__ import annotations

from typing import Final

from central.audit import service as audit
from central.base.errors import NotFoundError
from central.base.ids import new_id
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission, sees_court
from central.devices import queries as devices_queries
from central.devices import service as devices
from central.devices.nearby import Nearby, list_nearby
from central.devices.rules import KitRef
from central.incidents import calls, rules
from central.incidents import service as incidents
from central.incidents.models import Incident
from contract.messages import TIME_SUSPECTS, Fix

# A neighbour that hears of it later than this would record an empty street.
EXPIRY_MS: Final = 120_000
# So long after the press the neighbours have moved on; a kit comes out of a tunnel with an old call.
LATE_MS: Final = 600_000
# Calls of one kit within that time for which others are ordered: in wrong hands, with invented places, it must not
# set the cameras of a whole prefecture running. The SOS itself always counts.
MAX_CALLS: Final = 5


def call_neighbours(
    uow: UnitOfWork, kit: KitRef, incident: Incident, *, radius_m: int, fix: Fix | None = None
) -> list[str]:
    """Order the kits near a fresh SOS to record; returns their ids, nearest first. 0 metres: none.

    `fix`: what came with the alarm, if anything; it may be of hours ago, and says so.
    """
    old = not incident.clock_doubt and incident.received_ms - incident.pressed_ms > LATE_MS
    stale = (incident.position_age_ms or 0) > EXPIRY_MS or (fix is not None and _is_elsewhere(fix, incident))
    if radius_m <= 0 or incident.lat is None or incident.lon is None or old or stale:
        return []
    if calls.count_calls(uow.session, kit.kit_no, since_ms=uow.now_ms - LATE_MS) >= MAX_CALLS:
        return []
    near = list_nearby(uow.session, kit, lat=incident.lat, lon=incident.lon, radius_m=radius_m, now_ms=uow.now_ms)
    _order(uow, kit, near, call_id=incident.alarm_id, actor=f"kit:{kit.kit_id}", cause=f"SOS {kit.kit_id}", by="")
    called = [item.kit.kit_id for item in near]
    if called:
        incidents.add_entry(uow, incident.id, "together", f"kit:{kit.kit_id}", {"kits": called})
    return called


def end_call(uow: UnitOfWork, incident: Incident, *, actor: str, with_own: bool) -> list[str]:
    """End what a call for help started at its neighbours; returns their ids.

    `with_own`: also the recording that the SOS started at its own kit. A withdrawal leaves that one running: it may
    have been forced.
    """
    stopped = _stop(uow, incident.alarm_id, actor=actor, cause=f"SOS {incident.kit_id}", by="")
    if stopped:
        incidents.add_entry(uow, incident.id, "together_end", actor, {"kits": stopped})
    own = devices_queries.find_kit_ref(uow.session, incident.kit_id) if with_own else None
    if own is not None and incident.kind == "sos":
        _put_stop(uow, own, incident.alarm_id, actor=actor, cause=f"SOS {incident.kit_id}", by="")
    return stopped


def order_together(uow: UnitOfWork, actor: Actor, kit_id: str, *, cause: str, radius_m: int) -> list[str]:
    """Order a kit and those near it to record together; returns all their ids, the kit's own first.

    Raises ForbiddenError, NotFoundError, InvalidInputError (no cause given).
    """
    kit, cause = _check(uow, actor, kit_id, cause)
    state = devices_queries.find_state(uow.session, kit.kit_no)
    near = [Nearby(kit, 0.0)]
    if state is not None and state.lat is not None and state.lon is not None and radius_m > 0:
        near += list_nearby(uow.session, kit, lat=state.lat, lon=state.lon, radius_m=radius_m, now_ms=uow.now_ms)
    # A neighbour's court may be another branch of the tree: ordering it is not this person's to do.
    near = [item for item in near if sees_court(actor.court_code, item.kit.court_code)]
    call_id = new_id()
    _order(uow, kit, near, call_id=call_id, actor=actor.audit_name, cause=cause, by=actor.name[:64])
    return [item.kit.kit_id for item in near]


def end_together(uow: UnitOfWork, actor: Actor, kit_id: str, *, cause: str) -> list[str]:
    """End every recording together that was ordered from a kit's page; returns the ids of the kits told.

    Raises as `order_together`.
    """
    kit, cause = _check(uow, actor, kit_id, cause)
    told = []
    for call_id in calls.list_open_calls(uow.session, kit.kit_no):
        told += _stop(uow, call_id, actor=actor.audit_name, cause=cause, by=actor.name[:64])
    return told


def _is_elsewhere(fix: Fix, incident: Incident) -> bool:
    """Tell whether the kit doubts its fix for its age, and the fix is as old as that or of unknown age."""
    if not fix.suspect or fix.suspect in TIME_SUSPECTS:
        return False
    return fix.fix_ms is None or not 0 <= incident.pressed_ms - fix.fix_ms <= EXPIRY_MS


def _check(uow: UnitOfWork, actor: Actor, kit_id: str, cause: str) -> tuple[KitRef, str]:
    check_permission(actor, "order_recording")
    kit = devices_queries.find_kit_ref(uow.session, kit_id)
    if kit is None or not sees_court(actor.court_code, kit.court_code):
        raise NotFoundError("There is no such kit in your courts; see the list of kits.")
    return kit, rules.check_closing_note(cause)


def _order(
    uow: UnitOfWork, origin: KitRef, near: list[Nearby], *, call_id: str, actor: str, cause: str, by: str
) -> None:
    for kit, away_m in near:
        body = {"cause": cause, "by": by, "for_alarm": call_id}
        entry = devices.put_directive(uow, kit, kind="record_start", body=body, expires_ms=uow.now_ms + EXPIRY_MS)
        calls.add_call(uow, call_id, origin, kit, distance_m=round(away_m), number=entry.number)
        audit.append(
            uow,
            actor=actor,
            court_code=kit.court_code,
            action="devices:recording:together",
            subject=kit.kit_id,
            purpose=cause,
            detail={"call": call_id, "distance_m": round(away_m)},
        )


def _stop(uow: UnitOfWork, call_id: str, *, actor: str, cause: str, by: str) -> list[str]:
    told = []
    for kit_id in calls.close_call(uow, call_id):
        kit = devices_queries.find_kit_ref(uow.session, kit_id)
        if kit is not None:
            _put_stop(uow, kit, call_id, actor=actor, cause=cause, by=by)
            told.append(kit_id)
    return told


def _put_stop(uow: UnitOfWork, kit: KitRef, call_id: str, *, actor: str, cause: str, by: str) -> None:
    body = {"cause": cause, "by": by, "for_alarm": call_id}
    devices.put_directive(uow, kit, kind="record_stop", body=body)
    audit.append(
        uow,
        actor=actor,
        court_code=kit.court_code,
        action="devices:recording:together_end",
        subject=kit.kit_id,
        purpose=cause,
        detail={"call": call_id},
    )
