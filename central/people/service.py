"""Writer of the people room: accounts and log-in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, update
from sqlmodel import col

from central.audit import service as audit
from central.base.errors import ConflictError
from central.base.ids import hash_token, new_token
from central.base.settings import Settings
from central.base.unit_of_work import Store, UnitOfWork
from central.courts.permissions import Actor, check_role
from central.courts.queries import get_court
from central.people import queries, rules
from central.people.models import LoginSession, LoginThrottle, User

TOUCH_EVERY_MS = 60_000
_THROTTLE_KEPT_MS = 24 * 3600 * 1000
# RFC 9106, second recommended option, with one lane: the centre has two cores to share.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)


@dataclass(frozen=True)
class IssuedSession:
    """A fresh log-in session. `token` goes into the cookie and is stored nowhere else."""

    token: str
    actor: Actor
    expires_ms: int


def add_user(uow: UnitOfWork, *, login: str, name: str, role: str, court_code: str, password: str, by: str) -> User:
    """Create a log-in, audited under `by`.

    Raises InvalidInputError, NotFoundError for an unknown court, ConflictError when the login is taken.
    """
    login, password = rules.check_login(login), rules.check_password(password)
    court = get_court(uow.session, court_code)
    if queries.find_user(uow.session, login):
        raise ConflictError(f"The login {login!r} is taken; choose another.", login=login)
    user = User(
        login=login,
        name=name,
        role=check_role(role),
        court_code=court.code,
        password_hash=_HASHER.hash(password),
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
    """Disable a log-in and end its sessions at once. Raises NotFoundError."""
    user = queries.get_user(uow.session, login)
    user.disabled_ms = user.disabled_ms or uow.now_ms
    _revoke_sessions(uow, user.id)
    audit.append(uow, actor=by, court_code=user.court_code, action="people:user:disable", subject=user.login)


def log_in(store: Store, settings: Settings, *, login: str, password: str, client: str = "") -> IssuedSession:
    """Check a password and open a session of its own transaction.

    The password is hashed before the write lock is taken (it costs some 100 ms), and hashed for unknown logins
    too, so that neither time nor words tell which logins exist. Raises WrongPasswordError or LockedOutError;
    both leave their record.
    """
    login = rules.normalise_login(login)
    with store.read() as session:
        user = queries.find_user(session, login)
        throttle = session.get(LoginThrottle, login)
    now_ms = store.clock.now_ms()
    if throttle and rules.is_locked(throttle.failures, throttle.locked_until_ms, now_ms):
        raise rules.locked_out(throttle.locked_until_ms, now_ms)  # not audited: it must not fill the chain
    right = verify_password(user.password_hash if user else None, password)
    with store.write() as uow:
        if user is None or not right or user.disabled_ms is not None:
            raise _refuse(uow, login, user, client)
        current = uow.session.get(LoginThrottle, login)
        if current and rules.is_locked(current.failures, current.locked_until_ms, uow.now_ms):
            raise rules.locked_out(current.locked_until_ms, uow.now_ms)
        if current:
            uow.session.delete(current)
        return _open_session(uow, settings, user, client)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Compare in the same time whether or not there is a hash to compare with."""
    if len(password.encode()) > rules.MAX_PASSWORD_BYTES:
        password = ""
    try:
        _HASHER.verify(password_hash or _absent_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def touch_session(uow: UnitOfWork, token: str) -> None:
    """Note that the session is in use; writes at most once a minute."""
    rule = update(LoginSession).where(
        col(LoginSession.token_hash) == hash_token(token[:200]),
        col(LoginSession.last_seen_ms) < uow.now_ms - TOUCH_EVERY_MS,
    )
    uow.connection.execute(rule.values(last_seen_ms=uow.now_ms))


def log_out(uow: UnitOfWork, token: str) -> None:
    """End the session of `token`; harmless when it has ended already."""
    found = uow.session.get(LoginSession, hash_token(token[:200]))
    if found is None or found.revoked_ms is not None:
        return
    found.revoked_ms = uow.now_ms
    user = uow.session.get_one(User, found.user_id)
    audit.append(
        uow, actor=f"user:{user.login}", court_code=user.court_code, action="people:session:close", subject=user.login
    )


def prune_sessions(uow: UnitOfWork) -> None:
    """Forget sessions past their absolute end and wrong passwords of yesterday."""
    uow.connection.execute(delete(LoginSession).where(col(LoginSession.expires_ms) <= uow.now_ms))
    old_ms = uow.now_ms - _THROTTLE_KEPT_MS
    uow.connection.execute(delete(LoginThrottle).where(col(LoginThrottle.last_failure_ms) < old_ms))


def _open_session(uow: UnitOfWork, settings: Settings, user: User, client: str) -> IssuedSession:
    token, expires_ms = new_token(), uow.now_ms + settings.session_max_s * 1000
    uow.session.add(
        LoginSession(
            token_hash=hash_token(token),
            user_id=user.id,
            created_ms=uow.now_ms,
            last_seen_ms=uow.now_ms,
            expires_ms=expires_ms,
            client=client[:100],
        )
    )
    actor = queries.actor_of(user)
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=actor.court_code,
        action="people:session:open",
        subject=actor.login,
        detail={"client": client[:100]},
    )
    return IssuedSession(token, actor, expires_ms)


def _refuse(
    uow: UnitOfWork, login: str, user: User | None, client: str
) -> rules.WrongPasswordError | rules.LockedOutError:
    throttle = uow.session.get(LoginThrottle, login) or LoginThrottle(
        login=login, failures=0, locked_until_ms=0, last_failure_ms=0
    )
    throttle.failures, throttle.locked_until_ms = rules.count_failure(
        throttle.failures, throttle.locked_until_ms, uow.now_ms
    )
    throttle.last_failure_ms = uow.now_ms
    uow.session.add(throttle)
    _audit_refusal(uow, login, user, "wrong_password", client)
    if rules.is_locked(throttle.failures, throttle.locked_until_ms, uow.now_ms):
        return rules.locked_out(throttle.locked_until_ms, uow.now_ms)
    return rules.WrongPasswordError("Login or password is wrong; check both and try again.")


def _audit_refusal(uow: UnitOfWork, login: str, user: User | None, reason: str, client: str) -> None:
    audit.append(
        uow,
        actor="system:web",
        court_code=user.court_code if user else "",
        action="people:session:refuse",
        subject=login,
        detail={"reason": reason, "client": client[:100]},
    )


def _revoke_sessions(uow: UnitOfWork, user_id: str) -> None:
    rule = update(LoginSession).where(col(LoginSession.user_id) == user_id, col(LoginSession.revoked_ms).is_(None))
    uow.connection.execute(rule.values(revoked_ms=uow.now_ms))


@cache
def _absent_hash() -> str:
    return _HASHER.hash(new_token())
