"""Numbered orders inside a session, and their read-back (口令编号、复诵; seed 13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from central.base.errors import ForbiddenError, NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.command import queries, rules, session_rights
from central.command.entries import add_entry, note_act, tell_changed
from central.command.models import SessionOrder, SessionOrderKit
from central.command.queries import SessionView
from central.command.sessions import check_open
from central.courts.permissions import Actor, check_permission
from central.courts.queries import get_court
from central.devices import service as devices
from central.devices.models import MailboxEntry
from central.devices.rules import KitRef
from central.devices.steps import Step, load_steps

_LISTED: Final = 200


@dataclass(frozen=True)
class Answer:
    """How a numbered order stands at one kit. ``steps``: what kit and officer said, in the order in which it came."""

    at: SessionOrderKit
    officer: str
    state: str
    """A mailbox state, or ``heard``: read back by voice."""
    state_ms: int
    note: str
    steps: Sequence[Step]
    is_late: bool

    @property
    def needs_somebody(self) -> bool:
        """Whether a person at the centre must ask after it."""
        return self.is_late or self.state in ("refused", "failed", "expired")


@dataclass(frozen=True)
class OrderView:
    """A numbered order with its answers."""

    order: SessionOrder
    answers: Sequence[Answer]

    @property
    def needs_somebody(self) -> bool:
        """Whether one of the answers does."""
        return any(answer.needs_somebody for answer in self.answers)


def list_orders(session: Session, view: SessionView, *, now_ms: int) -> list[OrderView]:
    """Return a session's numbered orders for whoever has it: what needs somebody first, then the newest."""
    query = select(SessionOrder).where(SessionOrder.session_id == view.session.id)
    orders = session.exec(query.order_by(col(SessionOrder.no).desc()).limit(_LISTED)).all()
    rows = session.exec(
        select(SessionOrderKit, MailboxEntry)
        .where(
            SessionOrderKit.session_id == view.session.id,
            MailboxEntry.kit_no == SessionOrderKit.kit_no,
            MailboxEntry.number == SessionOrderKit.number,
        )
        .order_by(SessionOrderKit.kit_id)
    ).all()
    steps = load_steps(session, [entry for _, entry in rows])
    officers = {kit.kit_id: kit.officer for kit in view.kits}
    answers: dict[int, list[Answer]] = {}
    for at, entry in rows:
        said = steps.get((entry.kit_no, entry.number), [])
        answers.setdefault(at.no, []).append(_answer(at, entry, said, officers.get(at.kit_id, ""), now_ms))
    views = [OrderView(order, answers.get(order.no, [])) for order in orders]
    return sorted(views, key=lambda found: (not found.needs_somebody, -found.order.no))


def _answer(at: SessionOrderKit, entry: MailboxEntry, said: Sequence[Step], officer: str, now_ms: int) -> Answer:
    state, state_ms, note = entry.state, entry.state_ms, entry.note
    if at.heard_ms is not None and state in rules.UNANSWERED | {"expired"}:
        state, state_ms, note = "heard", at.heard_ms, at.heard_note
    late = rules.is_unanswered_for_long(state, issued_ms=entry.issued_ms, now_ms=now_ms)
    return Answer(at, officer, state, state_ms, note, said, late)


