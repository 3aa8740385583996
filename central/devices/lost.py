"""Lost kits: locked, unlocked, their keys destroyed by two people, the kit's proof kept. Writers; audited."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from central.audit import service as audit
from central.base.outbox import KIT_CHANGED
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission
from central.courts.queries import in_scope
from central.devices import losses, queries
from central.devices.mailbox import put_directive, void_waiting
from central.devices.models import Kit, KitLoss
from central.devices.permits import check_permit
from central.devices.rules import KitRef, UnknownKitError
from central.people.rules import SamePersonError


def find_loss(session: Session, kit_no: int) -> KitLoss | None:
    """Return the newest report of this kit's loss, open or closed."""
    query = select(KitLoss).where(KitLoss.kit_no == kit_no).order_by(col(KitLoss.loss_id).desc())
    return session.exec(query.limit(1)).first()


def get_loss(session: Session, actor: Actor, kit_id: str) -> KitLoss | None:
    """Return what is known of the kit's loss; None when it is not lost or was found again.

    Raises ForbiddenError, UnknownKitError.
    """
    kit = _get_kit(session, actor, kit_id, "see_kits")
    loss = find_loss(session, kit.kit_no)
    return None if loss is None or loss.state == "unlocked" else loss


def list_open_losses(session: Session, actor: Actor) -> Sequence[tuple[Kit, KitLoss]]:
    """Return the lost kits of the actor's courts that are not closed, newest first."""
    check_permission(actor, "see_kits")
    query = select(Kit, KitLoss).where(Kit.kit_no == KitLoss.kit_no, col(KitLoss.closed_ms).is_(None))
    return session.exec(query.where(in_scope(Kit.court_code, actor)).order_by(col(KitLoss.loss_id).desc())).all()


def lock_kit(uow: UnitOfWork, actor: Actor, kit_id: str, *, reason: str) -> KitLoss:
    """Lock a kit: it ends its recording, obeys nobody but for SOS, and goes on telling where it is.

    Raises ForbiddenError, UnknownKitError, LossReasonError, KitLostAlreadyError.
    """
    kit = _get_kit(uow.session, actor, kit_id, "lock_kit")
    reason = losses.check_reason(reason)
    loss = KitLoss(kit_no=kit.kit_no, state="locked", reason=reason, locked_by=actor.audit_name, locked_ms=uow.now_ms)
    try:
        with uow.session.begin_nested():  # the index decides between two who are first
            uow.session.add(loss)
            uow.session.flush()
    except IntegrityError as error:
        raise losses.KitLostAlreadyError(f"{kit_id} is locked already; look at it again.") from error
    _order(uow, kit, "lock", reason, actor)
    _note(uow, actor, kit, "lock", reason)
    return loss


def unlock_kit(uow: UnitOfWork, actor: Actor, kit_id: str, *, reason: str) -> None:
    """The kit is with its officer again. An order to destroy that has not reached it is taken back.

    Raises ForbiddenError, UnknownKitError, LossReasonError, LossStateError, DestructionUnderWayError.
    """
    kit = _get_kit(uow.session, actor, kit_id, "lock_kit")
    reason = losses.check_reason(reason)
    loss = _get_open(uow, kit)
    if loss.state == "ordered" and not void_waiting(uow, kit, loss.order_no or 0):
        raise losses.DestructionUnderWayError(
            f"The order to destroy has reached {kit_id} and stands; enrol the kit anew when it is found."
        )
    closed = {"closed_by": actor.audit_name, "closed_ms": uow.now_ms, "closed_reason": reason}
    _move(uow, loss, "unlocked", **closed)
    _order(uow, kit, "unlock", reason, actor)
    _note(uow, actor, kit, "unlock", reason)


def ask_destruction(uow: UnitOfWork, actor: Actor, kit_id: str, *, reason: str) -> None:
    """Ask that a locked kit destroys its keys; another person confirms it.

    Raises ForbiddenError, UnknownKitError, LossReasonError, LossStateError.
    """
    kit = _get_kit(uow.session, actor, kit_id, "ask_destruction")
    reason = losses.check_reason(reason)
    asked = {"asked_by": actor.audit_name, "asked_ms": uow.now_ms, "asked_reason": reason}
    _move(uow, _get_open(uow, kit), "asked", **asked)
    _note(uow, actor, kit, "ask", reason)


def withdraw_destruction(uow: UnitOfWork, actor: Actor, kit_id: str) -> None:
    """Take back, or refuse, what was asked and not yet confirmed; whoever may ask or confirm may.

    Raises ForbiddenError, UnknownKitError, LossStateError.
    """
    right = "ask_destruction" if actor.has_right("ask_destruction") else "confirm_destruction"
    kit = _get_kit(uow.session, actor, kit_id, right)
    loss = _get_open(uow, kit)
    if loss.state != "asked":
        losses.check_step(loss.state, "locked")
    _move(uow, loss, "locked", asked_by="", asked_ms=None, asked_reason="")
    _note(uow, actor, kit, "withdraw", loss.asked_reason)


