"""Asking for a remote command, deciding on it, ratifying an emergency (seed 13)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select

from central.base.outbox import SESSION_CHANGED
from central.base.unit_of_work import UnitOfWork
from central.command import queries, rules, session_rights
from central.command.entries import note_act
from central.command.models import CommandDecision, CommandRequest
from central.courts.permissions import Actor, check_permission, sees_court
from central.courts.queries import get_court
from central.devices import lost
from central.devices.losses import OPEN_STATES
from central.devices.models import Kit
from central.devices.rules import KitRef

SYSTEM = "system:housekeeping"


@dataclass(frozen=True)
class Ask:
    """What somebody fills in to ask for a remote command. ``commanding_court`` empty: the own court."""

    kits: Sequence[str]
    reason: str
    ground: str = "other"
    ground_ref: str = ""
    commanding_court: str = ""


@dataclass(frozen=True)
class Terms:
    """On which terms a session is granted. ``longest``: the centre's limit of minutes."""

    minutes: int = 60
    voice: str = "ptt"
    reason: str = ""
    longest: int = 240


def ask_command(uow: UnitOfWork, actor: Actor, ask: Ask) -> CommandRequest:
    """Ask that a court commands kits of the actor's courts.

    Raises ForbiddenError, NotFoundError (a kit), CommandDraftError, CommandKitError (revoked or lost).
    """
    check_permission(actor, "request_command")
    commanding = ask.commanding_court or actor.court_code
    rules.check_commanding(actor.court_code, commanding)
    get_court(uow.session, commanding)
    kits = [check_kit(uow, actor.court_code, kit_id) for kit_id in rules.check_kits(ask.kits)]
    request = CommandRequest(
        commanding_court=commanding,
        requesting_court=actor.court_code,
        ground=rules.check_choice(ask.ground, rules.GROUNDS, "ground"),
        ground_ref=ask.ground_ref[:80],
        reason=rules.clean(ask.reason, "reason"),
        kits=[kit.kit_id for kit in kits],
        requested_by=actor.name,
        requester_id=actor.user_id,
        requested_ms=uow.now_ms,
        state_ms=uow.now_ms,
    )
    return keep_request(uow, request, actor=actor.audit_name)


def keep_request(uow: UnitOfWork, request: CommandRequest, *, actor: str) -> CommandRequest:
    """Insert a request, audited; both courts' screens hear of it. ``actor`` as the audit names it."""
    uow.session.add(request)
    uow.session.flush()
    note_act(
        uow, "request:ask", actor=actor, court_code=request.requesting_court, subject=request.id,
        purpose=request.reason, kits=request.kits, commanding_court=request.commanding_court, ground=request.ground,
        ground_ref=request.ground_ref,
    )  # fmt: skip
    _tell(uow, request, "asked")
    return request


def check_kit(uow: UnitOfWork, court_code: str, kit_id: str) -> KitRef:
    """Return a kit that ``court_code`` may command now; raises CommandKitError."""
    kit = uow.session.exec(select(Kit).where(Kit.kit_id == kit_id)).first()
    if kit is None or not sees_court(court_code, kit.court_code):
        raise rules.CommandKitError(f"There is no kit {kit_id[:40]!r} in these courts; see the list of kits.")
    if kit.revoked_ms is not None:
        raise rules.CommandKitError(f"Kit {kit_id} is revoked and shows nothing any more; choose another.")
    loss = lost.find_loss(uow.session, kit.kit_no or 0)
    if loss is not None and loss.state in OPEN_STATES:
        raise rules.CommandKitError(f"Kit {kit_id} is locked as lost; unlock it on its page when it is found.")
    return KitRef(kit.kit_no or 0, kit.kit_id, kit.court_code)


def find_officer(uow: UnitOfWork, kit_id: str) -> str:
    """Return the officer of a kit, as the register has it."""
    return str(uow.session.exec(select(Kit.officer).where(Kit.kit_id == kit_id)).first() or "")


