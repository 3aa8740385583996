"""A session of remote command: beginning, who joins and leaves, ending. Kits are called by their mailbox."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.command import cameras, queries, rules
from central.command.entries import add_entry, note_act, tell_changed
from central.command.models import CommandDecision, CommandRequest, CommandSession, SessionGuest, SessionKit
from central.command.queries import SessionView
from central.command.requests import check_kit, find_officer
from central.courts.permissions import Actor, check_permission
from central.courts.queries import get_court
from central.devices import service as devices
from central.devices.models import Kit
from central.devices.rules import KitRef
from central.people.models import User
from central.people.rules import normalise_login

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
    if not rules.may_lead(actor, court_code):
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
        _join(uow, session, kit, actor, decision, url=url)
    note_act(
        uow, "session:begin", actor=actor.audit_name, court_code=session.court_code, subject=session.id,
        purpose=session.purpose, kits=request.kits, kind=decision.kind, until_ms=session.until_ms,
        request=request.id,
    )  # fmt: skip
    _tell(uow, session, "begun")
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


def add_kit(
    uow: UnitOfWork,
    actor: Actor,
    session_id: str,
    kit_id: str,
    *,
    url: str,
    reason: str = "",
    tied: Collection[str] = (),
) -> SessionKit:
    """Take a further kit into a session, for a reason that goes on record.

    ``tied``: the kits that an emergency is about; while that is not ratified, any other needs a reason of its own.
    Raises as `end_session`, and CommandKitError, InSessionError, EmergencyKitError.
    """
    view = get_to_lead(uow, actor, session_id)
    kit = check_kit(uow, view.session.court_code, kit_id.strip())
    reason = rules.clean(reason, "reason", needed=False)
    if kit.kit_id not in view.request.kits:
        _check_beyond(actor, view, "A kit that the decision does not name")
        if not reason and not rules.may_decide(actor, view.session.court_code):
            rules.check_tied([kit.kit_id], tied)
    row = _join(uow, view.session, kit, actor, view.decision, url=url, reason=reason)
    note_act(
        uow, "session:add_kit", actor=actor.audit_name, court_code=view.session.court_code, subject=session_id,
        kit=kit_id, purpose=reason,
    )  # fmt: skip
    _tell(uow, view.session, "kit_joined")
    return row


def remove_kit(uow: UnitOfWork, actor: Actor, session_id: str, kit_id: str) -> None:
    """Let a kit go before the session ends. Raises as `end_session`."""
    view = get_to_lead(uow, actor, session_id)
    row = _get_present(view, kit_id)
    _leave(uow, view.session, row, name=actor.name)
    note_act(
        uow, "session:remove_kit", actor=actor.audit_name, court_code=view.session.court_code, subject=session_id,
        kit=kit_id,
    )  # fmt: skip
    _tell(uow, view.session, "kit_left")


def call_again(uow: UnitOfWork, actor: Actor, session_id: str, kit_id: str, *, url: str) -> None:
    """Call a kit that did not hear the first call. Raises as `end_session`, and CommandKitError."""
    view = get_to_lead(uow, actor, session_id)
    row = _get_present(view, kit_id)
    kit = check_kit(uow, view.session.court_code, kit_id)
    row.order_no = _call(uow, view.session, kit, view.decision, url=url)
    uow.session.add(row)
    add_entry(uow, session_id, "called_again", actor.name, {"kit": kit_id, "number": row.order_no})
    _tell(uow, view.session, "called_again")


def invite(uow: UnitOfWork, actor: Actor, session_id: str, kind: str, ref: str) -> SessionGuest:
    """Take in another court's hall by its code, a person by log-in, or a camera of one's courts by its id.

    Raises as `end_session`, and NotFoundError (nobody of that log-in, no such camera), InSessionError.
    """
    view = get_to_lead(uow, actor, session_id)
    rules.check_choice(kind, rules.GUEST_KINDS, "kind of guest")
    ref, name, court_code = _find_guest(uow, actor, kind, ref.strip())
    if any((guest.kind, guest.ref) == (kind, ref) for guest in view.present_guests):
        raise rules.InSessionError(f"{name} is in the session already.")
    guest = SessionGuest(
        session_id=session_id, kind=kind, ref=ref, name=name[:100], court_code=court_code, by=actor.name,
        joined_ms=uow.now_ms,
    )  # fmt: skip
    uow.session.add(guest)
    uow.session.flush()
    add_entry(uow, session_id, "invited", actor.name, {"kind": kind, "ref": ref, "name": guest.name})
    note_act(
        uow, "session:invite", actor=actor.audit_name, court_code=view.session.court_code, subject=session_id,
        kind=kind, ref=ref,
    )  # fmt: skip
    _tell(uow, view.session, "invited", {court_code} if court_code else set())
    return guest


def uninvite(uow: UnitOfWork, actor: Actor, session_id: str, guest_id: int) -> None:
    """Take a guest out; the relay cuts him within a second. Raises as `end_session`."""
    view = get_to_lead(uow, actor, session_id)
    guest = next((row for row in view.present_guests if row.id == guest_id), None)
    if guest is None:
        raise NotFoundError("There is nobody of that name in the session; look at it again.")
    guest.left_ms = uow.now_ms
    uow.session.add(guest)
    add_entry(uow, session_id, "uninvited", actor.name, {"kind": guest.kind, "ref": guest.ref, "name": guest.name})
    note_act(
        uow, "session:uninvite", actor=actor.audit_name, court_code=view.session.court_code, subject=session_id,
        kind=guest.kind, ref=guest.ref,
    )  # fmt: skip
    _tell(uow, view.session, "uninvited", {guest.court_code} if guest.court_code else set())


def set_voice(uow: UnitOfWork, actor: Actor, session_id: str, voice: str) -> None:
    """Change how the officers' microphones are open; the relay tells them. Raises as `end_session`."""
    view = get_to_lead(uow, actor, session_id)
    rules.check_choice(voice, rules.VOICES, "voice")
    if rules.opens_more(voice, view.decision.voice):
        _check_beyond(actor, view, "A microphone that is open more than was decided")
    view.session.voice = voice
    uow.session.add(view.session)
    add_entry(uow, session_id, "voice_set", actor.name, {"voice": voice})
    note_act(
        uow, "session:voice", actor=actor.audit_name, court_code=view.session.court_code, subject=session_id,
        voice=voice,
    )  # fmt: skip
    _tell(uow, view.session, "voice_set")


