"""A person takes an alarm, or closes an incident; the officer is told through the kit's mailbox."""

from __future__ import annotations

from central.audit import service as audit
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission
from central.devices import queries as devices_queries
from central.devices import service as devices
from central.flows.together import end_call
from central.incidents import queries, rules
from central.incidents import service as incidents
from central.incidents.models import Incident


def acknowledge_incident(uow: UnitOfWork, actor: Actor, incident_id: str, note: str = "") -> Incident:
    """Take an alarm: the incident is acknowledged and the kit gets `sos_ack`, in one transaction.

    Raises ForbiddenError, NotFoundError, AlreadyAcknowledgedError (says who), IncidentClosedError.
    """
    found = queries.get_incident(uow.session, actor, incident_id)
    check_permission(actor, "acknowledge_alarm", found.court_code)
    note = rules.check_note(note)
    incident = incidents.change_state(uow, incident_id, "acknowledge", by=actor.name, note=note)
    kit = devices_queries.find_kit_ref(uow.session, incident.kit_id)
    if kit is not None:
        body = {"alarm_id": incident.alarm_id, "by": actor.name[:64], "at_ms": uow.now_ms, "note": note}
        devices.put_directive(uow, kit, kind="sos_ack", body=body)
    _audit(uow, actor, incident, "incidents:alarm:acknowledge", note)
    return incident


def close_incident(uow: UnitOfWork, actor: Actor, incident_id: str, note: str) -> Incident:
    """Close an acknowledged incident with a note on how it ended.

    Raises ForbiddenError, NotFoundError, InvalidInputError (empty note), NotAcknowledgedError, IncidentClosedError.
    """
    found = queries.get_incident(uow.session, actor, incident_id)
    check_permission(actor, "close_incident", found.court_code)
    note = rules.check_closing_note(note)
    incident = incidents.change_state(uow, incident_id, "close", by=actor.name, note=note)
    end_call(uow, incident, actor=actor.audit_name, with_own=True)
    _audit(uow, actor, incident, "incidents:incident:close", note)
    return incident


def add_note(uow: UnitOfWork, actor: Actor, incident_id: str, note: str) -> Incident:
    """Write a line into the timeline of an incident. Raises ForbiddenError, NotFoundError, InvalidInputError."""
    incident = queries.get_incident(uow.session, actor, incident_id)
    check_permission(actor, "acknowledge_alarm", incident.court_code)
    note = rules.check_closing_note(note)
    incidents.add_entry(uow, incident.id, "note", actor.name, {"note": note})
    incidents.tell_changed(uow, incident)
    _audit(uow, actor, incident, "incidents:incident:note", note)
    return incident


def _audit(uow: UnitOfWork, actor: Actor, incident: Incident, action: str, note: str) -> None:
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=incident.court_code,
        action=action,
        subject=incident.id,
        purpose=note,
        detail={"kit_id": incident.kit_id, "alarm_id": incident.alarm_id},
    )
