"""A session of remote command: how it begins and ends. Who joins and leaves meanwhile: `participants`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from central.base.unit_of_work import UnitOfWork
from central.command import queries, rules, session_rights
from central.command.calls import join_kit, let_go, list_courts, tell
from central.command.entries import add_entry, note_act, tell_changed
from central.command.models import CommandDecision, CommandRequest, CommandSession, SessionGuest, SessionKit
from central.command.queries import SessionView
from central.command.requests import check_kit
from central.courts.permissions import Actor, check_permission

SYSTEM: Final = "system:housekeeping"


def begin_session(uow: UnitOfWork, actor: Actor, request_id: str, *, url: str) -> CommandSession:
    """Begin the session that was granted on a request, and call its kits. ``url`` is the relay's, as kits get it.

    Raises ForbiddenError, NotFoundError, OtherCourtError, DecisionError (none, used, too old),
    CommandKitError.
    """
    check_permission(actor, "start_command")
    view = queries.get_request(uow.session, actor, request_id)
    check_leads(actor, view.request.commanding_court)
    if view.decision is None or not view.may_begin(uow.now_ms):
        raise rules.DecisionError("There is no decision that a session can begin on; ask for one, or see the list.")
    return open_session(uow, actor, view.request, view.decision, url=url)


def check_leads(actor: Actor, court_code: str) -> None:
    """Raise ForbiddenError or OtherCourtError unless the actor leads and ends sessions of ``court_code``."""
    if not actor.has_right("decide_command"):
        check_permission(actor, "start_command")
    if not session_rights.may_lead(actor, court_code):
        raise rules.OtherCourtError("A person of the commanding court itself does this; tell that court.")


def open_session(
    uow: UnitOfWork, actor: Actor, request: CommandRequest, decision: CommandDecision, *, url: str
) -> CommandSession:
    """Insert the session and its first lines, and call the kits; the database refuses one without grant."""
    kits = [check_kit(uow, request.commanding_court, kit_id) for kit_id in request.kits]
    session = CommandSession(
        decision_id=decision.id,
        court_code=request.commanding_court,
        requesting_court=request.requesting_court,
        purpose=request.reason,
        voice=decision.voice,
        begun_ms=uow.now_ms,
        begun_by=actor.name,
        until_ms=uow.now_ms + decision.minutes * 60_000,
    )
    try:
        with uow.session.begin_nested():  # the database decides between two who begin at once
            uow.session.add(session)
            uow.session.flush()
    except IntegrityError as error:
        raise rules.DecisionError("A session was begun on this decision already; see the list.") from error
    _write_beginning(uow, actor, session, request, decision)
    for kit in kits:
        join_kit(uow, session, kit, actor, decision, url=url)
    note_act(
        uow, "session:begin", actor=actor.audit_name, court_code=session.court_code, subject=session.id,
        purpose=session.purpose, kits=request.kits, kind=decision.kind, until_ms=session.until_ms,
        request=request.id,
    )  # fmt: skip
    tell(uow, session, "begun")
    return session


def end_session(uow: UnitOfWork, actor: Actor, session_id: str, reason: str = "") -> None:
    """End a session: every kit is told, the relay hears of it at once.

    Raises ForbiddenError, NotFoundError, SessionEndedError, OtherCourtError, CommandDraftError.
    """
    view = get_to_lead(uow, actor, session_id)
    reason = rules.clean(reason, "reason", needed=False)
    _close(uow, view.session, name=actor.name, actor=actor.audit_name, reason=reason)


def expire_sessions(uow: UnitOfWork) -> int:
    """End the sessions whose time is over; returns how many."""
    query = select(CommandSession).where(
        col(CommandSession.ended_ms).is_(None), CommandSession.until_ms <= uow.now_ms
    )
    found = uow.session.exec(query).all()
    for session in found:
        _close(uow, session, name=SYSTEM, actor=SYSTEM, reason="expired")
    return len(found)


def get_to_lead(uow: UnitOfWork, actor: Actor, session_id: str) -> SessionView:
    """Return a session that goes on and that the actor leads; raises as `end_session`."""
    view = queries.get_session(uow.session, actor, session_id)
    check_leads(actor, view.session.court_code)
    check_open(view, uow.now_ms)
    return view


def check_open(view: SessionView, now_ms: int) -> None:
    """Raise SessionEndedError when a session is over, by the clock too."""
    if not view.is_open or view.session.until_ms <= now_ms:
        raise rules.SessionEndedError("This session is over; look at its record.")


def _write_beginning(
    uow: UnitOfWork, actor: Actor, session: CommandSession, request: CommandRequest, decision: CommandDecision
) -> None:
    """The record opens with what the session stands on: request, decision, both courts, start and end."""
    asked = {
        "request": request.id,
        "court": request.requesting_court,
        "at_ms": request.requested_ms,
        "ground": request.ground,
        "ground_ref": request.ground_ref,
        "reason": request.reason,
        "kits": request.kits,
    }
    decided = {
        "decision": decision.id,
        "kind": decision.kind,
        "court": decision.court_code,
        "at_ms": decision.decided_ms,
        "reason": decision.reason,
        "minutes": decision.minutes,
        "voice": decision.voice,
        "ratify_due_ms": decision.ratify_due_ms,
    }
    add_entry(uow, session.id, "requested", request.requested_by, asked)
    add_entry(uow, session.id, "decided", decision.decided_by, decided)
    add_entry(uow, session.id, "begun", actor.name, {"until_ms": session.until_ms, "court": session.court_code})


def _close(uow: UnitOfWork, session: CommandSession, *, name: str, actor: str, reason: str) -> None:
    rule = update(CommandSession).where(col(CommandSession.id) == session.id, col(CommandSession.ended_ms).is_(None))
    stamp = {"ended_ms": uow.now_ms, "ended_by": name, "end_reason": reason}
    if not uow.connection.execute(rule.values(**stamp)).rowcount:
        raise rules.SessionEndedError("Somebody has ended this session meanwhile; look at its record.")
    uow.session.refresh(session)
    query = select(SessionKit).where(SessionKit.session_id == session.id, col(SessionKit.left_ms).is_(None))
    kits = uow.session.exec(query).all()
    courts = list_courts(uow, session)
    for row in kits:
        let_go(uow, session, row, name=name)
    guests = update(SessionGuest).where(
        col(SessionGuest.session_id) == session.id, col(SessionGuest.left_ms).is_(None)
    )
    uow.connection.execute(guests.values(left_ms=uow.now_ms))
    last = add_entry(uow, session.id, "ended", name, {"reason": reason, "begun_ms": session.begun_ms})
    note_act(
        uow, "session:end", actor=actor, court_code=session.court_code, subject=session.id, purpose=reason,
        entries=last.no, head=last.hash.hex(),
    )  # fmt: skip
    tell_changed(uow, session, [row.kit_id for row in kits], "ended", courts)