def get_to_lead(uow: UnitOfWork, actor: Actor, session_id: str) -> SessionView:
    """Return a session that goes on and that the actor leads; raises as `end_session`."""
    view = queries.get_session(uow.session, actor, session_id)
    check_leads(actor, view.session.court_code)
    check_open(view, uow.now_ms)
    return view


def _check_beyond(actor: Actor, view: SessionView, what: str) -> None:
    """Raise DecisionError unless the actor decides, or acts in an emergency that is still to be ratified."""
    if rules.may_decide(actor, view.session.court_code) or (
        view.decision.kind == "emergency" and not view.decision.ratified
    ):
        return
    raise rules.DecisionError(f"{what} needs somebody who decides for the commanding court; ask him to add it.")


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


def _join(
    uow: UnitOfWork,
    session: CommandSession,
    kit: KitRef,
    actor: Actor,
    decision: CommandDecision,
    *,
    url: str,
    reason: str = "",
) -> SessionKit:
    number = _call(uow, session, kit, decision, url=url)
    row = SessionKit(
        session_id=session.id,
        kit_no=kit.kit_no,
        kit_id=kit.kit_id,
        court_code=kit.court_code,
        officer=find_officer(uow, kit.kit_id),
        joined_ms=uow.now_ms,
        order_no=number,
    )
    try:
        with uow.session.begin_nested():
            uow.session.add(row)
            uow.session.flush()
    except IntegrityError as error:
        raise rules.InSessionError(f"Kit {kit.kit_id} is in the session already.") from error
    joined = {"kit": kit.kit_id, "court": kit.court_code, "officer": row.officer, "number": number}
    if reason:
        joined["reason"] = reason
    add_entry(uow, session.id, "kit_joined", actor.name, joined)
    return row


