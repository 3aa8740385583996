"""Reads of the people room."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.base.ids import hash_token
from central.courts.permissions import Actor, check_permission, check_role
from central.courts.queries import in_scope
from central.people import rules
from central.people.appointments import list_posts
from central.people.models import LoginSession, Passkey, Terminal, User

USERS_A_PAGE = 50
# What a list of users can be narrowed to.
ACCOUNT_STATES = ("active", "waiting", "proposed", "changing", "due", "disabled")
_REF_CHARS = 24


@dataclass(frozen=True)
class Login:
    """A log-in session as it stands now. `ref` names it without being its token."""

    ref: str
    actor: Actor
    stage: rules.Stage
    method: str
    proven_ms: int
    terminal_court: str | None
    """Court of the registered terminal it was opened at, if at one."""

    @property
    def is_full(self) -> bool:
        """Whether nothing is owed any more."""
        return self.stage == "full"


@dataclass(frozen=True)
class SessionLine:
    """One session in a list of them."""

    ref: str
    device: str
    client: str
    method: str
    stage: str
    created_ms: int
    last_seen_ms: int
    expires_ms: int
    terminal: str
    is_own: bool
    """Whether it is the session of whoever looks."""


@dataclass(frozen=True)
class UserPage:
    """One page of the list of users; `total` counts all pages."""

    rows: Sequence[User]
    total: int
    page: int
    with_second: frozenset[str]
    """Ids of those of `rows` who have set up a second way."""

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.total // USERS_A_PAGE))


def list_users(session: Session, actor: Actor) -> Sequence[User]:
    """Return the users of the actor's courts; raises ForbiddenError without `see_users`."""
    check_permission(actor, "see_users")
    return session.exec(select(User).where(in_scope(User.court_code, actor)).order_by(User.login)).all()


def search_users(
    session: Session, actor: Actor, *, text: str = "", role: str = "", court_code: str = "", state: str = "",
    page: int = 1,
) -> UserPage:  # fmt: skip
    """Return a page of the users whose login or name holds `text`, narrowed; raises ForbiddenError."""
    check_permission(actor, "see_users")
    wanted: list[ColumnElement[bool]] = [in_scope(User.court_code, actor)]
    if text := text.strip()[:60]:
        login = col(User.login).contains(rules.normalise_login(text), autoescape=True)
        wanted.append(or_(login, col(User.name).contains(text, autoescape=True)))
    if role:
        wanted.append(col(User.role) == role)
    if court_code:
        wanted.append(col(User.court_code) == court_code)
    if state:
        wanted.append(_in_state(state))
    total = session.exec(select(func.count()).select_from(User).where(*wanted)).one()
    rows = select(User).where(*wanted).order_by(User.login)
    page = max(1, page)
    found = session.exec(rows.offset((page - 1) * USERS_A_PAGE).limit(USERS_A_PAGE)).all()
    keys = select(Passkey.user_id).where(col(Passkey.user_id).in_([user.id for user in found]))
    second = {user.id for user in found if user.totp_cipher is not None} | set(session.exec(keys).all())
    return UserPage(found, total, page, frozenset(second))


def count_waiting(session: Session, actor: Actor) -> int:
    """Count the accounts and changes in the actor's courts that wait to be admitted."""
    return _count(session, actor, "waiting")


def count_due(session: Session, actor: Actor) -> int:
    """Count the accounts in the actor's courts to which a one-time password may be issued."""
    return _count(session, actor, "due")


def _count(session: Session, actor: Actor, state: str) -> int:
    wanted = (in_scope(User.court_code, actor), _in_state(state))
    return session.exec(select(func.count()).select_from(User).where(*wanted)).one()


def _in_state(state: str) -> ColumnElement[bool]:
    disabled, admitted = col(User.disabled_ms), col(User.admitted_ms)
    if state == "disabled":
        return disabled.is_not(None)
    if state == "proposed":
        return disabled.is_(None) & admitted.is_(None)
    if state == "changing":
        pending = or_(*(col(field) != "" for field in (User.pending_role, User.pending_court, User.pending_reset)))
        return disabled.is_(None) & admitted.is_not(None) & pending
    if state == "waiting":
        return _in_state("proposed") | _in_state("changing")
    if state == "due":
        return disabled.is_(None) & admitted.is_not(None) & col(User.password_due).is_(True)
    return disabled.is_(None) & admitted.is_not(None)


def state_of(user: User) -> str:
    """Return one of ACCOUNT_STATES, the most urgent one."""
    if user.disabled_ms is not None:
        return "disabled"
    if user.admitted_ms is None:
        return "proposed"
    if is_changing(user):
        return "changing"
    return "due" if user.password_due else "active"


def is_changing(user: User) -> bool:
    """Tell whether a change of role or court, or a reset, waits to be admitted."""
    return bool(user.pending_role or user.pending_court or user.pending_reset)


def list_handlers(session: Session, court_code: str) -> Sequence[User]:
    """Return the judges and clerks of a court who may be given a case: admitted and not disabled."""
    query = select(User).where(
        User.court_code == court_code,
        col(User.role).in_(("judge", "clerk")),
        col(User.admitted_ms).is_not(None),
        col(User.disabled_ms).is_(None),
    )
    return session.exec(query.order_by(User.role.desc(), User.name)).all()  # type: ignore[attr-defined]


