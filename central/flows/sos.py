"""An alarm arrives: incident, position, audit and event in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from central.audit import service as audit
from central.base.outbox import KIT_CHANGED
from central.base.unit_of_work import UnitOfWork
from central.command.service import withdraw_watch_me
from central.devices import queries as devices_queries
from central.devices import rules as devices_rules
from central.devices import service as devices
from central.devices.rules import ItemKey, KitRef
from central.devices.times import Told, tell_by_wall
from central.flows.command import receive_watch_me
from central.flows.together import call_neighbours, end_call
from central.incidents import rules
from central.incidents import service as incidents
from central.incidents.models import AlarmRecord, Incident
from contract.messages import Alarm


@dataclass(frozen=True)
class AlarmOutcome:
    """What an alarm did. `fresh` is false for a repeat, which changes nothing."""

    fresh: bool
    incident_id: str | None


@dataclass(frozen=True)
class _Place:
    lat: float | None
    lon: float | None
    fix_ms: int | None
    source: str
    age_ms: int | None


def receive_alarm(
    uow: UnitOfWork,
    kit: KitRef,
    alarm: Alarm,
    *,
    key: ItemKey,
    digest: bytes,
    at_ms: int,
    received_ms: int,
    boot: str = "",
    neighbour_radius_m: int = 0,
) -> AlarmOutcome:
    """Take an alarm from a kit: SOS and tampering open an incident, a withdrawal marks it, a mark is kept;
    an officer's wish to be watched is a request for a remote command.

    `key` and `digest` are those of the outbox item that carried it, under which its fix joins the trail.
    `boot` is the kit's boot whose time `alarm.boot_ms` is; without it only the wall clock tells when it was pressed.
    Repeating it is harmless, also under another item number (an SOS is resent until answered). Kits within
    `neighbour_radius_m` of a fresh SOS are ordered to record together with it.
    """
    known = incidents.find_alarm(uow, kit.kit_no, alarm.alarm_id, alarm.kind)
    # One that left a kit's memory has a spool of its own, which no later fix would continue: its fix tells where
    # the call comes from, and joins the trail with the stored one that follows.
    if not alarm.unstored:
        _store_fix(uow, alarm, key=key, digest=digest, at_ms=at_ms, received_ms=received_ms)
    if known is not None:
        return AlarmOutcome(False, known.incident_id)
    told = tell_by_wall(alarm.pressed_ms, received_ms)
    record = AlarmRecord(
        kit_no=kit.kit_no,
        alarm_id=alarm.alarm_id,
        kind=alarm.kind,
        court_code=kit.court_code,
        received_ms=received_ms,
        pressed_ms=alarm.pressed_ms,
        boot_ms=alarm.boot_ms,
        boot=boot,
        happened_ms=told.at_ms,
        happened_error_ms=told.error_ms,
        happened_by=told.by,
        lat=alarm.fix.lat if alarm.fix else None,
        lon=alarm.fix.lon if alarm.fix else None,
        recording_id=alarm.recording_id,
        note=alarm.note,
        category=alarm.category,
        task_no=alarm.task,
    )
    incidents.add_alarm(uow, record)
    incident = _act_on(uow, kit, alarm, received_ms=received_ms, at_ms=at_ms)
    if incident is not None:
        record.incident_id = incident.id
        uow.session.add(record)
        if alarm.kind == "sos" and incident.withdrawn_ms is None:
            call_neighbours(uow, kit, incident, radius_m=neighbour_radius_m, fix=alarm.fix)
    audit.append(
        uow,
        actor=f"kit:{kit.kit_id}",
        court_code=kit.court_code,
        action=f"incidents:alarm:{alarm.kind}",
        subject=incident.id if incident else alarm.alarm_id,
        detail={"alarm_id": alarm.alarm_id, "pressed_ms": alarm.pressed_ms, "received_ms": received_ms},
    )
    return AlarmOutcome(True, incident.id if incident else None)


def _act_on(uow: UnitOfWork, kit: KitRef, alarm: Alarm, *, received_ms: int, at_ms: int) -> Incident | None:
    if alarm.kind == "sos_withdrawn":
        return _withdraw(uow, kit, alarm)
    if alarm.kind == "watch_me":
        receive_watch_me(uow, kit, alarm)
    elif alarm.kind == "watch_me_withdrawn":
        withdraw_watch_me(uow, kit, alarm.alarm_id)
    if alarm.kind not in rules.OPENING_KINDS:
        mark = {"alarm_id": alarm.alarm_id, "kind": alarm.kind, "recording_id": alarm.recording_id}
        uow.emit(KIT_CHANGED, kit.court_code, {"kit_id": kit.kit_id, "change": "mark", **mark})
        return None
    if alarm.kind in rules.MERGING_KINDS:
        running = incidents.find_open_incident(uow, kit.kit_no, alarm.kind)
        if running is not None:
            incidents.add_entry(
                uow, running.id, "repeated", f"kit:{kit.kit_id}", {"note": alarm.note, **_name(alarm)}
            )
            incidents.tell_changed(uow, running)
            return running
    return _open(uow, kit, alarm, received_ms=received_ms, at_ms=at_ms)


def _open(uow: UnitOfWork, kit: KitRef, alarm: Alarm, *, received_ms: int, at_ms: int) -> Incident:
    place = _find_place(uow, kit, alarm, received_ms)
    # The item's own time and the press come from one clock, so their distance holds even when the clock does not.
    offset_ms = devices_rules.clock_offset_ms(at_ms, received_ms)
    ahead = devices_rules.doubts_clock(offset_ms) and offset_ms > 0
    doubt = ahead or _behind(uow, kit, alarm.pressed_ms, received_ms)
    told = Told(received_ms, None, "received") if doubt else tell_by_wall(alarm.pressed_ms, received_ms)
    incident = Incident(
        kit_no=kit.kit_no,
        kit_id=kit.kit_id,
        court_code=kit.court_code,
        kind=alarm.kind,
        alarm_id=alarm.alarm_id,
        received_ms=received_ms,
        pressed_ms=alarm.pressed_ms,
        clock_doubt=doubt,
        happened_ms=told.at_ms,
        happened_error_ms=told.error_ms,
        happened_by=told.by,
        lat=place.lat,
        lon=place.lon,
        fix_ms=place.fix_ms,
        position_source=place.source,
        position_age_ms=place.age_ms,
        recording_id=alarm.recording_id,
        note=alarm.note,
    )
    detail: dict[str, Any] = {
        **_name(alarm),
        "pressed_ms": alarm.pressed_ms,
        "clock_doubt": doubt,
        "position_source": place.source,
        "position_age_ms": place.age_ms,
    }
    incidents.open_incident(uow, incident, detail)
    withdrawal = incidents.find_alarm(uow, kit.kit_no, alarm.alarm_id, "sos_withdrawn")
    if alarm.kind == "sos" and withdrawal is not None:  # it overtook the SOS on the way
        withdrawal.incident_id = incident.id
        uow.session.add(withdrawal)
        named = {"alarm_id": withdrawal.alarm_id, "alarm_kind": withdrawal.kind}
        said = {"pressed_ms": withdrawal.pressed_ms, "note": withdrawal.note}
        incidents.mark_withdrawn(uow, incident, {**named, **said})
    return incident


def _name(alarm: Alarm) -> dict[str, Any]:
    """Which alarm a line of the timeline is about, so that the line can be told by the alarm's own time."""
    return {"alarm_id": alarm.alarm_id, "alarm_kind": alarm.kind}


