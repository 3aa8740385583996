"""How administrators' changes to an account are loaded, written and audited; used by `accounts` and `resets`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import delete, update
from sqlmodel import col

from central.audit import service as audit
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission
from central.people import approvals, queries, rules
from central.people.models import Passkey, User

NOTHING_PENDING: Final[Mapping[str, object]] = {
    "pending_role": "", "pending_court": "", "pending_reset": "", "pending_by": "",
}  # fmt: skip
NO_SECOND_WAY: Final[Mapping[str, object]] = {
    "totp_cipher": None, "totp_step": 0, "recovery_hashes": [], "oidc_subject": None,
}  # fmt: skip


def load(uow: UnitOfWork, actor: Actor, action: str, login: str, version: int) -> User:
    """Return the account as the administrator saw it; raises ForbiddenError, NotFoundError, AccountChangedError."""
    check_permission(actor, action)
    user = queries.get_seen_user(uow.session, actor, login)
    check_permission(actor, action, user.court_code)
    if user.version != version:
        raise changed(login)
    return user


def write(uow: UnitOfWork, user: User, values: Mapping[str, object]) -> None:
    """Write when nobody else has since; the loaded row keeps showing what was before. Raises AccountChangedError."""
    rule = update(User).where(col(User.id) == user.id, col(User.version) == user.version)
    if uow.connection.execute(rule.values(version=user.version + 1, **values)).rowcount != 1:
        raise changed(user.login)


def drop_passkeys(uow: UnitOfWork, user_id: str) -> None:
    """Take every passkey of a user away."""
    uow.connection.execute(delete(Passkey).where(col(Passkey.user_id) == user_id))


def due_password(user: User, admitter: Actor) -> dict[str, object]:
    """Return what lets a one-time password be issued: who proposed and who admitted it."""
    return {"password_due": True, "due_proposed_by": proposer_of(user), "due_admitted_by": admitter.audit_name}


def proposer_of(user: User) -> str:
    """Return who proposed what waits there, as the audit names people."""
    return user.pending_by or user.created_by


def changed(login: str) -> rules.AccountChangedError:
    """Build the refusal for whoever came second."""
    return rules.AccountChangedError("Somebody else changed this account meanwhile; reload the page.", login=login)


def check_nothing_pending(user: User) -> None:
    """Raise ProposalPendingError while something waits there: it has one proposer, who must not admit it."""
    if queries.is_changing(user):
        raise approvals.ProposalPendingError(
            "Something waits to be admitted here already; have it admitted or refused first.", login=user.login
        )


def check_may_decide(actor: Actor, user: User) -> None:
    """Raise SamePersonError for one's own account and for what one proposed."""
    check_not_own(actor, user)
    approvals.check_other(actor.audit_name, proposer_of(user))


def check_not_own(actor: Actor, user: User) -> None:
    """Raise SamePersonError for one's own account."""
    if actor.user_id == user.id:
        raise rules.SamePersonError("Nobody changes his own account here; another administrator must do this.")


def note(uow: UnitOfWork, actor: Actor, user: User, action: str, detail: Mapping[str, str]) -> None:
    """Audit an administrator's act on an account."""
    audit.append(
        uow, actor=actor.audit_name, court_code=user.court_code, action=action, subject=user.login,
        detail=dict(detail),
    )  # fmt: skip
