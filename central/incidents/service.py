"""Writer of the incidents room. Races are settled by `UPDATE ... WHERE state = ...`, not by a read before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.base.outbox import INCIDENT_CHANGED, INCIDENT_OPENED
from central.base.unit_of_work import UnitOfWork
from central.devices.rules import KitRef, doubts_clock
from central.devices.times import PRECISE_MS, TellMoment
from central.incidents import queries, rules
from central.incidents.models import AlarmRecord, Incident, IncidentEntry

# Of one kit in one transaction; the newest count.
_SETTLED_AT_ONCE = 2000


def find_alarm(uow: UnitOfWork, kit_no: int, alarm_id: str, kind: str) -> AlarmRecord | None:
    """Return an alarm already received, if any."""
    return uow.session.get(AlarmRecord, (kit_no, alarm_id, kind))


def add_alarm(uow: UnitOfWork, alarm: AlarmRecord) -> None:
    """Keep an alarm as received."""
    uow.session.add(alarm)
    uow.session.flush()


def list_boots_of_alarms(session: Session, kit_no: int) -> set[str]:
    """The boots of a kit by which something is told: alarms not known to a second yet, receipts at each look."""
    error_ms = col(AlarmRecord.happened_error_ms)
    alarms = select(AlarmRecord.boot).where(
        AlarmRecord.kit_no == kit_no, error_ms.is_(None) | (error_ms > PRECISE_MS)
    )
    entries = (
        select(IncidentEntry.detail)
        .join(Incident, col(Incident.id) == IncidentEntry.incident_id)
        .where(Incident.kit_no == kit_no)
    )
    receipts = {str(detail.get("boot", "")) for detail in session.exec(entries).all()}
    return receipts.union(session.exec(alarms).all())


def settle_alarms(uow: UnitOfWork, kit_no: int, tell: TellMoment, recast: Sequence[str]) -> int:
    """Tell again when the kit's alarms were pressed, where that is not known to a second yet; screens hear of it.

    In the boots `recast` all are told again. Returns how many are still known less exactly.
    """
    left = 0
    error_ms = col(AlarmRecord.happened_error_ms)
    query = select(AlarmRecord).where(
        AlarmRecord.kit_no == kit_no,
        AlarmRecord.boot != "",
        error_ms.is_(None) | (error_ms > PRECISE_MS) | col(AlarmRecord.boot).in_(recast),
    )
    for alarm in uow.session.exec(query.order_by(col(AlarmRecord.received_ms).desc()).limit(_SETTLED_AT_ONCE)).all():
        told = tell(alarm.boot, alarm.boot_ms, alarm.pressed_ms, alarm.received_ms)
        left += told is not None and (told.error_ms is None or told.error_ms > PRECISE_MS)
        if told is None or told == (alarm.happened_ms, alarm.happened_error_ms, alarm.happened_by):
            continue
        alarm.happened_ms, alarm.happened_error_ms, alarm.happened_by = told
        uow.session.add(alarm)
        uow.session.flush()
        incident = uow.session.get(Incident, alarm.incident_id) if alarm.incident_id else None
        if incident is not None and (incident.alarm_id, incident.kind) == (alarm.alarm_id, alarm.kind):
            incident.happened_ms, incident.happened_error_ms, incident.happened_by = told
            incident.clock_doubt = doubts_clock(alarm.pressed_ms - told.at_ms, told.error_ms)
            uow.session.add(incident)
            uow.session.flush()
            tell_changed(uow, incident)
    return left


def open_incident(uow: UnitOfWork, incident: Incident, detail: dict[str, Any]) -> Incident:
    """Insert a new incident with its first timeline entry and tell the screens."""
    uow.session.add(incident)
    uow.session.flush()
    add_entry(uow, incident.id, "opened", f"kit:{incident.kit_id}", detail)
    uow.emit(INCIDENT_OPENED, incident.court_code, queries.describe(incident))
    return incident


def find_open_incident(uow: UnitOfWork, kit_no: int, kind: str) -> Incident | None:
    """Return the newest incident of this kit and kind that is not closed."""
    query = select(Incident).where(Incident.kit_no == kit_no, Incident.kind == kind, Incident.state != "closed")
    return uow.session.exec(query.order_by(col(Incident.received_ms).desc()).limit(1)).first()


def find_incident_of_alarm(uow: UnitOfWork, kit_no: int, alarm_id: str) -> Incident | None:
    """Return the incident an alarm of this kit opened."""
    query = select(Incident).where(Incident.kit_no == kit_no, Incident.alarm_id == alarm_id)
    return uow.session.exec(query).first()


def mark_withdrawn(uow: UnitOfWork, incident: Incident, detail: dict[str, Any]) -> bool:
    """Mark an incident as withdrawn by the officer; it stays in the queue until a person closes it."""
    rule = update(Incident).where(col(Incident.id) == incident.id, col(Incident.withdrawn_ms).is_(None))
    if not uow.connection.execute(rule.values(withdrawn_ms=uow.now_ms)).rowcount:
        return False
    add_entry(uow, incident.id, "withdrawn", f"kit:{incident.kit_id}", detail)
    tell_changed(uow, incident)
    return True


def change_state(uow: UnitOfWork, incident_id: str, act: str, *, by: str, note: str) -> Incident:
    """Carry out `acknowledge` or `close` by a person's name.

    Raises NotFoundError, or ConflictError (AlreadyAcknowledged, NotAcknowledged, IncidentClosed).
    """
    state_before = next(state for state, acts in rules.TRANSITIONS.items() if act in acts)
    state = rules.TRANSITIONS[state_before][act]
    rule = update(Incident).where(col(Incident.id) == incident_id, col(Incident.state) == state_before)
    stamp = {f"{state}_ms": uow.now_ms, f"{state}_by": by}
    done = uow.connection.execute(rule.values(state=state, **stamp)).rowcount
    incident = uow.session.get(Incident, incident_id, populate_existing=True)
    if incident is None:
        raise NotFoundError("There is no such incident in your courts; see the alarm queue.")
    if not done:
        raise rules.refuse_act(incident.state, act, incident.acknowledged_by)
    add_entry(uow, incident_id, state, by, {"note": note} if note else {})
    tell_changed(uow, incident)
    return incident


def note_felt(uow: UnitOfWork, kit: KitRef, alarm_id: str, detail: dict[str, Any]) -> Incident | None:
    """Note that the officer felt the acknowledgement; None when there is no such incident or it was noted before."""
    incident = find_incident_of_alarm(uow, kit.kit_no, alarm_id)
    if incident is None:
        return None
    rule = update(Incident).where(col(Incident.id) == incident.id, col(Incident.felt_ms).is_(None))
    if not uow.connection.execute(rule.values(felt_ms=uow.now_ms)).rowcount:
        return None
    add_entry(uow, incident.id, "felt", f"kit:{kit.kit_id}", detail)
    tell_changed(uow, incident)
    return incident


def add_entry(uow: UnitOfWork, incident_id: str, kind: str, actor: str, detail: dict[str, Any]) -> None:
    """Append a line to the timeline."""
    entry = IncidentEntry(incident_id=incident_id, at_ms=uow.now_ms, kind=kind, actor=actor, detail=detail)
    uow.session.add(entry)
    uow.session.flush()


def tell_changed(uow: UnitOfWork, incident: Incident) -> None:
    """Tell the screens the incident as it now stands in the database."""
    uow.session.refresh(incident)
    uow.emit(INCIDENT_CHANGED, incident.court_code, queries.describe(incident))
