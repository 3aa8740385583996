"""Reads of the incidents room, narrowed to what the actor may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.courts.permissions import Actor, check_permission
from central.courts.queries import in_scope
from central.devices.models import Kit
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


def list_kit_alarms(session: Session, actor: Actor, kit_id: str, *, limit: int = 100) -> Sequence[AlarmRecord]:
    """Return the newest alarms and marks of one kit."""
    check_permission(actor, "see_incidents")
    query = select(AlarmRecord).join(Kit, col(Kit.kit_no) == AlarmRecord.kit_no)
    query = query.where(Kit.kit_id == kit_id, in_scope(AlarmRecord.court_code, actor))
    return session.exec(query.order_by(col(AlarmRecord.received_ms).desc()).limit(limit)).all()


def list_recording_alarms(session: Session, actor: Actor, recording_id: str) -> Sequence[AlarmRecord]:
    """Return alarms and marks made while `recording_id` was recorded, oldest first."""
    check_permission(actor, "see_incidents")
    query = select(AlarmRecord).where(
        AlarmRecord.recording_id == recording_id, in_scope(AlarmRecord.court_code, actor)
    )
    return session.exec(query.order_by(col(AlarmRecord.received_ms))).all()


def count_by_state(session: Session, actor: Actor) -> dict[str, int]:
    """Return how many incidents of the actor's courts are in each state."""
    check_permission(actor, "see_incidents")
    query = select(Incident.state, func.count()).where(in_scope(Incident.court_code, actor)).group_by(Incident.state)
    return dict(session.exec(query).all())


def describe(incident: Incident) -> dict[str, Any]:
    """Return an incident as screens get it in events: plain JSON values."""
    return incident.model_dump(exclude={"kit_no"})