def give_order(
    uow: UnitOfWork, actor: Actor, session_id: str, text: str, kit_ids: Sequence[str] = ()
) -> SessionOrder:
    """Give a numbered order to the kits named, or to all that are in the session.

    Raises ForbiddenError, NotFoundError, SessionEndedError, CommandDraftError.
    """
    check_permission(actor, "give_instruction")
    view = queries.get_session(uow.session, actor, session_id)
    if not session_rights.may_instruct(actor, view.session.court_code, view.decision.kind):
        raise ForbiddenError(
            "Numbered orders are given by a commander of the commanding court, in an emergency by its duty operator."
        )
    check_open(view, uow.now_ms)
    text = rules.clean(text, "order", rules.MAX_ORDER_CHARS)
    present = {kit.kit_id: KitRef(kit.kit_no, kit.kit_id, kit.court_code) for kit in view.present}
    wanted = rules.check_kits(kit_ids or list(present))
    if strangers := [kit_id for kit_id in wanted if kit_id not in present]:
        raise NotFoundError(f"Kit {strangers[0][:40]!r} is not in this session; look at it again.")
    order = SessionOrder(
        session_id=session_id, no=_next_no(uow, session_id), text=text, by=actor.name, issued_ms=uow.now_ms
    )
    uow.session.add(order)
    uow.session.flush()
    for kit_id in wanted:
        _send(uow, view, order, present[kit_id])
    add_entry(uow, session_id, "ordered", actor.name, {"no": order.no, "text": text, "kits": wanted})
    note_act(
        uow, "order:give", actor=actor.audit_name, court_code=view.session.court_code, subject=session_id,
        purpose=text, no=order.no, kits=wanted,
    )  # fmt: skip
    tell_changed(uow, view.session, wanted, "ordered", {kit.court_code for kit in view.present})
    return order


def note_heard(uow: UnitOfWork, actor: Actor, session_id: str, no: int, kit_id: str, *, note: str = "") -> None:
    """Note that the officer read an order back by voice, and who heard it; also after the session.

    Raises ForbiddenError, NotFoundError, CommandDraftError.
    """
    view = queries.get_session(uow.session, actor, session_id)
    check_permission(actor, "talk_live")
    if not session_rights.may_talk(actor, view.as_open):
        raise ForbiddenError("Only who takes part in the session can have heard it; ask its commander.")
    note = rules.clean(note, "note", needed=False)
    rule = update(SessionOrderKit).where(
        col(SessionOrderKit.session_id) == session_id, col(SessionOrderKit.no) == no,
        col(SessionOrderKit.kit_id) == kit_id, col(SessionOrderKit.heard_ms).is_(None),
    )  # fmt: skip
    values = {"heard_by": actor.name, "heard_ms": uow.now_ms, "heard_note": note}
    if not uow.connection.execute(rule.values(**values)).rowcount:
        raise NotFoundError("There is no such order without a noted read-back; look at the session again.")
    detail = {"no": no, "kit": kit_id, "by_voice": True, "note": note}
    add_entry(uow, session_id, "read_back", actor.name, detail)
    note_act(
        uow, "order:hear", actor=actor.audit_name, court_code=view.session.court_code, subject=session_id,
        purpose=note, no=no, kit=kit_id,
    )  # fmt: skip
    tell_changed(uow, view.session, [kit_id], "read_back", {kit.court_code for kit in view.kits})


def find_order_at(session: Session, kit_no: int, number: int) -> SessionOrderKit | None:
    """Return the numbered order that a kit's directive carries, if it is one (no actor)."""
    query = select(SessionOrderKit).where(SessionOrderKit.kit_no == kit_no, SessionOrderKit.number == number)
    return session.exec(query).first()


def _next_no(uow: UnitOfWork, session_id: str) -> int:
    query = select(func.max(SessionOrder.no)).where(SessionOrder.session_id == session_id)
    no = (uow.session.exec(query).one() or 0) + 1
    if no > rules.MAX_INSTRUCTIONS:
        raise rules.CommandDraftError("This session has had its fill of numbered orders; begin another.")
    return no


def _send(uow: UnitOfWork, view: SessionView, order: SessionOrder, kit: KitRef) -> None:
    court = get_court(uow.session, view.session.court_code)
    body = {
        "session": order.session_id,
        "no": order.no,
        "text": order.text,
        "by": order.by[:64],
        "court": court.name_zh[:64],
    }
    # An order of a session that is over would be obeyed in a situation nobody watches any more.
    entry = devices.put_directive(uow, kit, kind="instruct", body=body, expires_ms=view.session.until_ms)
    uow.session.add(
        SessionOrderKit(
            session_id=order.session_id, no=order.no, kit_no=kit.kit_no, kit_id=kit.kit_id, number=entry.number
        )
    )
    uow.session.flush()
