"""Log-in sessions: opened, carried on from stage to stage, proven again, ended. Writes; never commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import delete, update
from sqlmodel import col, select

from central.audit import service as audit
from central.base.errors import NotFoundError, RecordedRefusalError
from central.base.ids import hash_token, new_token
from central.base.settings import Settings
from central.base.unit_of_work import ReadSession, UnitOfWork
from central.courts.permissions import Actor, check_permission
from central.people import queries, rules
from central.people.models import Ceremony, LoginSession, LoginThrottle, Terminal, User

TOUCH_EVERY_MS = 60_000
_THROTTLE_KEPT_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Visit:
    """Where a log-in comes from: address, browser as it calls itself, and the terminal's token if it holds one."""

    client: str = ""
    device: str = ""
    terminal_token: str = ""


@dataclass(frozen=True)
class IssuedSession:
    """A fresh log-in session. `token` goes into the cookie and is stored nowhere else."""

    token: str
    actor: Actor
    expires_ms: int
    stage: str


def open_session(uow: UnitOfWork, settings: Settings, user: User, *, method: str, visit: Visit) -> IssuedSession:
    """Open a session for a person whose first way was right; it may still owe something (`stage`).

    Raises TerminalRequiredError where log-ins are bound to registered terminals, NotAdmittedError.
    """
    check_admitted(uow, user, visit)
    terminal = find_terminal(uow, visit.terminal_token)
    if settings.terminal_binding == "all":
        check_terminal(terminal.court_code if terminal else None, user.court_code)
    token = new_token()
    row = LoginSession(
        token_hash=hash_token(token),
        user_id=user.id,
        created_ms=uow.now_ms,
        last_seen_ms=uow.now_ms,
        expires_ms=uow.now_ms,
        client=visit.client[:100],
        device=visit.device[:60],
        method=method,
        terminal_id=terminal.id if terminal else None,
    )
    settle(uow, settings, row, user)
    uow.session.add(row)
    detail = {"client": row.client, "method": method, "stage": row.stage}
    _audit(uow, user, "people:session:open", detail)
    return IssuedSession(token, queries.actor_of(user), row.expires_ms, row.stage)


def settle(uow: UnitOfWork, settings: Settings, row: LoginSession, user: User) -> None:
    """Bring a session to the stage it has reached; a whole one begins to count its time now."""
    row.stage = rules.next_stage(
        second_factor=settings.second_factor,
        has_second=queries.has_second_way(uow.session, user),
        is_second_proven=rules.is_second_way(row.method),
        must_change_password=user.must_change_password and row.method.startswith("password"),
    )
    row.last_seen_ms = uow.now_ms
    if row.stage == "full":
        row.proven_ms = uow.now_ms
        row.expires_ms = uow.now_ms + settings.session_max_s * 1000
        forget_failures(uow, user.login)
    else:
        row.expires_ms = row.created_ms + rules.PENDING_MS


def get_open(uow: UnitOfWork, token: str) -> tuple[LoginSession, User]:
    """Return the session of `token` and its user, to carry it on; raises CeremonyExpiredError when it has ended."""
    row = uow.session.get(LoginSession, hash_token(token[:200]))
    if row is None or row.revoked_ms is not None or row.expires_ms <= uow.now_ms:
        raise rules.CeremonyExpiredError("This took too long or was done already; start again.")
    return row, uow.session.get_one(User, row.user_id)


def check_setting_up(uow: UnitOfWork, row: LoginSession, user: User) -> None:
    """Raise CeremonyExpiredError unless this log-in may set a second way up, as things stand under the lock.

    It is whole, or it owes just that: as soon as there is one, a half-way log-in must show it instead.
    """
    if row.stage == "full" or (row.stage == "enrol" and not queries.has_second_way(uow.session, user)):
        return
    raise rules.CeremonyExpiredError("This took too long or was done already; start again.")


def find_holder(session: ReadSession, token: str) -> User | None:
    """Return whose session `token` is, whatever its stage; None when there is none."""
    row = session.get(LoginSession, hash_token(token[:200]))
    return session.get(User, row.user_id) if row is not None else None


def prove(uow: UnitOfWork, token: str, way: str) -> None:
    """Note that the person of a whole session has proven itself again, by `way`."""
    row, user = get_open(uow, token)
    row.proven_ms = uow.now_ms
    forget_failures(uow, user.login)
    _audit(uow, user, "people:session:prove", {"way": way})


def check_admitted(uow: UnitOfWork, user: User, visit: Visit) -> None:
    """Raise NotAdmittedError while no security administrator has admitted the account; recorded."""
    if user.admitted_ms is None:
        audit_refusal(uow, user.login, user, "not_admitted", visit.client)
        raise rules.NotAdmittedError(
            "This account waits to be admitted; ask the security administrator of your court."
        )


def check_terminal(terminal_court: str | None, court_code: str) -> None:
    """Raise TerminalRequiredError unless the terminal serves people of `court_code`."""
    if terminal_court is None or not rules.terminal_serves(terminal_court, court_code):
        raise rules.TerminalRequiredError(
            "This is possible at a registered terminal of your court only; use one, or have the security "
            "administrator register this one."
        )


def find_terminal(uow: UnitOfWork, token: str) -> Terminal | None:
    """Return the registered terminal whose browser holds `token`, if any."""
    if not token:
        return None
    query = select(Terminal).where(Terminal.token_hash == hash_token(token[:200]), col(Terminal.revoked_ms).is_(None))
    return uow.session.exec(query).first()


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
    _audit(uow, uow.session.get_one(User, found.user_id), "people:session:close", {})


