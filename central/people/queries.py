"""Reads of the people room."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.base.ids import hash_token
from central.courts.permissions import Actor, check_permission, check_role
from central.courts.queries import in_scope
from central.people import rules
from central.people.models import LoginSession, User


def list_users(session: Session, actor: Actor) -> Sequence[User]:
    """Return the users of the actor's courts; raises ForbiddenError without `see_users`."""
    check_permission(actor, "see_users")
    return session.exec(select(User).where(in_scope(User.court_code, actor)).order_by(User.login)).all()


def find_user(session: Session, login: str) -> User | None:
    """Return the user with this login, if any."""
    return session.exec(select(User).where(User.login == rules.normalise_login(login))).first()


def get_user(session: Session, login: str) -> User:
    """Return the user with this login; raises NotFoundError."""
    user = find_user(session, login)
    if user is None:
        raise NotFoundError(f"There is no log-in {login!r}; see the list of users.", login=login)
    return user


def find_session(session: Session, token: str, *, now_ms: int, idle_s: int) -> Actor | None:
    """Return who holds the live log-in session of `token`; None when unknown, ended, idle, or user disabled."""
    query = (
        select(LoginSession, User)
        .join(User, col(User.id) == LoginSession.user_id)
        .where(LoginSession.token_hash == hash_token(token[:200]))
    )
    found = session.exec(query).first()
    if found is None:
        return None
    login, user = found
    live = rules.is_session_live(
        now_ms=now_ms,
        last_seen_ms=login.last_seen_ms,
        expires_ms=login.expires_ms,
        revoked_ms=login.revoked_ms,
        idle_ms=idle_s * 1000,
    )
    return actor_of(user) if live and user.disabled_ms is None else None


def actor_of(user: User) -> Actor:
    """Return the user as an actor."""
    return Actor(user.id, user.login, user.name, check_role(user.role), user.court_code)