def _behind(uow: UnitOfWork, kit: KitRef, pressed_ms: int, received_ms: int) -> bool:
    """Tell whether the kit's clock is behind: too old for any spool, or known to be off from its health."""
    if pressed_ms < received_ms - devices_rules.OLDEST_BACKLOG_MS:
        return True
    state = devices_queries.find_state(uow.session, kit.kit_no)
    offset_ms = state.clock_offset_ms if state else None
    return offset_ms is not None and devices_rules.doubts_clock(offset_ms)


def _withdraw(uow: UnitOfWork, kit: KitRef, alarm: Alarm) -> Incident | None:
    incident = incidents.find_incident_of_alarm(uow, kit.kit_no, alarm.alarm_id)
    detail = {**_name(alarm), "pressed_ms": alarm.pressed_ms, "note": alarm.note}
    if incident is not None and incidents.mark_withdrawn(uow, incident, detail):
        end_call(uow, incident, actor=f"kit:{kit.kit_id}", with_own=False)
    return incident


def _find_place(uow: UnitOfWork, kit: KitRef, alarm: Alarm, received_ms: int) -> _Place:
    if alarm.fix is not None:
        return _Place(alarm.fix.lat, alarm.fix.lon, alarm.fix.fix_ms, "alarm", None)
    state = devices_queries.find_state(uow.session, kit.kit_no)
    if state is None or state.lat is None:
        return _Place(None, None, None, "none", None)
    age_ms = max(0, received_ms - (state.fix_received_ms or received_ms))
    return _Place(state.lat, state.lon, state.fix_ms, "last_known", age_ms)


def _store_fix(uow: UnitOfWork, alarm: Alarm, *, key: ItemKey, digest: bytes, at_ms: int, received_ms: int) -> None:
    if alarm.fix is None:
        return
    row = devices_rules.position_row(*key, at_ms, alarm.fix, digest=digest, received_ms=received_ms)
    devices.store_positions(uow, [row])
    devices.save_markers(uow, [row])
