"""Who joins and leaves a session that goes on: kits, other courts' halls, persons, cameras; and how they speak."""

from __future__ import annotations

from collections.abc import Collection

from sqlmodel import select

from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.command import cameras, rules, session_rights
from central.command.calls import call_kit, join_kit, let_go, tell
from central.command.entries import add_entry, note_act
from central.command.models import SessionGuest, SessionKit
from central.command.queries import SessionView
from central.command.requests import check_kit
from central.command.sessions import get_to_lead
from central.courts.permissions import Actor
from central.courts.queries import get_court
from central.people.models import User
from central.people.rules import normalise_login


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
        if not reason and not session_rights.may_decide(actor, view.session.court_code):
            rules.check_tied([kit.kit_id], tied)
    row = join_kit(uow, view.session, kit, actor, view.decision, url=url, reason=reason)
    note_act(
        uow, "session:add_kit", actor=actor.audit_name, court_code=view.session.court_code, subject=session_id,
        kit=kit_id, purpose=reason,
    )  # fmt: skip
    tell(uow, view.session, "kit_joined")
    return row


def remove_kit(uow: UnitOfWork, actor: Actor, session_id: str, kit_id: str) -> None:
    """Let a kit go before the session ends. Raises as `end_session`."""
    view = get_to_lead(uow, actor, session_id)
    row = _get_present(view, kit_id)
    let_go(uow, view.session, row, name=actor.name)
    note_act(
        uow, "session:remove_kit", actor=actor.audit_name, court_code=view.session.court_code, subject=session_id,
        kit=kit_id,
    )  # fmt: skip
    tell(uow, view.session, "kit_left")


def call_again(uow: UnitOfWork, actor: Actor, session_id: str, kit_id: str, *, url: str) -> None:
    """Call a kit that did not hear the first call. Raises as `end_session`, and CommandKitError."""
    view = get_to_lead(uow, actor, session_id)
    row = _get_present(view, kit_id)
    kit = check_kit(uow, view.session.court_code, kit_id)
    row.order_no = call_kit(uow, view.session, kit, view.decision, url=url)
    uow.session.add(row)
    add_entry(uow, session_id, "called_again", actor.name, {"kit": kit_id, "number": row.order_no})
    tell(uow, view.session, "called_again")


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
    tell(uow, view.session, "invited", {court_code} if court_code else set())
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
    tell(uow, view.session, "uninvited", {guest.court_code} if guest.court_code else set())


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
    tell(uow, view.session, "voice_set")


def _check_beyond(actor: Actor, view: SessionView, what: str) -> None:
    """Raise DecisionError unless the actor decides, or acts in an emergency that is still to be ratified."""
    if session_rights.may_decide(actor, view.session.court_code) or (
        view.decision.kind == "emergency" and not view.decision.ratified
    ):
        return
    raise rules.DecisionError(f"{what} needs somebody who decides for the commanding court; ask him to add it.")


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
