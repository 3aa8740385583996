"""Lost passwords and second ways: proposed, admitted (`accounts.admit`), and a one-time password issued.

While a reset waits, the person goes on with what it has: a proposal locks nobody out. Writes; never commits.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session

from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission, may
from central.people import account_edits as edits
from central.people import approvals, queries, rules, sessions
from central.people.models import User


@dataclass(frozen=True)
class FirstPassword:
    """A one-time password: shown once to the administrator who hands it over, stored as a hash only."""

    login: str
    password: str


def propose_reset(uow: UnitOfWork, actor: Actor, login: str, *, what: str, version: int) -> None:
    """Propose that the password or the second ways (`approvals.RESETS`) be reset; effective when admitted.

    Raises ForbiddenError, SamePersonError for one's own account, InvalidInputError, AccountChangedError,
    ProposalPendingError.
    """
    user = edits.load(uow, actor, "manage_users", login, version)
    edits.check_not_own(actor, user)
    reset = approvals.check_reset(what)
    if not queries.may_log_in(user):
        raise rules.AccountChangedError("This account is not in use; propose to enable it first.", login=login)
    edits.check_nothing_pending(user)
    if reset == "password" and user.password_due:
        raise rules.AccountChangedError("A one-time password may be issued already; reload the page.", login=login)
    edits.write(uow, user, {"pending_reset": reset, "pending_by": actor.audit_name})
    edits.note(uow, actor, user, f"people:{reset}:propose", {})


def admit_reset(uow: UnitOfWork, actor: Actor, user: User) -> None:
    """Put a proposed reset into effect; `accounts.admit` has checked who admits."""
    if user.pending_reset == "password":
        edits.write(uow, user, {**edits.NOTHING_PENDING, **edits.due_password(user, actor)})
        edits.note(uow, actor, user, "people:password:admit", {"proposed_by": user.pending_by})
        return
    edits.write(uow, user, {**edits.NOTHING_PENDING, **edits.NO_SECOND_WAY})
    edits.drop_passkeys(uow, user.id)
    sessions.end_sessions(uow, user.id)
    edits.note(uow, actor, user, "people:second:reset", {"proposed_by": user.pending_by})


def may_issue(actor: Actor, user: User) -> bool:
    """Tell whether a one-time password waits to be issued to this account, and by this administrator."""
    return (
        user.password_due
        and queries.may_log_in(user)
        and may(actor, approvals.issuing_right(user.role), user.court_code)
        and user.id != actor.user_id
        and not _has_admitted(actor, user)
    )


def issuer_of(user: User) -> str:
    """Return the role that issues one-time passwords to this account."""
    return "security_admin" if approvals.issuing_right(user.role) == "admit_users" else "system_admin"


def check_may_issue(session: Session, actor: Actor, login: str) -> None:
    """Raise as `issue_password` does, before a password is hashed for it."""
    _check_issuer(actor, queries.get_seen_user(session, actor, login))


def issue_password(
    uow: UnitOfWork, actor: Actor, login: str, *, version: int, first: str, hashed: str
) -> FirstPassword:
    """Give an account the one-time password that two administrators agreed on; ends its sessions and its lock.

    `first` and `hashed` come from `passwords`, hashed before the write lock was taken. Raises ForbiddenError for the
    office that must not know it, SamePersonError, AccountChangedError when none is due.
    """
    user = queries.get_seen_user(uow.session, actor, login)
    _check_issuer(actor, user)
    if user.version != version:
        raise edits.changed(login)
    values = {
        "password_hash": hashed, "password_ms": uow.now_ms, "must_change_password": True, "password_due": False,
        "issued_by": actor.audit_name,
    }  # fmt: skip
    edits.write(uow, user, values)
    sessions.end_sessions(uow, user.id)
    sessions.forget_failures(uow, user.login)
    detail = {"proposed_by": user.due_proposed_by, "admitted_by": user.due_admitted_by}
    edits.note(uow, actor, user, "people:password:issue", detail)
    return FirstPassword(user.login, first)


def _check_issuer(actor: Actor, user: User) -> None:
    check_permission(actor, approvals.issuing_right(user.role), user.court_code)
    edits.check_not_own(actor, user)
    if not user.password_due or not queries.may_log_in(user):
        raise rules.AccountChangedError("No one-time password is due here; reload the page.", login=user.login)
    if _has_admitted(actor, user):
        raise rules.SamePersonError("You admitted this password; another administrator must issue it.")


def _has_admitted(actor: Actor, user: User) -> bool:
    """Whether a person who changed offices since would issue what it admitted.

    A security administrator may do both for another one: who proposed it was a system administrator.
    """
    return approvals.issuing_right(user.role) == "manage_users" and user.due_admitted_by == actor.audit_name
