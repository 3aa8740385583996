"""Reads of remote command. For the relay without an actor; for people narrowed to what they may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select

from central.base.errors import ForbiddenError, NotFoundError
from central.command import recusals, rules
from central.command.entry_queries import list_entries, list_publishing, verify_entries
from central.command.models import (
    CommandDecision,
    CommandRequest,
    CommandSession,
    SessionGuest,
    SessionKit,
)
from central.command.open_sessions import find_open, list_open, put_together
from central.command.session_rights import OpenSession, may_publish, may_talk, may_watch
from central.courts.permissions import Actor, may_any
from central.courts.queries import in_scope
from central.devices import lost
from central.devices.losses import OPEN_STATES
from central.devices.models import Kit, MailboxEntry

__all__ = [
    "OpenSession", "find_open", "list_entries", "list_open", "list_publishing", "may_publish", "may_talk",
    "may_watch", "verify_entries",
]  # fmt: skip

PAST_LIMIT: Final = 200


@dataclass(frozen=True)
class RequestView:
    """A request with its decision, if any, and the session begun on that."""

    request: CommandRequest
    decision: CommandDecision | None
    session: CommandSession | None

    def may_begin(self, now_ms: int) -> bool:
        """Whether a session can be begun on it now."""
        decision = self.decision
        is_granted = decision is not None and decision.verdict == "granted" and self.session is None
        return is_granted and decision is not None and decision.start_until_ms > now_ms

    def is_overdue(self, now_ms: int) -> bool:
        """Whether an emergency should have been ratified by now."""
        decision = self.decision
        return decision is not None and not decision.ratified and (decision.ratify_due_ms or now_ms + 1) <= now_ms

    @property
    def awaits_ratification(self) -> bool:
        """Whether somebody must still say whether the emergency was one."""
        return self.decision is not None and self.decision.kind == "emergency" and not self.decision.ratified


@dataclass(frozen=True)
class SessionView:
    """A session with everything of its page's head. ``kits`` hold those that left, too, in order of joining."""

    session: CommandSession
    request: CommandRequest
    decision: CommandDecision
    kits: Sequence[SessionKit]
    guests: Sequence[SessionGuest]

    @property
    def is_open(self) -> bool:
        """Whether it goes on, as far as the database knows."""
        return self.session.ended_ms is None

    @property
    def present(self) -> list[SessionKit]:
        """The kits in it now."""
        return [kit for kit in self.kits if kit.left_ms is None]

    @property
    def present_guests(self) -> list[SessionGuest]:
        """The courts, people and cameras in it now."""
        return [guest for guest in self.guests if guest.left_ms is None]

    @property
    def as_open(self) -> OpenSession:
        """As the relay knows it, but with revoked kits."""
        return put_together(self.session, self.decision.kind, self.kits, self.guests, self.is_open)


def check_view(actor: Actor) -> None:
    """Raise ForbiddenError unless the pages of remote command are for the actor."""
    if not may_any(actor, (*rules.VIEW_ACTIONS, "join_live")):
        raise ForbiddenError("Your role does not take part in remote command; ask the administrator of your court.")


def list_requests(
    session: Session, actor: Actor, *, states: Sequence[str] = ("asked", "granted"), limit: int = 200
) -> list[RequestView]:
    """Return requests that the actor decides on, takes part in or made, newest first; raises ForbiddenError."""
    check_view(actor)
    query = (
        select(CommandRequest, CommandDecision, CommandSession)
        .join(CommandDecision, col(CommandDecision.request_id) == CommandRequest.id, isouter=True)
        .join(CommandSession, col(CommandSession.decision_id) == CommandDecision.id, isouter=True)
        .where(col(CommandRequest.state).in_(states), _concerns(actor))
        .order_by(col(CommandRequest.requested_ms).desc())
    )
    return [RequestView(*row) for row in session.exec(query.limit(limit)).all()]


def get_request(session: Session, actor: Actor, request_id: str) -> RequestView:
    """Return one request; raises ForbiddenError, NotFoundError."""
    check_view(actor)
    query = (
        select(CommandRequest, CommandDecision, CommandSession)
        .join(CommandDecision, col(CommandDecision.request_id) == CommandRequest.id, isouter=True)
        .join(CommandSession, col(CommandSession.decision_id) == CommandDecision.id, isouter=True)
        .where(CommandRequest.id == request_id, _concerns(actor))
    )
    found = session.exec(query).first()
    if found is None:
        raise NotFoundError("There is no such request in your courts; see the list.")
    return RequestView(*found)


def find_asked(session: Session, *, ground: str, ground_ref: str) -> CommandRequest | None:
    """Return the request on this ground that waits for its decision, if any (no actor)."""
    query = select(CommandRequest).where(
        CommandRequest.ground == ground, CommandRequest.ground_ref == ground_ref, CommandRequest.state == "asked"
    )
    return session.exec(query).first()


def list_sessions(
    session: Session, actor: Actor, *, is_open: bool | None = None, limit: int = PAST_LIMIT
) -> list[SessionView]:
    """Return sessions that the actor's courts take part in, or to which he is invited, newest first."""
    check_view(actor)
    query = select(CommandSession).where(_takes_part(actor)).order_by(col(CommandSession.begun_ms).desc())
    if is_open is not None:
        ended = col(CommandSession.ended_ms)
        query = query.where(ended.is_(None) if is_open else ended.is_not(None))
    return _leave_out_barred(session, actor, _load_views(session, session.exec(query.limit(limit)).all()))


