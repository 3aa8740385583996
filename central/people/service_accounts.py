"""Service accounts: other systems that use `/api/v1`, each with a token of which the hash is stored."""

from __future__ import annotations

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from central.base.ids import hash_token
from central.base.unit_of_work import UnitOfWork
from central.people.models import ServiceAccount
from central.people.scopes import ServiceActor

TOUCH_EVERY_MS = 60_000


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
