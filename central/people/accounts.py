"""Accounts under three administrators: one proposes, another admits, the third looks on (三员分立).

An account that a system administrator proposes, changes or enables again may log in, or has its new role, only
once a security administrator of the same or a superior court admits it; its first password is issued after that
(`resets`). Nobody admits what he proposed, nobody changes his own account. Writes; never commits.
"""

from __future__ import annotations

from central.base.errors import InvalidInputError
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission, check_role, may
from central.courts.queries import get_court
from central.people import account_edits as edits
from central.people import appointments, approvals, queries, resets, rules, sessions
from central.people.models import User


def check_may_propose(actor: Actor) -> None:
    """Raise ForbiddenError for whoever may not propose accounts; asked before the form is shown."""
    check_permission(actor, "manage_users")


def propose_user(uow: UnitOfWork, actor: Actor, *, login: str, name: str, role: str, court_code: str) -> str:
    """Propose an account, which has no password yet; returns its login as stored.

    Raises ForbiddenError, InvalidInputError, NotFoundError for an unknown court, ConflictError for a taken login.
    """
    check_permission(actor, "manage_users", court_code)
    court = get_court(uow.session, court_code)
    login, role = rules.check_login(login), check_role(role)
    if queries.find_user(uow.session, login):
        raise rules.LoginTakenError(f"The login {login!r} is taken; choose another.", login=login)
    user = User(
        login=login, name=rules.check_name(name), role=role, court_code=court.code, password_hash="",
        created_ms=uow.now_ms, created_by=actor.audit_name,
    )  # fmt: skip
    uow.session.add(user)
    uow.session.flush()
    edits.note(uow, actor, user, "people:user:propose", {"role": role, "name": user.name})
    return login


def propose_change(uow: UnitOfWork, actor: Actor, login: str, *, role: str, court_code: str, version: int) -> None:
    """Propose another role or court for an admitted account; the present ones hold until it is admitted.

    Raises ForbiddenError, SamePersonError for one's own account, ConflictError when somebody else was first.
    """
    user = edits.load(uow, actor, "manage_users", login, version)
    edits.check_not_own(actor, user)
    court = get_court(uow.session, court_code)
    check_permission(actor, "manage_users", court.code)
    role = check_role(role)
    if user.admitted_ms is None:
        raise rules.AccountChangedError(
            "This account is not admitted yet; refuse it and propose it anew.", login=login
        )
    if (role, court.code) == (user.role, user.court_code):
        raise InvalidInputError("This is the present role and court; choose another.")
    edits.check_nothing_pending(user)
    values = {
        "pending_role": role if role != user.role else "",
        "pending_court": court.code if court.code != user.court_code else "",
        "pending_by": actor.audit_name,
    }
    edits.write(uow, user, values)
    edits.note(uow, actor, user, "people:user:change", {"role": role, "court": court.code})


def admit(uow: UnitOfWork, actor: Actor, login: str, *, version: int) -> None:
    """Admit what another administrator proposed: the account, its new role and court, or a reset.

    A changed role ends the sessions, so that nobody works on under the former one. Raises ForbiddenError,
    SamePersonError, ConflictError.
    """
    user = _load_waiting(uow, actor, login, version)
    if user.admitted_ms is None:
        values = {**edits.NOTHING_PENDING, "admitted_ms": uow.now_ms, "admitted_by": actor.audit_name}
        if not user.password_hash or user.must_change_password:
            values.update(edits.due_password(user, actor))
        edits.write(uow, user, values)
        edits.note(uow, actor, user, "people:user:admit", {"role": user.role})
    elif user.pending_reset:
        resets.admit_reset(uow, actor, user)
    else:
        _admit_change(uow, actor, user)


def _admit_change(uow: UnitOfWork, actor: Actor, user: User) -> None:
    role, court_code = user.pending_role or user.role, user.pending_court or user.court_code
    check_permission(actor, "admit_users", court_code)
    values = {**edits.NOTHING_PENDING, "role": role, "court_code": court_code}
    is_renewed = approvals.changes_issuer(user.role, role)
    if is_renewed:
        # Nobody enters or leaves the admitting office with a password that the other office has handed out.
        values |= {**edits.NO_SECOND_WAY, **edits.due_password(user, actor)}
        values |= {"password_hash": "", "must_change_password": False}
        edits.drop_passkeys(uow, user.id)
    edits.write(uow, user, values)
    sessions.end_sessions(uow, user.id)
    appointments.end_all_of(uow, user.id, by=actor.audit_name)
    detail = {"role": role, "court": court_code, "former_role": user.role, "former_court": user.court_code}
    edits.note(uow, actor, user, "people:user:admit", detail | ({"password": "due"} if is_renewed else {}))


def refuse(uow: UnitOfWork, actor: Actor, login: str, *, version: int, reason: str) -> None:
    """Refuse what was proposed: a new account is disabled, a change or reset is dropped. Raises as `admit`."""
    user = _load_waiting(uow, actor, login, version)
    reason = rules.check_name(reason, "reason", 200)
    is_new = user.admitted_ms is None
    edits.write(uow, user, {**edits.NOTHING_PENDING, **({"disabled_ms": uow.now_ms} if is_new else {})})
    what = "user" if is_new else user.pending_reset or "change"
    edits.note(uow, actor, user, "people:user:refuse", {"reason": reason, "what": what})


def disable(uow: UnitOfWork, actor: Actor, login: str, *, version: int, reason: str) -> None:
    """Disable an account and end its sessions at once; either administrator may. Raises SamePersonError."""
    right = "manage_users" if may(actor, "manage_users") else "admit_users"
    user = edits.load(uow, actor, right, login, version)
    edits.check_not_own(actor, user)
    reason = rules.check_name(reason, "reason", 200)
    if user.disabled_ms is not None:
        raise rules.AccountChangedError("This account is disabled already; reload the page.", login=login)
    edits.write(uow, user, {**edits.NOTHING_PENDING, "disabled_ms": uow.now_ms, "password_due": False})
    sessions.end_sessions(uow, user.id)
    appointments.end_all_of(uow, user.id, by=actor.audit_name)
    edits.note(uow, actor, user, "people:user:disable", {"reason": reason})


def enable(uow: UnitOfWork, actor: Actor, login: str, *, version: int) -> None:
    """Propose that a disabled account may log in again: it waits to be admitted like a new one."""
    user = edits.load(uow, actor, "manage_users", login, version)
    edits.check_not_own(actor, user)
    if user.disabled_ms is None:
        raise rules.AccountChangedError("This account is not disabled; reload the page.", login=login)
    values = {"disabled_ms": None, "admitted_ms": None, "admitted_by": "", "password_due": False}
    edits.write(uow, user, {**edits.NOTHING_PENDING, **values, "pending_by": actor.audit_name})
    edits.note(uow, actor, user, "people:user:enable", {})


def _load_waiting(uow: UnitOfWork, actor: Actor, login: str, version: int) -> User:
    """Return an account where something waits that this administrator may decide on."""
    user = edits.load(uow, actor, "admit_users", login, version)
    edits.check_may_decide(actor, user)
    if user.disabled_ms is not None or not (user.admitted_ms is None or queries.is_changing(user)):
        raise rules.AccountChangedError("Nothing waits to be admitted here; reload the page.", login=login)
    return user
