"""Service accounts: other systems that use `/api/v1`, each with a token of which the hash is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from central.audit import service as audit
from central.base.errors import InvalidInputError, NotFoundError
from central.base.ids import hash_token, new_token
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission
from central.courts.queries import get_court, in_scope
from central.people import rules
from central.people.models import ServiceAccount
from central.people.scopes import ServiceActor, check_scopes

TOUCH_EVERY_MS = 60_000
DAY_MS: Final = 24 * 3600 * 1000
MAX_DAYS: Final = 730
# So that a token found in a file or a log is known for what it is.
TOKEN_PREFIX: Final = "zxs_"  # noqa: S105 - what every token begins with


@dataclass(frozen=True)
class IssuedToken:
    """A fresh token of a service account; shown once, stored as a hash."""

    name: str
    token: str


def find_service(session: Session, token: str, now_ms: int) -> ServiceActor | None:
    """Return whose token this is; None when unknown, expired or revoked."""
    account = session.exec(select(ServiceAccount).where(ServiceAccount.token_hash == hash_token(token[:200]))).first()
    if account is None or account.revoked_ms is not None or now_ms >= account.expires_ms:
        return None
    return ServiceActor(account.name, account.court_code, frozenset(account.scopes))


def touch_service(uow: UnitOfWork, service: ServiceActor) -> None:
    """Note that the account is in use, at most once a minute."""
    is_old = or_(col(ServiceAccount.used_ms).is_(None), col(ServiceAccount.used_ms) < uow.now_ms - TOUCH_EVERY_MS + 1)
    uow.session.connection().execute(
        update(ServiceAccount).where(col(ServiceAccount.name) == service.name, is_old).values(used_ms=uow.now_ms)
    )


def add_service(
    uow: UnitOfWork, actor: Actor, *, name: str, note: str, court_code: str, scopes: Iterable[str], days: int
) -> IssuedToken:
    """Create an account of another system for a court; its token is shown once.

    Raises ForbiddenError, InvalidInputError, NotFoundError for an unknown court, ConflictError for a taken name.
    """
    check_permission(actor, "manage_service_accounts", court_code)
    court = get_court(uow.session, court_code)
    name = rules.check_login(name)
    if uow.session.exec(select(ServiceAccount.id).where(ServiceAccount.name == name)).first() is not None:
        raise rules.LoginTakenError(f"The name {name!r} is taken; choose another.", login=name)
    token = TOKEN_PREFIX + new_token()
    account = ServiceAccount(
        name=name,
        note=rules.check_name(note, "note", 200) if note.strip() else "",
        court_code=court.code,
        scopes=check_scopes(scopes),
        token_hash=hash_token(token),
        created_ms=uow.now_ms,
        created_by=actor.audit_name,
        expires_ms=uow.now_ms + _check_days(days) * DAY_MS,
    )
    uow.session.add(account)
    _audit(uow, actor, account, "people:service:add")
    return IssuedToken(name, token)


def rotate_service(uow: UnitOfWork, actor: Actor, account_id: str, *, days: int) -> IssuedToken:
    """Give an account a fresh token and a fresh term; the former token ends at once."""
    account = _get(uow, actor, account_id)
    token = TOKEN_PREFIX + new_token()
    account.token_hash, account.expires_ms = hash_token(token), uow.now_ms + _check_days(days) * DAY_MS
    _audit(uow, actor, account, "people:service:rotate")
    return IssuedToken(account.name, token)


def revoke_service(uow: UnitOfWork, actor: Actor, account_id: str) -> None:
    """End an account at once and for good."""
    account = _get(uow, actor, account_id)
    account.revoked_ms = uow.now_ms
    _audit(uow, actor, account, "people:service:revoke")


def list_services(session: Session, actor: Actor) -> Sequence[ServiceAccount]:
    """Return the accounts of the actor's courts, those in use first; raises ForbiddenError."""
    check_permission(actor, "manage_service_accounts")
    query = select(ServiceAccount).where(in_scope(ServiceAccount.court_code, actor))
    return session.exec(query.order_by(col(ServiceAccount.revoked_ms).is_not(None), ServiceAccount.name)).all()


def _get(uow: UnitOfWork, actor: Actor, account_id: str) -> ServiceAccount:
    check_permission(actor, "manage_service_accounts")
    query = select(ServiceAccount).where(ServiceAccount.id == account_id, in_scope(ServiceAccount.court_code, actor))
    account = uow.session.exec(query).first()
    if account is None or account.revoked_ms is not None:
        raise NotFoundError("There is no such service account among yours; see their list.")
    return account


def _check_days(days: int) -> int:
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInputError(f"A token lasts 1 to {MAX_DAYS} days; correct the number.")
    return days


def _audit(uow: UnitOfWork, actor: Actor, account: ServiceAccount, action: str) -> None:
    audit.append(
        uow, actor=actor.audit_name, court_code=account.court_code, action=action, subject=account.name,
        detail={"scopes": list(account.scopes), "expires_ms": account.expires_ms},
    )  # fmt: skip