def revoke_own(uow: UnitOfWork, actor: Actor, ref: str, *, keep: str = "") -> int:
    """End one session of one's own (`ref`), or without `ref` all but the one named `keep`; returns how many."""
    count = _revoke(uow, actor.user_id, ref, keep)
    if ref and not count:
        raise NotFoundError("This session has ended already; reload the page.")
    _audit_revocation(uow, actor.audit_name, actor.court_code, actor.login, count)
    return count


def revoke_sessions_of(uow: UnitOfWork, actor: Actor, login: str, ref: str = "") -> int:
    """End one (`ref`) or every session of a user of the actor's courts; raises ForbiddenError, NotFoundError."""
    user = queries.get_seen_user(uow.session, actor, login)
    check_permission(actor, "manage_sessions", user.court_code)
    count = _revoke(uow, user.id, ref, "")
    _audit_revocation(uow, actor.audit_name, user.court_code, user.login, count)
    return count


def end_sessions(uow: UnitOfWork, user_id: str, *, keep_token: str = "") -> None:
    """End every session of a user at once, but for the one of `keep_token`, and every exchange under way.

    Whatever a person's keys are changed to, nobody goes on under the former ones, half-way log-ins included.
    """
    uow.connection.execute(delete(Ceremony).where(col(Ceremony.user_id) == user_id))
    _revoke(uow, user_id, "", hash_token(keep_token) if keep_token else "")


def prune_sessions(uow: UnitOfWork) -> None:
    """Forget sessions past their absolute end, exchanges never answered and wrong passwords of yesterday."""
    uow.connection.execute(delete(LoginSession).where(col(LoginSession.expires_ms) <= uow.now_ms))
    uow.connection.execute(delete(Ceremony).where(col(Ceremony.expires_ms) <= uow.now_ms))
    old_ms = uow.now_ms - _THROTTLE_KEPT_MS
    uow.connection.execute(delete(LoginThrottle).where(col(LoginThrottle.last_failure_ms) < old_ms))


def check_not_locked(session: ReadSession, login: str, client: str, now_ms: int) -> None:
    """Raise LockedOutError or AddressLockedError, for the address alone without `login`; not audited, as it must not
    fill the chain.
    """
    for key, refuse, limit in _counted(login, client):
        throttle = session.get(LoginThrottle, key)
        if throttle and rules.is_locked(throttle.failures, throttle.locked_until_ms, now_ms, limit):
            raise refuse(throttle.locked_until_ms, now_ms)


def count_failure(uow: UnitOfWork, login: str, client: str) -> None:
    """Count a wrong password or code for the login (none where nobody said who it is) and the address.

    Raises LockedOutError or AddressLockedError when it was the last.
    """
    for key, _refuse, limit in _counted(login, client):
        throttle = uow.session.get(LoginThrottle, key) or LoginThrottle(
            login=key, failures=0, locked_until_ms=0, last_failure_ms=uow.now_ms
        )
        if key != login and uow.now_ms - throttle.last_failure_ms > rules.LOCK_MS:
            throttle.failures = 0
        throttle.failures, throttle.locked_until_ms = rules.count_failure(
            throttle.failures, throttle.locked_until_ms, uow.now_ms, limit
        )
        throttle.last_failure_ms = uow.now_ms
        uow.session.add(throttle)
    uow.session.flush()
    check_not_locked(uow.session, login, client, uow.now_ms)


def forget_failures(uow: UnitOfWork, login: str) -> None:
    """Forget the wrong passwords of a login that has proven itself; those of its address stay."""
    uow.connection.execute(delete(LoginThrottle).where(col(LoginThrottle.login) == login))


def audit_refusal(uow: UnitOfWork, login: str, user: User | None, reason: str, client: str) -> None:
    """Record a refused log-in."""
    audit.append(
        uow,
        actor="system:web",
        court_code=user.court_code if user else "",
        action="people:session:refuse",
        subject=login,
        detail={"reason": reason, "client": client[:100]},
    )


def _counted(login: str, client: str) -> Iterator[tuple[str, Callable[[int, int], RecordedRefusalError], int]]:
    if login:
        yield login, rules.locked_out, rules.MAX_FAILURES
    if client:
        yield rules.address_key(client), rules.address_locked, rules.MAX_ADDRESS_FAILURES


def _revoke(uow: UnitOfWork, user_id: str, ref: str, keep: str) -> int:
    rule = update(LoginSession).where(col(LoginSession.user_id) == user_id, col(LoginSession.revoked_ms).is_(None))
    if ref:
        rule = rule.where(col(LoginSession.token_hash).startswith(ref, autoescape=True))
    if keep:
        rule = rule.where(~col(LoginSession.token_hash).startswith(keep, autoescape=True))
    return uow.connection.execute(rule.values(revoked_ms=uow.now_ms)).rowcount


def _audit(uow: UnitOfWork, user: User, action: str, detail: dict[str, str]) -> None:
    audit.append(
        uow, actor=f"user:{user.login}", court_code=user.court_code, action=action, subject=user.login, detail=detail
    )


def _audit_revocation(uow: UnitOfWork, by: str, court_code: str, login: str, count: int) -> None:
    detail = {"count": count}
    audit.append(uow, actor=by, court_code=court_code, action="people:session:revoke", subject=login, detail=detail)
