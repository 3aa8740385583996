"""Remote command across the rooms: from an incident, a task, an officer's press; what kits answer (seed 13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import update
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.cases.sight import list_barred_numbers
from central.command import queries, rules, service, session_rights
from central.command.entries import tell_changed
from central.command.instructions import find_order_at
from central.command.models import CommandRequest, CommandSession, SessionKit
from central.command.service import Ask, Terms
from central.courts.permissions import Actor, check_permission, may
from central.devices import tasks as devices_tasks
from central.devices.rules import KitRef
from central.devices.tasks import TaskView
from central.devices.times import Moment
from central.flows.emergency import list_tied
from central.incidents import queries as incidents_queries
from central.incidents import service as incidents
from central.incidents.models import Incident, RecordingCall
from contract.messages import Alarm, CommandReceipt

_OPEN_SOS: Final = ("open", "acknowledged")
# What a kit says of its call that the session's record keeps; "received" is the machine's alone.
_TOLD: Final = frozenset({"felt", "read", "accepted", "refused", "done", "failed"})


@dataclass(frozen=True)
class Proposal:
    """What the form is filled with when it is opened from an incident, a task or a kit."""

    ground: str = "other"
    ground_ref: str = ""
    kits: tuple[str, ...] = ()
    is_emergency: bool = False
    """Whether a duty operator may begin at once."""


def propose(
    session: Session, actor: Actor, *, incident_id: str = "", task: str = "", kit_id: str = "", now_ms: int
) -> Proposal:
    """Return what is known already; raises ForbiddenError, NotFoundError. ``task`` reads ``kit id/number``."""
    if incident_id:
        incident = incidents_queries.get_incident(session, actor, incident_id)
        kits = (incident.kit_id, *_list_called(session, incident))
        return Proposal("incident", incident.id, tuple(dict.fromkeys(kits)), _is_emergency(incident))
    if task:
        at, _, number = task.partition("/")
        view = _get_task(session, actor, at, number, now_ms=now_ms)
        return Proposal("task", f"{view.kit.kit_id}/{view.entry.number}", (view.kit.kit_id,))
    if kit_id:
        sos = _find_sos(session, kit_id)
        if sos is not None and may(actor, "see_incidents", sos.court_code):
            return Proposal("incident", sos.id, (kit_id,), True)
        return Proposal(kits=(kit_id,))
    return Proposal()


def ask_command(uow: UnitOfWork, actor: Actor, ask: Ask) -> CommandRequest:
    """Ask for a remote command; an incident or task that is named must be one the actor sees.

    Raises ForbiddenError, NotFoundError, CommandDraftError, CommandKitError.
    """
    if ask.ground == "incident":
        incidents_queries.get_incident(uow.session, actor, ask.ground_ref)
    elif ask.ground == "task":
        at, _, number = ask.ground_ref.partition("/")
        _get_task(uow.session, actor, at, number, now_ms=uow.now_ms)
    elif ask.ground == "watch_me":
        raise rules.CommandDraftError("An officer asks to be watched on his kit; choose another ground.")
    else:
        ask = replace(ask, ground_ref="")
    return service.ask_command(uow, actor, ask)


def begin_session(uow: UnitOfWork, actor: Actor, request_id: str, *, url: str) -> CommandSession:
    """Begin what was granted; raises as `command.service.begin_session`."""
    session = service.begin_session(uow, actor, request_id, url=url)
    _note_on_incident(uow, actor, session)
    return session


def begin_at_once(
    uow: UnitOfWork, actor: Actor, *, incident_id: str, kits: Sequence[str], terms: Terms, url: str
) -> CommandSession:
    """Begin without waiting for a decision, for an SOS that is not over (clause 13; domain: emergencies).

    A commander so decides on his own motion; a duty operator's act must be ratified within a day.
    Raises ForbiddenError, NotFoundError, NoEmergencyError, CommandDraftError, CommandKitError, and EmergencyKitError
    for a kit that the SOS is not about.
    """
    check_permission(actor, "start_command")
    incident = incidents_queries.get_incident(uow.session, actor, incident_id)
    if not _is_emergency(incident):
        raise rules.NoEmergencyError("This incident is no SOS or is over; ask for a decision instead.")
    reason = terms.reason.strip() or f"SOS {incident.kit_id}"
    ask = Ask(list(kits) or [incident.kit_id], reason, "incident", incident.id)
    request = service.ask_command(uow, actor, ask)
    return _decide_and_begin(uow, actor, request, terms, url=url)


def answer_watch_me(uow: UnitOfWork, actor: Actor, request_id: str, *, terms: Terms, url: str) -> CommandSession:
    """Begin a session because the officer himself asks to be watched: his press is the request.

    A commander decides it at once; a duty operator's act must be ratified within a day. A superior court may answer
    where the officer's own does not. Raises as `begin_at_once`, and RequestStateError.
    """
    check_permission(actor, "start_command")
    request = queries.get_request(uow.session, actor, request_id).request
    if request.ground != "watch_me":
        raise rules.NoEmergencyError("No officer asked for this; it needs a decision.")
    if request.state != "asked":
        raise rules.refuse_request(request.state)
    check_permission(actor, "start_command", request.commanding_court)
    if request.commanding_court != actor.court_code:
        taken = update(CommandRequest).where(col(CommandRequest.id) == request.id)
        uow.connection.execute(taken.values(commanding_court=actor.court_code))
        uow.session.refresh(request)
    return _decide_and_begin(uow, actor, request, terms, url=url)


def _decide_and_begin(
    uow: UnitOfWork, actor: Actor, request: CommandRequest, terms: Terms, *, url: str
) -> CommandSession:
    kind = "emergency"
    if session_rights.may_decide(actor, request.commanding_court):
        kind = rules.check_own_request(actor, request.requester_id, request.commanding_court)
    tied = list_tied(uow.session, actor, request, now_ms=uow.now_ms) if kind == "emergency" else ()
    service.decide(uow, request, actor, kind=kind, verdict="granted", terms=terms, tied=tied)
    return begin_session(uow, actor, request.id, url=url)


def add_kit(uow: UnitOfWork, actor: Actor, session_id: str, kit_id: str, *, url: str, reason: str = "") -> SessionKit:
    """Take a further kit in; raises as `command.service.add_kit`, told which kits the emergency is about."""
    request = queries.get_session(uow.session, actor, session_id).request
    tied = list_tied(uow.session, actor, request, now_ms=uow.now_ms)
    return service.add_kit(uow, actor, session_id, kit_id, url=url, reason=reason, tied=tied)


def ratify(uow: UnitOfWork, actor: Actor, request_id: str, *, verdict: str, reason: str) -> None:
    """Ratify an emergency; one that is disapproved ends at once. Raises as `command.service.ratify`."""
    service.ratify(uow, actor, request_id, verdict=verdict, reason=reason)
    session = queries.get_request(uow.session, actor, request_id).session
    if session is None:
        return
    service.add_entry(uow, session.id, "ratified", actor.name, {"verdict": verdict, "reason": reason})
    if verdict == "disapproved" and session.ended_ms is None and session.until_ms > uow.now_ms:
        service.end_session(uow, actor, session.id, reason)


def receive_watch_me(uow: UnitOfWork, kit: KitRef, alarm: Alarm) -> None:
    """An officer asks to be watched: a request of his own court, for whoever may begin or decide."""
    withdrawn = incidents.find_alarm(uow, kit.kit_no, alarm.alarm_id, "watch_me_withdrawn")
    if withdrawn is not None:  # it overtook the press on the way
        return
    request = CommandRequest(
        commanding_court=kit.court_code,
        requesting_court=kit.court_code,
        ground="watch_me",
        ground_ref=alarm.alarm_id,
        reason=alarm.note[: rules.MAX_REASON_CHARS] or f"watch_me {kit.kit_id}",
        kits=[kit.kit_id],
        requested_by=f"kit:{kit.kit_id}",
        requested_ms=uow.now_ms,
        state_ms=uow.now_ms,
    )
    service.keep_request(uow, request, actor=f"kit:{kit.kit_id}")


def note_receipt(
    uow: UnitOfWork, kit: KitRef, receipt: CommandReceipt, *, kind: str, body: Mapping[str, Any], moment: Moment
) -> None:
    """Write what a kit or its officer answered to a call or a numbered order into the session's record.

    ``kind`` and ``body`` are those of the directive, ``moment`` is when the kit wrote the receipt.
    """
    session = uow.session.get(CommandSession, str(body.get("session", "")))
    if session is None or receipt.state not in _TOLD or body.get("on") is False:
        return
    detail: dict[str, Any] = {
        "kit": kit.kit_id,
        "state": receipt.state,
        "note": receipt.note,
        "kit_at_ms": receipt.at_ms,
        **moment._asdict(),
    }
    entry = "told"
    if kind == "instruct":
        order = find_order_at(uow.session, kit.kit_no, receipt.number)
        detail["no"] = order.no if order else None
        entry = "read_back" if receipt.state == "accepted" else "told"
    service.add_entry(uow, session.id, entry, f"kit:{kit.kit_id}", detail)
    tell_changed(uow, session, [kit.kit_id], entry, {kit.court_code})


def list_watch_me(session: Session, actor: Actor) -> list[queries.RequestView]:
    """Return the officers who ask to be watched and whom nobody has answered, longest waiting first."""
    if not (actor.has_right("start_command") or actor.has_right("decide_command")):
        return []
    views = queries.list_requests(session, actor, states=("asked",))
    found = [view for view in views if view.request.ground == "watch_me"]
    return sorted(found, key=lambda view: view.request.requested_ms)


def _get_task(session: Session, actor: Actor, kit_id: str, number: str, *, now_ms: int) -> TaskView:
    """A task that the actor sees; raises NotFoundError, also where he is recused from its case."""
    view = devices_tasks.get_task(session, actor, kit_id, _to_number(number), now_ms=now_ms)
    if view.body.get("case_no", "") in list_barred_numbers(session, actor):
        raise NotFoundError("There is no such task in your courts; see the list.")
    return view


def _note_on_incident(uow: UnitOfWork, actor: Actor, session: CommandSession) -> None:
    view = queries.get_session(uow.session, actor, session.id)
    if view.request.ground != "incident":
        return
    incident = uow.session.get(Incident, view.request.ground_ref)
    if incident is not None:
        incidents.add_entry(uow, incident.id, "command", actor.name, {"session": session.id})
        incidents.tell_changed(uow, incident)


def _is_emergency(incident: Incident) -> bool:
    return incident.kind == "sos" and incident.state in _OPEN_SOS


def _find_sos(session: Session, kit_id: str) -> Incident | None:
    query = select(Incident).where(
        Incident.kit_id == kit_id, Incident.kind == "sos", col(Incident.state).in_(_OPEN_SOS)
    )
    return session.exec(query.order_by(col(Incident.received_ms).desc()).limit(1)).first()


def _list_called(session: Session, incident: Incident) -> list[str]:
    """The kits that record together with an incident's, nearest first."""
    query = select(RecordingCall).where(
        RecordingCall.call_id == incident.alarm_id, col(RecordingCall.ended_ms).is_(None)
    )
    rows = session.exec(query.order_by(col(RecordingCall.distance_m))).all()
    return [row.kit_id for row in rows if row.kit_id != incident.kit_id]


def _to_number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 16 else 0