def withdraw_request(uow: UnitOfWork, actor: Actor, request_id: str) -> None:
    """Take back a request that is not decided yet: who made it, or who decides for its court.

    Raises ForbiddenError, NotFoundError, RequestStateError.
    """
    request = queries.get_request(uow.session, actor, request_id).request
    if request.requester_id != actor.user_id:
        check_permission(actor, "decide_command", request.commanding_court)
    _move(uow, request, "withdraw", by=actor.name)
    note_act(uow, "request:withdraw", actor=actor.audit_name, court_code=request.requesting_court, subject=request.id)
    _tell(uow, request, "withdrawn")


def withdraw_watch_me(uow: UnitOfWork, kit: KitRef, alarm_id: str) -> bool:
    """The officer no longer asks to be watched; False when nobody had still to answer that."""
    request = queries.find_asked(uow.session, ground="watch_me", ground_ref=alarm_id)
    if request is None or request.kits != [kit.kit_id]:
        return False
    _move(uow, request, "withdraw", by=f"kit:{kit.kit_id}")
    note_act(uow, "request:withdraw", actor=f"kit:{kit.kit_id}", court_code=kit.court_code, subject=request.id)
    _tell(uow, request, "withdrawn")
    return True


def grant_request(uow: UnitOfWork, actor: Actor, request_id: str, terms: Terms) -> CommandDecision:
    """Decide that the command is taken; a session may begin within a day.

    Raises ForbiddenError, NotFoundError, OwnRequestError, RequestStateError, CommandDraftError.
    """
    request = _get_to_decide(uow, actor, request_id)
    kind = rules.check_own_request(actor, request.requester_id, request.commanding_court)
    return decide(uow, request, actor, kind=kind, verdict="granted", terms=terms)


def refuse_request(uow: UnitOfWork, actor: Actor, request_id: str, *, reason: str) -> CommandDecision:
    """Decide that it is not taken, and say why; raises as `grant_request`."""
    request = _get_to_decide(uow, actor, request_id)
    kind = rules.check_own_request(actor, request.requester_id, request.commanding_court)
    terms = Terms(1, "off", rules.clean(reason, "reason"))
    return decide(uow, request, actor, kind=kind, verdict="refused", terms=terms)


def decide(
    uow: UnitOfWork,
    request: CommandRequest,
    actor: Actor,
    *,
    kind: str,
    verdict: str,
    terms: Terms,
    tied: Collection[str] = (),
) -> CommandDecision:
    """Write the decision down. Who may has been asked before: `grant_request`, `flows.command`.

    ``tied``: the kits that an emergency is about; it names no others. Raises EmergencyKitError, CommandDraftError,
    RequestStateError.
    """
    if kind == "emergency":
        rules.check_tied(request.kits, tied)
    _move(uow, request, "grant" if verdict == "granted" else "refuse", by=actor.name)
    decision = CommandDecision(
        request_id=request.id,
        kind=kind,
        verdict=verdict,
        court_code=request.commanding_court,
        decided_by=actor.name,
        decider_id=actor.user_id,
        decided_ms=uow.now_ms,
        reason=rules.clean(terms.reason, "reason", needed=False),
        start_until_ms=uow.now_ms + rules.START_WITHIN_MS,
        minutes=rules.check_minutes(terms.minutes, terms.longest),
        voice=rules.check_choice(terms.voice, rules.VOICES, "voice"),
        ratify_due_ms=uow.now_ms + rules.RATIFY_WITHIN_MS if kind == "emergency" else None,
    )
    uow.session.add(decision)
    uow.session.flush()
    note_act(
        uow, f"decision:{'grant' if verdict == 'granted' else 'refuse'}", actor=actor.audit_name,
        court_code=request.commanding_court, subject=request.id, purpose=request.reason, kind=kind,
        reason=decision.reason, kits=request.kits, minutes=decision.minutes,
    )  # fmt: skip
    _tell(uow, request, verdict)
    return decision