def confirm_destruction(uow: UnitOfWork, actor: Actor, kit_id: str, *, permit: bytes) -> None:
    """Order the destruction that another person asked for; ``permit`` is the device authority's (`find_permit`).

    Raises ForbiddenError, UnknownKitError, LossStateError, SamePersonError, PermitMissingError.
    """
    kit = _get_kit(uow.session, actor, kit_id, "confirm_destruction")
    loss = _get_open(uow, kit)
    losses.check_step(loss.state, "ordered")
    if loss.asked_by == actor.audit_name:
        raise SamePersonError("Whoever asked for the destruction does not confirm it; another person must.")
    order_no = _order(uow, kit, "destroy", loss.asked_reason, actor, permit=check_permit(permit, kit_id))
    _move(uow, loss, "ordered", confirmed_by=actor.audit_name, confirmed_ms=uow.now_ms, order_no=order_no)
    _note(uow, actor, kit, "destroy", loss.asked_reason, asked_by=loss.asked_by, order=order_no)


def keep_proof(uow: UnitOfWork, kit: KitRef, order_no: int, proof: bytes, *, verdict: str, detail: str) -> bool:
    """Keep the kit's statement that its keys go; tells whether it belongs to an order. Only a verified one closes.

    The first verified statement stays whatever comes after it.
    """
    query = select(KitLoss).where(KitLoss.kit_no == kit.kit_no, KitLoss.order_no == order_no)
    loss = uow.session.exec(query).first()
    if loss is None or loss.proof_verdict == "verified":
        return loss is not None
    facts: dict[str, Any] = {"proof": proof, "proof_verdict": verdict, "proof_ms": uow.now_ms}
    if verdict == "verified":
        _move(uow, loss, "destroyed", **facts, closed_by=f"kit:{kit.kit_id}", closed_ms=uow.now_ms)
    else:
        for name, value in facts.items():
            setattr(loss, name, value)
        uow.session.add(loss)
    audit.append(
        uow,
        actor=f"kit:{kit.kit_id}",
        court_code=kit.court_code,
        action="devices:loss:prove",
        subject=kit.kit_id,
        detail={"order": order_no, "verdict": verdict, "told": detail},
    )
    uow.emit(KIT_CHANGED, kit.court_code, {"kit_id": kit.kit_id, "change": "lost"})
    return True


def _get_kit(session: Session, actor: Actor, kit_id: str, right: str) -> KitRef:
    check_permission(actor, right)
    kit = queries.get_kit(session, actor, kit_id, now_ms=0).kit
    if kit.kit_no is None:
        raise UnknownKitError("There is no such kit in your courts; see the list of kits.")
    return KitRef(kit.kit_no, kit.kit_id, kit.court_code)


def _get_open(uow: UnitOfWork, kit: KitRef) -> KitLoss:
    loss = find_loss(uow.session, kit.kit_no)
    if loss is None or loss.closed_ms is not None:
        raise losses.LossStateError(f"{kit.kit_id} is not lost; lock it first.")
    return loss


def _move(uow: UnitOfWork, loss: KitLoss, state: str, **facts: Any) -> None:
    """Go to another state; who was faster is decided by the database."""
    losses.check_step(loss.state, state)
    rule = update(KitLoss).where(col(KitLoss.loss_id) == loss.loss_id, col(KitLoss.state) == loss.state)
    if uow.connection.execute(rule.values(state=state, **facts)).rowcount != 1:
        raise losses.LossStateError("Somebody has changed the state of this lost kit meanwhile; look at it again.")
    uow.session.refresh(loss)


def _order(uow: UnitOfWork, kit: KitRef, step: str, reason: str, actor: Actor, *, permit: bytes = b"") -> int:
    body = {"step": step, "reason": reason, "by": actor.name[:64]}
    if permit:
        body["permit"] = base64.urlsafe_b64encode(permit).rstrip(b"=").decode()
    return put_directive(uow, kit, kind="lost", body=body).number


def _note(uow: UnitOfWork, actor: Actor, kit: KitRef, verb: str, reason: str, **detail: Any) -> None:
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=kit.court_code,
        action=f"devices:loss:{verb}",
        subject=kit.kit_id,
        purpose=reason,
        detail=detail,
    )
    uow.emit(KIT_CHANGED, kit.court_code, {"kit_id": kit.kit_id, "change": "lost"})