def _call(uow: UnitOfWork, session: CommandSession, kit: KitRef, decision: CommandDecision, *, url: str) -> int:
    court = get_court(uow.session, session.court_code)
    body: dict[str, Any] = {
        "session": session.id,
        "on": True,
        "url": url,
        "until_ms": session.until_ms,
        "by": decision.decided_by[:64],
        "court": court.name_zh[:64],
        "purpose": session.purpose,
        "voice": session.voice,
    }
    entry = devices.put_directive(uow, kit, kind="live", body=body, expires_ms=uow.now_ms + rules.CALL_MS)
    return entry.number


def _leave(uow: UnitOfWork, session: CommandSession, row: SessionKit, *, name: str) -> None:
    row.left_ms = uow.now_ms
    uow.session.add(row)
    kit = KitRef(row.kit_no, row.kit_id, row.court_code)
    devices.void_waiting(uow, kit, row.order_no)
    # It may have heard the call without our knowing; the end is for whenever it comes back, and does not expire.
    devices.put_directive(uow, kit, kind="live", body={"session": session.id, "on": False, "by": name[:64]})
    add_entry(uow, session.id, "kit_left", name, {"kit": row.kit_id})


def _close(uow: UnitOfWork, session: CommandSession, *, name: str, actor: str, reason: str) -> None:
    rule = update(CommandSession).where(col(CommandSession.id) == session.id, col(CommandSession.ended_ms).is_(None))
    stamp = {"ended_ms": uow.now_ms, "ended_by": name, "end_reason": reason}
    if not uow.connection.execute(rule.values(**stamp)).rowcount:
        raise rules.SessionEndedError("Somebody has ended this session meanwhile; look at its record.")
    uow.session.refresh(session)
    query = select(SessionKit).where(SessionKit.session_id == session.id, col(SessionKit.left_ms).is_(None))
    kits = uow.session.exec(query).all()
    courts = _list_courts(uow, session)
    for row in kits:
        _leave(uow, session, row, name=name)
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


def _get_present(view: SessionView, kit_id: str) -> SessionKit:
    for row in view.present:
        if row.kit_id == kit_id:
            return row
    raise NotFoundError(f"Kit {kit_id[:40]!r} is not in this session; look at it again.")


def _find_guest(uow: UnitOfWork, actor: Actor, kind: str, ref: str) -> tuple[str, str, str]:
    """Return reference, name and court of whom is invited."""
    if kind == "court":
        court = get_court(uow.session, ref)
        return court.code, court.name_zh, court.code
    if kind == "camera":
        camera = cameras.get_choice(uow.session, actor, ref)
        return camera.id, camera.name, ""
    user = uow.session.exec(select(User).where(User.login == normalise_login(ref))).first()
    if user is None or user.disabled_ms is not None:
        raise NotFoundError("There is nobody of that log-in; ask the administrator of the court.")
    return user.id, user.name, user.court_code


def _list_courts(uow: UnitOfWork, session: CommandSession) -> set[str]:
    open_ = queries.find_open(uow.session, session.id)
    kits = uow.session.exec(
        select(Kit.court_code)
        .join(SessionKit, col(SessionKit.kit_no) == Kit.kit_no)
        .where(SessionKit.session_id == session.id)
    ).all()
    return set(kits) | (set(open_.courts) if open_ else set())


def _tell(uow: UnitOfWork, session: CommandSession, change: str, courts: set[str] | None = None) -> None:
    open_ = queries.find_open(uow.session, session.id)
    kits = list(open_.kits) if open_ else []
    tell_changed(uow, session, kits, change, _list_courts(uow, session) | (courts or set()))
