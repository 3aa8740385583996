"""Reads of the incidents room, narrowed to what the actor may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.courts.permissions import Actor, check_permission
from central.courts.queries import in_scope
from central.devices.boots import place_kit
from central.devices.models import Kit
from central.devices.times import Moment, PlacedBoot, Told, tell_answer
from central.incidents.models import AlarmRecord, Incident, IncidentEntry


def list_incidents(
    session: Session, actor: Actor, *, states: Sequence[str] = ("open", "acknowledged"), limit: int = 200
) -> Sequence[Incident]:
    """Return incidents of the actor's courts, newest received first; raises ForbiddenError without the right."""
    check_permission(actor, "see_incidents")
    query = select(Incident).where(col(Incident.state).in_(states), in_scope(Incident.court_code, actor))
    return session.exec(query.order_by(col(Incident.received_ms).desc()).limit(limit)).all()


def get_incident(session: Session, actor: Actor, incident_id: str) -> Incident:
    """Return one incident; raises NotFoundError when it does not exist or is outside the actor's courts."""
    check_permission(actor, "see_incidents")
    query = select(Incident).where(Incident.id == incident_id, in_scope(Incident.court_code, actor))
    incident = session.exec(query).first()
    if incident is None:
        raise NotFoundError("There is no such incident in your courts; see the alarm queue.")
    return incident


def list_timeline(session: Session, actor: Actor, incident_id: str) -> Sequence[IncidentEntry]:
    """Return the timeline of an incident, oldest first; raises NotFoundError like `get_incident`."""
    incident = get_incident(session, actor, incident_id)
    query = select(IncidentEntry).where(IncidentEntry.incident_id == incident.id)
    return session.exec(query.order_by(col(IncidentEntry.id))).all()


@dataclass(frozen=True)
class TimelineLine:
    """A line of the timeline, and when it happened at the kit; None: it happened at the centre, at `entry.at_ms`."""

    entry: IncidentEntry
    told: Told | None

    @property
    def at_ms(self) -> int:
        """The time it stands at."""
        return self.entry.at_ms if self.told is None else min(self.told.at_ms, self.entry.at_ms)


def tell_timeline(session: Session, actor: Actor, incident_id: str) -> list[TimelineLine]:
    """Return the timeline in the order in which it happened, acts at the kit by their own time; raises as above."""
    entries = list_timeline(session, actor, incident_id)
    rows = session.exec(select(AlarmRecord).where(AlarmRecord.incident_id == incident_id)).all()
    alarms = {(row.alarm_id, row.kind): Told(row.happened_ms, row.happened_error_ms, row.happened_by) for row in rows}
    felt = [entry for entry in entries if "kit_at_ms" in entry.detail]
    boots = place_kit(session, get_incident(session, actor, incident_id).kit_no) if felt else {}
    taken_ms = min((entry.at_ms for entry in entries if entry.kind == "acknowledged"), default=0)
    lines = [
        TimelineLine(
            entry,
            _tell_receipt(entry, boots, taken_ms)
            if "kit_at_ms" in entry.detail
            else alarms.get((str(entry.detail.get("alarm_id")), str(entry.detail.get("alarm_kind")))),
        )
        for entry in entries
    ]
    return sorted(lines, key=lambda line: (line.at_ms, line.entry.id))


def _tell_receipt(entry: IncidentEntry, boots: Mapping[str, PlacedBoot], taken_ms: int) -> Told:
    """When the kit wrote the receipt that this line is about; the alarm was taken before."""
    moment = Moment(str(entry.detail.get("boot", "")), entry.detail.get("mono_ms"))
    wall_ms = int(entry.detail["kit_at_ms"])
    return tell_answer(boots, moment, wall_ms=wall_ms, received_ms=entry.at_ms, ordered_ms=taken_ms)


def list_kit_alarms(session: Session, actor: Actor, kit_id: str, *, limit: int = 100) -> Sequence[AlarmRecord]:
    """Return the newest alarms and marks of one kit by when they were pressed."""
    check_permission(actor, "see_incidents")
    query = select(AlarmRecord).join(Kit, col(Kit.kit_no) == AlarmRecord.kit_no)
    query = query.where(Kit.kit_id == kit_id, in_scope(AlarmRecord.court_code, actor))
    return session.exec(query.order_by(col(AlarmRecord.happened_ms).desc()).limit(limit)).all()


def list_recording_alarms(session: Session, actor: Actor, recording_id: str) -> Sequence[AlarmRecord]:
    """Return alarms and marks made while `recording_id` was recorded, oldest first."""
    check_permission(actor, "see_incidents")
    query = select(AlarmRecord).where(
        AlarmRecord.recording_id == recording_id, in_scope(AlarmRecord.court_code, actor)
    )
    return session.exec(query.order_by(col(AlarmRecord.happened_ms))).all()


def count_by_state(session: Session, actor: Actor) -> dict[str, int]:
    """Return how many incidents of the actor's courts are in each state."""
    check_permission(actor, "see_incidents")
    query = select(Incident.state, func.count()).where(in_scope(Incident.court_code, actor)).group_by(Incident.state)
    return dict(session.exec(query).all())


def describe(incident: Incident) -> dict[str, Any]:
    """Return an incident as screens get it in events: plain JSON values."""
    return incident.model_dump(exclude={"kit_no"})