def get_session(session: Session, actor: Actor, session_id: str) -> SessionView:
    """Return one session; raises ForbiddenError, NotFoundError."""
    check_view(actor)
    row = session.exec(select(CommandSession).where(CommandSession.id == session_id, _takes_part(actor))).first()
    views = _leave_out_barred(session, actor, _load_views(session, [row])) if row is not None else []
    if not views:
        raise NotFoundError("There is no such remote command in your courts; see the list.")
    return views[0]


def _leave_out_barred(session: Session, actor: Actor, views: list[SessionView]) -> list[SessionView]:
    """Without sessions that serve a case from which the actor is recused."""
    barred = recusals.list_barred(session, [view.decision.id for view in views])
    return [view for view in views if actor.user_id not in barred.get(view.decision.id, ())]


def list_sessions_of(session: Session, actor: Actor, *, kit_id: str = "", ground_ref: str = "") -> list[SessionView]:
    """Return the newest sessions with a kit, or begun for an incident or task, as far as the actor sees them."""
    views = list_sessions(session, actor) if may_any(actor, (*rules.VIEW_ACTIONS, "join_live")) else []
    if kit_id:
        views = [view for view in views if any(kit.kit_id == kit_id for kit in view.kits)]
    if ground_ref:
        views = [view for view in views if view.request.ground_ref == ground_ref]
    return views


@dataclass(frozen=True)
class Call:
    """How the last call of a kit stands: a mailbox state, ``expired`` by the clock too, and the kit's own words."""

    state: str
    note: str
    is_revoked: bool
    is_lost: bool


def list_calls(session: Session, view: SessionView, *, now_ms: int) -> dict[int, Call]:
    """Return by kit number how its call stands, for whoever has the session (no actor)."""
    calls = {}
    for row in view.kits:  # in order of joining: who came back is told by the last call
        entry = session.get(MailboxEntry, (row.kit_no, row.order_no))
        kit = session.get(Kit, row.kit_no)
        loss = lost.find_loss(session, row.kit_no)
        state = entry.state if entry else "failed"
        if state == "waiting" and entry is not None and (entry.expires_ms or now_ms) < now_ms:
            state = "expired"
        calls[row.kit_no] = Call(
            state,
            entry.note if entry else "",
            kit is None or kit.revoked_ms is not None,
            loss is not None and loss.state in OPEN_STATES,
        )
    return calls


def count_to_decide(session: Session, actor: Actor) -> int:
    """Return how many requests and ratifications wait for a decision by this very person's court."""
    if not actor.has_right("decide_command"):
        return 0
    views = [view for view in list_requests(session, actor) if view.request.commanding_court == actor.court_code]
    return sum(view.request.state == "asked" or view.awaits_ratification for view in views)


def _sees_all(actor: Actor) -> bool:
    """Whether he sees what concerns his courts; who may only ask or be invited sees what is his own."""
    return may_any(actor, ("decide_command", "start_command", "watch_live", "talk_live"))


def _concerns(actor: Actor) -> ColumnElement[bool]:
    own: ColumnElement[bool] = col(CommandRequest.requester_id) == actor.user_id
    if not _sees_all(actor):
        return own
    return or_(
        own, in_scope(CommandRequest.commanding_court, actor), in_scope(CommandRequest.requesting_court, actor)
    )


def _takes_part(actor: Actor) -> ColumnElement[bool]:
    # Who was taken out sees no more of it; who was in it to its end sees its record.
    stayed = or_(
        col(SessionGuest.left_ms).is_(None),
        col(SessionGuest.left_ms) == col(CommandSession.ended_ms),
    )
    guest = select(SessionGuest.session_id).where(SessionGuest.session_id == CommandSession.id, stayed)
    guest = guest.correlate(CommandSession)
    person = guest.where(SessionGuest.kind == "person", SessionGuest.ref == actor.user_id)
    invited = col(CommandSession.id).in_(person)
    asked = select(CommandDecision.id).join(CommandRequest, col(CommandRequest.id) == CommandDecision.request_id)
    own = col(CommandSession.decision_id).in_(asked.where(CommandRequest.requester_id == actor.user_id))
    if not _sees_all(actor):
        return or_(invited, own)
    kits = select(SessionKit.session_id).where(in_scope(SessionKit.court_code, actor))
    halls = guest.where(SessionGuest.kind == "court", in_scope(SessionGuest.ref, actor))
    return or_(
        invited,
        own,
        in_scope(CommandSession.court_code, actor),
        in_scope(CommandSession.requesting_court, actor),
        col(CommandSession.id).in_(kits),
        col(CommandSession.id).in_(halls),
    )


def _load_views(session: Session, rows: Sequence[CommandSession]) -> list[SessionView]:
    if not rows:
        return []
    ids = [row.id for row in rows]
    pairs = session.exec(
        select(CommandDecision, CommandRequest).where(
            CommandDecision.request_id == CommandRequest.id,
            col(CommandDecision.id).in_([row.decision_id for row in rows]),
        )
    ).all()
    by_decision = {decision.id: (decision, request) for decision, request in pairs}
    kits = session.exec(
        select(SessionKit).where(col(SessionKit.session_id).in_(ids)).order_by(col(SessionKit.id))
    ).all()
    guests = session.exec(
        select(SessionGuest).where(col(SessionGuest.session_id).in_(ids)).order_by(col(SessionGuest.id))
    ).all()
    return [
        SessionView(
            row,
            by_decision[row.decision_id][1],
            by_decision[row.decision_id][0],
            [kit for kit in kits if kit.session_id == row.id],
            [guest for guest in guests if guest.session_id == row.id],
        )
        for row in rows
    ]