def find_user(session: Session, login: str) -> User | None:
    """Return the user with this login, if any."""
    return session.exec(select(User).where(User.login == rules.normalise_login(login))).first()


def get_user(session: Session, login: str) -> User:
    """Return the user with this login; raises NotFoundError."""
    user = find_user(session, login)
    if user is None:
        raise NotFoundError(f"There is no log-in {login!r}; see the list of users.", login=login)
    return user


def get_seen_user(session: Session, actor: Actor, login: str) -> User:
    """Return a user of the actor's courts; raises ForbiddenError, NotFoundError."""
    check_permission(actor, "see_users")
    query = select(User).where(User.login == rules.normalise_login(login), in_scope(User.court_code, actor))
    user = session.exec(query).first()
    if user is None:
        raise NotFoundError(f"There is no log-in {login!r}; see the list of users.", login=login)
    return user


def find_login(session: Session, token: str, *, now_ms: int, idle_s: int) -> Login | None:
    """Return the live log-in of `token`, whole or not; None when unknown, ended, idle, or its user may not log in."""
    return find_logins(session, [token], now_ms=now_ms, idle_s=idle_s).get(token)


def find_logins(session: Session, tokens: Collection[str], *, now_ms: int, idle_s: int) -> dict[str, Login]:
    """Return the live log-ins of several tokens, by token; those of which `find_login` knows none are missing."""
    token_of = {hash_token(token[:200]): token for token in tokens}
    query = (
        select(LoginSession, User, Terminal)
        .join(User, col(User.id) == LoginSession.user_id)
        .outerjoin(Terminal, (col(Terminal.id) == LoginSession.terminal_id) & col(Terminal.revoked_ms).is_(None))
        .where(col(LoginSession.token_hash).in_(token_of))
    )
    live = [
        (login, user, terminal)
        for login, user, terminal in session.exec(query)
        if may_log_in(user)
        and rules.is_session_live(
            now_ms=now_ms,
            last_seen_ms=login.last_seen_ms,
            expires_ms=login.expires_ms,
            revoked_ms=login.revoked_ms,
            idle_ms=idle_s * 1000,
        )
    ]
    posts = list_posts(session, {user.id for _, user, _ in live}, now_ms) if live else {}
    return {
        token_of[login.token_hash]: Login(
            ref=login.token_hash[:_REF_CHARS],
            actor=actor_of(user, posts.get(user.id, frozenset())),
            stage=rules.check_stage(login.stage),
            method=login.method,
            proven_ms=login.proven_ms,
            # Left-joined: typed as if it were always there.
            terminal_court=terminal.court_code if terminal is not None else None,
        )
        for login, user, terminal in live
    }


def find_session(session: Session, token: str, *, now_ms: int, idle_s: int) -> Actor | None:
    """Return who holds the live, whole log-in of `token`; None while anything is owed or it has ended."""
    login = find_login(session, token, now_ms=now_ms, idle_s=idle_s)
    return login.actor if login is not None and login.is_full else None


def list_sessions(
    session: Session, user_id: str, *, now_ms: int, idle_s: int, own_ref: str = ""
) -> list[SessionLine]:
    """Return the live sessions of one user, the newest use first. Whose may be asked for is decided by the caller."""
    query = (
        select(LoginSession, Terminal)
        .outerjoin(Terminal, col(Terminal.id) == LoginSession.terminal_id)
        .where(LoginSession.user_id == user_id, col(LoginSession.revoked_ms).is_(None))
        .where(LoginSession.expires_ms > now_ms, LoginSession.last_seen_ms > now_ms - idle_s * 1000)
        .order_by(col(LoginSession.last_seen_ms).desc())
        .limit(100)
    )
    return [
        SessionLine(
            ref=row.token_hash[:_REF_CHARS], device=row.device, client=row.client, method=row.method, stage=row.stage,
            created_ms=row.created_ms, last_seen_ms=row.last_seen_ms, expires_ms=row.expires_ms,
            terminal=terminal.name if terminal is not None else "", is_own=row.token_hash[:_REF_CHARS] == own_ref,
        )
        for row, terminal in session.exec(query).all()
    ]  # fmt: skip


def list_passkeys(session: Session, user_id: str) -> Sequence[Passkey]:
    """Return a user's passkeys, oldest first."""
    return session.exec(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_ms)).all()  # type: ignore[arg-type]


def has_second_way(session: Session, user: User) -> bool:
    """Tell whether the user has set up a code generator or a passkey."""
    if user.totp_cipher is not None:
        return True
    return session.exec(select(Passkey.user_id).where(Passkey.user_id == user.id).limit(1)).first() is not None


def may_log_in(user: User) -> bool:
    """Tell whether an account is admitted and not disabled."""
    return user.admitted_ms is not None and user.disabled_ms is None


def actor_of(user: User, posts: frozenset[str] = frozenset()) -> Actor:
    """Return the user as an actor."""
    return Actor(user.id, user.login, user.name, check_role(user.role), user.court_code, posts)
