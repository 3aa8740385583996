"""Directives for kits: durable until the kit's receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from central.base import bus
from central.base.unit_of_work import UnitOfWork
from central.devices import rules
from central.devices.models import MailboxEntry, MailboxStep
from central.devices.rules import KitRef
from central.devices.times import UNKNOWN, Moment
from contract.messages import CommandReceipt


def put_directive(
    uow: UnitOfWork, kit: KitRef, *, kind: str, body: dict[str, Any], expires_ms: int | None = None
) -> MailboxEntry:
    """Give the kit its next directive and nudge the sender after the commit.

    Raises InvalidInputError for a kind that kits do not know.
    """
    query = select(func.max(MailboxEntry.number)).where(MailboxEntry.kit_no == kit.kit_no)
    entry = MailboxEntry(
        kit_no=kit.kit_no,
        number=(uow.session.exec(query).one() or 0) + 1,
        kind=rules.check_directive_kind(kind),
        body=body,
        issued_ms=uow.now_ms,
        expires_ms=expires_ms,
        state="waiting",
        state_ms=uow.now_ms,
    )
    uow.session.add(entry)
    uow.session.flush()
    uow.nudge(bus.mailbox_subject(kit.kit_id))
    return entry


def list_undelivered(session: Session, kit: KitRef, *, have: int, limit: int = 100) -> Sequence[MailboxEntry]:
    """Return directives the kit must still get, in order: all above `have`, expired ones too.

    The kit counts without holes, so an expired directive is sent all the same; its expiry tells the kit to skip it.
    """
    query = select(MailboxEntry).where(MailboxEntry.kit_no == kit.kit_no, col(MailboxEntry.number) > have)
    return session.exec(query.order_by(col(MailboxEntry.number)).limit(limit)).all()


def list_waiting(session: Session, kit: KitRef, *, limit: int = 100) -> Sequence[MailboxEntry]:
    """Return directives without any receipt yet, in order: what to send again."""
    query = select(MailboxEntry).where(
        MailboxEntry.kit_no == kit.kit_no, col(MailboxEntry.state).in_(("waiting", "expired"))
    )
    return session.exec(query.order_by(col(MailboxEntry.number)).limit(limit)).all()


def find_waiting_kits(session: Session) -> set[int]:
    """Return the numbers of kits that have directives without any receipt yet."""
    query = select(MailboxEntry.kit_no).where(col(MailboxEntry.state).in_(("waiting", "expired"))).distinct()
    return set(session.exec(query).all())


def apply_receipt(
    uow: UnitOfWork, kit: KitRef, receipt: CommandReceipt, *, moment: Moment = UNKNOWN
) -> tuple[MailboxEntry | None, bool]:
    """Note what became of a directive; returns (entry, whether its state moved). None: there is no such number.

    `moment` is when the receipt was written by the kit's time since boot.
    """
    entry = uow.session.get(MailboxEntry, (kit.kit_no, receipt.number))
    if entry is None:
        return None, False
    state = rules.next_mailbox_state(entry.state, receipt.state, entry.kind)
    _keep_step(uow, kit, receipt, moment, moved=state != entry.state)
    if state == entry.state:
        return entry, False
    entry.state, entry.state_ms, entry.kit_at_ms, entry.note = state, uow.now_ms, receipt.at_ms, receipt.note
    uow.session.add(entry)
    uow.session.flush()
    return entry, True


def _keep_step(uow: UnitOfWork, kit: KitRef, receipt: CommandReceipt, moment: Moment, *, moved: bool) -> None:
    # "received" is said anew whenever the directive is sent anew: once is enough.
    query = select(MailboxStep.id).where(
        MailboxStep.kit_no == kit.kit_no, MailboxStep.number == receipt.number, MailboxStep.state == receipt.state
    )
    if not moved and uow.session.exec(query).first() is not None:
        return
    step = MailboxStep(
        kit_no=kit.kit_no,
        number=receipt.number,
        state=receipt.state,
        received_ms=uow.now_ms,
        kit_at_ms=receipt.at_ms,
        boot=moment.boot,
        mono_ms=moment.mono_ms,
        note=receipt.note,
    )
    uow.session.add(step)
    uow.session.flush()


def void_waiting(uow: UnitOfWork, kit: KitRef, number: int) -> bool:
    """Take back a directive that has not reached its kit; False when it has. It is sent as long expired."""
    rule = update(MailboxEntry).where(
        col(MailboxEntry.kit_no) == kit.kit_no,
        col(MailboxEntry.number) == number,
        col(MailboxEntry.state).in_(("waiting", "expired")),
    )
    values = {"state": "expired", "state_ms": uow.now_ms, "expires_ms": rules.LONG_PAST_MS}
    return uow.connection.execute(rule.values(**values)).rowcount == 1


def expire_directives(uow: UnitOfWork) -> int:
    """Mark waiting directives past their expiry; returns how many. They keep their number."""
    rule = update(MailboxEntry).where(
        col(MailboxEntry.state) == "waiting", col(MailboxEntry.expires_ms) <= uow.now_ms
    )
    return uow.connection.execute(rule.values(state="expired", state_ms=uow.now_ms)).rowcount
