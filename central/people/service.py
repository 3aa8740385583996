"""Writer of the people room: log-in by password, and the accounts made at the machine itself.

What else is written here has a module of its own: `accounts` (three administrators), `sessions`, `second` (TOTP and
recovery codes), `passkeys`, `directory` (OpenID Connect), `terminals`, `service_accounts`, `appointments`.
"""

from __future__ import annotations

from central.audit import service as audit
from central.base.settings import Settings
from central.base.unit_of_work import Store, UnitOfWork
from central.courts.permissions import check_role
from central.courts.queries import get_court
from central.people import appointments, password_rules, passwords, queries, rules, sessions
from central.people.models import User
from central.people.sessions import (
    IssuedSession,
    Visit,
    end_sessions,
    log_out,
    prune_sessions,
    touch_session,
)

__all__ = [
    "IssuedSession",
    "Visit",
    "add_user",
    "disable_user",
    "log_in",
    "log_out",
    "prove_by_password",
    "prune_sessions",
    "restore_user",
    "touch_session",
]
NOBODY = Visit()


def add_user(uow: UnitOfWork, *, login: str, name: str, role: str, court_code: str, password: str, by: str) -> User:
    """Create an admitted log-in from the machine itself, audited under `by`; pages go through `accounts`.

    Raises InvalidInputError, NotFoundError for an unknown court, ConflictError when the login is taken.
    """
    login = rules.check_login(login)
    password = password_rules.check_password(password, login)
    court = get_court(uow.session, court_code)
    if queries.find_user(uow.session, login):
        raise rules.LoginTakenError(f"The login {login!r} is taken; choose another.", login=login)
    user = User(
        login=login,
        name=rules.check_name(name),
        role=check_role(role),
        court_code=court.code,
        password_hash=passwords.hash_password(password),
        created_ms=uow.now_ms,
        created_by=by,
        admitted_ms=uow.now_ms,
        admitted_by=by,
        password_ms=uow.now_ms,
    )
    uow.session.add(user)
    uow.session.flush()
    audit.append(
        uow, actor=by, court_code=court.code, action="people:user:add", subject=login, detail={"role": user.role}
    )
    return user


def disable_user(uow: UnitOfWork, *, login: str, by: str) -> None:
    """Disable a log-in from the machine itself and end its sessions at once. Raises NotFoundError."""
    user = queries.get_user(uow.session, login)
    user.disabled_ms = user.disabled_ms or uow.now_ms
    end_sessions(uow, user.id)
    appointments.end_all_of(uow, user.id, by=by)
    audit.append(uow, actor=by, court_code=user.court_code, action="people:user:disable", subject=user.login)


def restore_user(uow: UnitOfWork, *, login: str, password: str, by: str) -> None:
    """Let a person in again from the machine itself: new password, no second way; for the last administrator.

    Raises NotFoundError, InvalidInputError.
    """
    user = queries.get_user(uow.session, login)
    user.password_hash = passwords.hash_password(password_rules.check_password(password, user.login))
    user.password_ms, user.must_change_password, user.password_due = uow.now_ms, False, False
    user.pending_reset = ""
    passwords.drop_second_ways(uow, user)
    end_sessions(uow, user.id)
    sessions.forget_failures(uow, user.login)
    audit.append(uow, actor=by, court_code=user.court_code, action="people:user:restore", subject=user.login)


def log_in(store: Store, settings: Settings, *, login: str, password: str, visit: Visit = NOBODY) -> IssuedSession:
    """Check a password and open a session of its own transaction; it may still owe a second way (`stage`).

    The password is hashed before the write lock is taken (it costs some 100 ms), and hashed for unknown logins
    too, so that neither time nor words tell which logins exist. Raises WrongPasswordError, LockedOutError,
    AddressLockedError, NotAdmittedError, TerminalRequiredError.
    """
    login = rules.normalise_login(login)
    user, right = _compare(store, login, password, visit.client)
    with store.write() as uow:
        now = uow.session.get(User, user.id) if user is not None and right else None
        # Compared before the lock was taken: whatever was changed meanwhile counts.
        if now is None or user is None or now.password_hash != user.password_hash or now.disabled_ms is not None:
            raise _refuse(uow, login, user, visit.client)
        sessions.check_not_locked(uow.session, login, visit.client, uow.now_ms)
        return sessions.open_session(uow, settings, now, method="password", visit=visit)


def prove_by_password(store: Store, *, login: str, password: str, token: str, client: str) -> None:
    """Prove anew by password who holds the session of `token`. Raises WrongPasswordError, LockedOutError."""
    user, right = _compare(store, login, password, client)
    with store.write() as uow:
        if user is None or not right:
            raise _refuse(uow, login, user, client)
        sessions.check_not_locked(uow.session, login, client, uow.now_ms)
        sessions.prove(uow, token, "password")


def _compare(store: Store, login: str, password: str, client: str) -> tuple[User | None, bool]:
    with store.read() as session:
        sessions.check_not_locked(session, login, client, store.clock.now_ms())
        user = queries.find_user(session, login)
    return user, passwords.verify_password(user.password_hash if user else None, password)


def _refuse(uow: UnitOfWork, login: str, user: User | None, client: str) -> rules.WrongPasswordError:
    sessions.audit_refusal(uow, login, user, "wrong_password", client)
    sessions.count_failure(uow, login, client)
    return rules.WrongPasswordError("Login or password is wrong; check both and try again.")