def ratify(uow: UnitOfWork, actor: Actor, request_id: str, *, verdict: str, reason: str) -> CommandDecision:
    """Say afterwards whether an emergency was one: ``confirmed`` or ``disapproved``, with a reason.

    Who began it does not ratify it. Raises ForbiddenError, NotFoundError, OwnRequestError, RatifiedError,
    CommandDraftError.
    """
    check_permission(actor, "decide_command")
    view = queries.get_request(uow.session, actor, request_id)
    _check_decides(actor, view.request)
    rules.check_choice(verdict, ("confirmed", "disapproved"), "verdict")
    reason = rules.clean(reason, "reason", needed=verdict == "disapproved")
    if view.decision is None or not view.awaits_ratification:
        raise rules.RatifiedError("Nothing is left to ratify here; look at the request again.")
    if view.decision.decider_id == actor.user_id:
        raise rules.OwnRequestError("You began this yourself: another person of your court ratifies it.")
    stamp = {"ratified": verdict, "ratified_by": actor.name, "ratified_ms": uow.now_ms, "ratified_reason": reason}
    rule = update(CommandDecision).where(
        col(CommandDecision.id) == view.decision.id, col(CommandDecision.ratified) == ""
    )
    if not uow.connection.execute(rule.values(**stamp)).rowcount:
        raise rules.RatifiedError("Somebody else has ratified this meanwhile; look at the request again.")
    uow.session.refresh(view.decision)
    note_act(
        uow, "decision:ratify", actor=actor.audit_name, court_code=view.request.commanding_court,
        subject=view.request.id, purpose=reason, verdict=verdict, due_ms=view.decision.ratify_due_ms,
    )  # fmt: skip
    _tell(uow, view.request, "ratified")
    return view.decision


def lapse_requests(uow: UnitOfWork) -> int:
    """Let requests that nobody decided for a day lapse; returns how many."""
    old_ms = uow.now_ms - rules.ASKED_MS
    query = select(CommandRequest).where(CommandRequest.state == "asked", CommandRequest.requested_ms < old_ms)
    found = uow.session.exec(query).all()
    for request in found:
        _move(uow, request, "lapse", by=SYSTEM)
        note_act(uow, "request:lapse", actor=SYSTEM, court_code=request.commanding_court, subject=request.id)
        _tell(uow, request, "lapsed")
    return len(found)


def note_overdue(uow: UnitOfWork) -> int:
    """Put on record, once each, the emergencies that nobody ratified in time; returns how many."""
    query = select(CommandDecision).where(
        CommandDecision.ratified == "",
        col(CommandDecision.ratify_due_ms) <= uow.now_ms,
        col(CommandDecision.overdue_ms).is_(None),
    )
    found = uow.session.exec(query).all()
    for decision in found:
        decision.overdue_ms = uow.now_ms
        uow.session.add(decision)
        note_act(
            uow, "decision:overdue", actor=SYSTEM, court_code=decision.court_code, subject=decision.request_id,
            due_ms=decision.ratify_due_ms,
        )  # fmt: skip
    return len(found)


def _get_to_decide(uow: UnitOfWork, actor: Actor, request_id: str) -> CommandRequest:
    check_permission(actor, "decide_command")
    request = queries.get_request(uow.session, actor, request_id).request
    _check_decides(actor, request)
    return request


def _check_decides(actor: Actor, request: CommandRequest) -> None:
    if not session_rights.may_decide(actor, request.commanding_court):
        raise rules.OtherCourtError("A person of the commanding court itself decides this; tell that court.")


def _move(uow: UnitOfWork, request: CommandRequest, act: str, *, by: str) -> None:
    state = rules.TRANSITIONS["asked"][act]
    rule = update(CommandRequest).where(col(CommandRequest.id) == request.id, col(CommandRequest.state) == "asked")
    done = uow.connection.execute(rule.values(state=state, state_ms=uow.now_ms, state_by=by)).rowcount
    uow.session.refresh(request)
    if not done:
        raise rules.refuse_request(request.state)


def _tell(uow: UnitOfWork, request: CommandRequest, change: str) -> None:
    payload: dict[str, Any] = {
        "session_id": "",
        "request_id": request.id,
        "court_code": request.commanding_court,
        "kits": request.kits,
        "change": change,
        "ground": request.ground,
        "reason": request.reason,
        "by": request.requested_by,
    }
    for court in sorted({request.commanding_court, request.requesting_court}):
        uow.emit(SESSION_CHANGED, court, payload)
