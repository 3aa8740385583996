"""Accounts under three administrators: one proposes, another admits, the third looks on (三员分立).

An account that a system administrator proposes, changes or enables again may log in, or has its new role, only
once a security administrator of the same or a superior court admits it. Nobody admits what he proposed, nobody
changes his own account. Writes; never commits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import col

from central.audit import service as audit
from central.base.errors import InvalidInputError
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission, check_role, may
from central.courts.queries import get_court
from central.people import appointments, passwords, queries, rules, sessions
from central.people.models import User


@dataclass(frozen=True)
class FirstPassword:
    """A password for first use: shown once to the administrator who hands it over, stored as a hash only."""

    login: str
    password: str


def check_may_propose(actor: Actor) -> None:
    """Raise ForbiddenError for whoever may not propose accounts; asked before the form is shown."""
    check_permission(actor, "manage_users")


def propose_user(
    uow: UnitOfWork, actor: Actor, *, login: str, name: str, role: str, court_code: str, first: str, hashed: str
) -> FirstPassword:
    """Propose an account; `first` and `hashed` come from `passwords`, hashed before the write lock was taken.

    Raises ForbiddenError, InvalidInputError, NotFoundError for an unknown court, ConflictError for a taken login.
    """
    check_permission(actor, "manage_users", court_code)
    court = get_court(uow.session, court_code)
    login, role = rules.check_login(login), check_role(role)
    if queries.find_user(uow.session, login):
        raise rules.LoginTakenError(f"The login {login!r} is taken; choose another.", login=login)
    user = User(
        login=login, name=rules.check_name(name), role=role, court_code=court.code, password_hash=hashed,
        created_ms=uow.now_ms, created_by=actor.audit_name, must_change_password=True, password_ms=uow.now_ms,
    )  # fmt: skip
    uow.session.add(user)
    uow.session.flush()
    _audit(uow, actor, user, "people:user:propose", {"role": role, "name": user.name})
    return FirstPassword(login, first)


def propose_change(uow: UnitOfWork, actor: Actor, login: str, *, role: str, court_code: str, version: int) -> None:
    """Propose another role or court for an admitted account; the present ones hold until it is admitted.

    Raises ForbiddenError, SamePersonError for one's own account, ConflictError when somebody else was first.
    """
    user = _load(uow, actor, "manage_users", login, version)
    _check_not_own(actor, user)
    court = get_court(uow.session, court_code)
    check_permission(actor, "manage_users", court.code)
    role = check_role(role)
    if user.admitted_ms is None:
        raise rules.AccountChangedError(
            "This account is not admitted yet; refuse it and propose it anew.", login=login
        )
    if (role, court.code) == (user.role, user.court_code):
        raise InvalidInputError("This is the present role and court; choose another.")
    values = {
        "pending_role": role if role != user.role else "",
        "pending_court": court.code if court.code != user.court_code else "",
        "pending_by": actor.audit_name,
    }
    _update(uow, user, values)
    _audit(uow, actor, user, "people:user:change", {"role": role, "court": court.code})


def admit(uow: UnitOfWork, actor: Actor, login: str, *, version: int) -> None:
    """Admit what another administrator proposed: the account, or its new role and court.

    A changed role ends the sessions, so that nobody works on under the former one. Raises ForbiddenError,
    SamePersonError, ConflictError.
    """
    user = _load(uow, actor, "admit_users", login, version)
    _check_may_decide(actor, user)
    if user.admitted_ms is None:
        values = {"admitted_ms": uow.now_ms, "admitted_by": actor.audit_name, "pending_by": ""}
        _update(uow, user, values)
        _audit(uow, actor, user, "people:user:admit", {"role": user.role})
        return
    if not (user.pending_role or user.pending_court):
        raise rules.AccountChangedError("Nothing waits to be admitted here; reload the page.", login=login)
    role, court_code = user.pending_role or user.role, user.pending_court or user.court_code
    check_permission(actor, "admit_users", court_code)
    _update(uow, user, {"role": role, "court_code": court_code, **_NOTHING_PENDING})
    sessions.end_sessions(uow, user.id)
    appointments.end_all_of(uow, user.id, by=actor.audit_name)
    detail = {"role": role, "court": court_code, "former_role": user.role, "former_court": user.court_code}
    _audit(uow, actor, user, "people:user:admit", detail)


def refuse(uow: UnitOfWork, actor: Actor, login: str, *, version: int, reason: str) -> None:
    """Refuse what was proposed: a new account is disabled, a change is dropped. Raises as `admit`."""
    user = _load(uow, actor, "admit_users", login, version)
    _check_may_decide(actor, user)
    reason = rules.check_name(reason, "reason", 200)
    if user.admitted_ms is None:
        _update(uow, user, {"disabled_ms": uow.now_ms, **_NOTHING_PENDING})
    elif user.pending_role or user.pending_court:
        _update(uow, user, _NOTHING_PENDING)
    else:
        raise rules.AccountChangedError("Nothing waits to be admitted here; reload the page.", login=login)
    _audit(uow, actor, user, "people:user:refuse", {"reason": reason})


def disable(uow: UnitOfWork, actor: Actor, login: str, *, version: int, reason: str) -> None:
    """Disable an account and end its sessions at once; either administrator may. Raises SamePersonError."""
    right = "manage_users" if may(actor, "manage_users") else "admit_users"
    user = _load(uow, actor, right, login, version)
    _check_not_own(actor, user)
    reason = rules.check_name(reason, "reason", 200)
    if user.disabled_ms is not None:
        raise rules.AccountChangedError("This account is disabled already; reload the page.", login=login)
    _update(uow, user, {"disabled_ms": uow.now_ms, **_NOTHING_PENDING})
    sessions.end_sessions(uow, user.id)
    appointments.end_all_of(uow, user.id, by=actor.audit_name)
    _audit(uow, actor, user, "people:user:disable", {"reason": reason})


def enable(uow: UnitOfWork, actor: Actor, login: str, *, version: int) -> None:
    """Propose that a disabled account may log in again: it waits to be admitted like a new one."""
    user = _load(uow, actor, "manage_users", login, version)
    _check_not_own(actor, user)
    if user.disabled_ms is None:
        raise rules.AccountChangedError("This account is not disabled; reload the page.", login=login)
    values = {"disabled_ms": None, "admitted_ms": None, "admitted_by": "", "pending_by": actor.audit_name}
    _update(uow, user, values)
    _audit(uow, actor, user, "people:user:enable", {})


def reset_password(
    uow: UnitOfWork, actor: Actor, login: str, *, version: int, first: str, hashed: str
) -> FirstPassword:
    """Give an account a password for first use and end its sessions and its lock; raises SamePersonError."""
    user = _load(uow, actor, "manage_users", login, version)
    _check_not_own(actor, user)
    _update(uow, user, {"password_hash": hashed, "password_ms": uow.now_ms, "must_change_password": True})
    sessions.end_sessions(uow, user.id)
    sessions.forget_failures(uow, user.login)
    _audit(uow, actor, user, "people:password:reset", {})
    return FirstPassword(user.login, first)


def reset_second(uow: UnitOfWork, actor: Actor, login: str, *, version: int) -> None:
    """Take code generator, recovery codes, passkeys and the link to the directory away; ends the sessions."""
    user = _load(uow, actor, "admit_users", login, version)
    _check_not_own(actor, user)
    _update(uow, user, {"oidc_subject": None})
    uow.session.refresh(user)
    passwords.drop_second_ways(uow, user)
    sessions.end_sessions(uow, user.id)
    _audit(uow, actor, user, "people:second:reset", {})


_NOTHING_PENDING = {"pending_role": "", "pending_court": "", "pending_by": ""}


def _load(uow: UnitOfWork, actor: Actor, action: str, login: str, version: int) -> User:
    check_permission(actor, action)
    user = queries.get_seen_user(uow.session, actor, login)
    check_permission(actor, action, user.court_code)
    if user.version != version:
        raise _changed(login)
    return user


def _update(uow: UnitOfWork, user: User, values: Mapping[str, object]) -> None:
    """Write when nobody else has since; the loaded row keeps showing what was before."""
    rule = update(User).where(col(User.id) == user.id, col(User.version) == user.version)
    if uow.connection.execute(rule.values(version=user.version + 1, **values)).rowcount != 1:
        raise _changed(user.login)


def _changed(login: str) -> rules.AccountChangedError:
    return rules.AccountChangedError("Somebody else changed this account meanwhile; reload the page.", login=login)


def _check_may_decide(actor: Actor, user: User) -> None:
    _check_not_own(actor, user)
    if (user.pending_by or user.created_by) == actor.audit_name:
        raise rules.SamePersonError("Nobody admits what he proposed; another security administrator must do this.")


def _check_not_own(actor: Actor, user: User) -> None:
    if actor.user_id == user.id:
        raise rules.SamePersonError("Nobody changes his own account here; another administrator must do this.")


def _audit(uow: UnitOfWork, actor: Actor, user: User, action: str, detail: dict[str, str]) -> None:
    audit.append(
        uow, actor=actor.audit_name, court_code=user.court_code, action=action, subject=user.login, detail=detail
    )
