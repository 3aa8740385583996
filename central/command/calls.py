"""Kits called into a session and let go again, by their mailbox, and who is told of it. Checks are the callers'."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from central.base.unit_of_work import UnitOfWork
from central.command import queries, rules
from central.command.entries import add_entry, tell_changed
from central.command.models import CommandDecision, CommandSession, SessionKit
from central.command.requests import find_officer
from central.courts.permissions import Actor
from central.courts.queries import get_court
from central.devices import service as devices
from central.devices.models import Kit
from central.devices.rules import KitRef


def join_kit(
    uow: UnitOfWork,
    session: CommandSession,
    kit: KitRef,
    actor: Actor,
    decision: CommandDecision,
    *,
    url: str,
    reason: str = "",
) -> SessionKit:
    """Call a kit and write it into the session and its record. Raises InSessionError."""
    number = call_kit(uow, session, kit, decision, url=url)
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


def call_kit(uow: UnitOfWork, session: CommandSession, kit: KitRef, decision: CommandDecision, *, url: str) -> int:
    """Put the call into a kit's mailbox, there for `rules.CALL_MS`; returns the directive's number."""
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


def let_go(uow: UnitOfWork, session: CommandSession, row: SessionKit, *, name: str) -> None:
    """Tell a kit that it is over for it, and write that into the record."""
    row.left_ms = uow.now_ms
    uow.session.add(row)
    kit = KitRef(row.kit_no, row.kit_id, row.court_code)
    devices.void_waiting(uow, kit, row.order_no)
    # It may have heard the call without our knowing; the end is for whenever it comes back, and does not expire.
    devices.put_directive(uow, kit, kind="live", body={"session": session.id, "on": False, "by": name[:64]})
    add_entry(uow, session.id, "kit_left", name, {"kit": row.kit_id})


def list_courts(uow: UnitOfWork, session: CommandSession) -> set[str]:
    """The courts of everybody who takes part, or did."""
    open_ = queries.find_open(uow.session, session.id)
    kits = uow.session.exec(
        select(Kit.court_code)
        .join(SessionKit, col(SessionKit.kit_no) == Kit.kit_no)
        .where(SessionKit.session_id == session.id)
    ).all()
    return set(kits) | (set(open_.courts) if open_ else set())


def tell(uow: UnitOfWork, session: CommandSession, change: str, courts: set[str] | None = None) -> None:
    """Tell the screens of all who take part, of ``courts`` too, and the relay."""
    open_ = queries.find_open(uow.session, session.id)
    kits = list(open_.kits) if open_ else []
    tell_changed(uow, session, kits, change, list_courts(uow, session) | (courts or set()))
