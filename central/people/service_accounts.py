"""Service accounts: other systems that use `/api/v1`, each with a token of which the hash is stored.

Two people make one: a system administrator proposes it, its scopes, its end and every fresh token; a security
administrator admits or refuses; then a system administrator has the token made, once. What takes something away
(fewer scopes, an earlier end, revocation) needs nobody else. Writes; never commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from central.audit import service as audit
from central.base.errors import InvalidInputError, NotFoundError
from central.base.ids import hash_token, new_token
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission, may
from central.courts.queries import get_court, in_scope
from central.people import approvals, rules
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
    """Return whose token this is; None when unknown, expired, revoked or its account not admitted."""
    account = session.exec(select(ServiceAccount).where(ServiceAccount.token_hash == hash_token(token[:200]))).first()
    if account is None or account.admitted_ms is None:
        return None
    if account.revoked_ms is not None or now_ms >= account.expires_ms:
        return None
    return ServiceActor(account.name, account.court_code, frozenset(account.scopes))


def touch_service(uow: UnitOfWork, service: ServiceActor) -> None:
    """Note that the account is in use, at most once a minute."""
    is_old = or_(col(ServiceAccount.used_ms).is_(None), col(ServiceAccount.used_ms) < uow.now_ms - TOUCH_EVERY_MS + 1)
    uow.session.connection().execute(
        update(ServiceAccount).where(col(ServiceAccount.name) == service.name, is_old).values(used_ms=uow.now_ms)
    )


def propose_service(
    uow: UnitOfWork, actor: Actor, *, name: str, note: str, court_code: str, scopes: Iterable[str], days: int
) -> None:
    """Propose an account of another system for a court: it has no token, scope or term until it is admitted.

    Raises ForbiddenError, InvalidInputError, NotFoundError for an unknown court, ConflictError for a taken name.
    """
    check_permission(actor, "manage_service_accounts", court_code)
    court = get_court(uow.session, court_code)
    name = rules.check_login(name)
    if uow.session.exec(select(ServiceAccount.id).where(ServiceAccount.name == name)).first() is not None:
        raise rules.LoginTakenError(f"The name {name!r} is taken; choose another.", login=name)
    account = ServiceAccount(
        name=name, note=rules.check_name(note, "note", 200) if note.strip() else "", court_code=court.code, scopes=[],
        created_ms=uow.now_ms, created_by=actor.audit_name, expires_ms=0, pending_by=actor.audit_name,
        pending_scopes=check_scopes(scopes), pending_days=_check_days(days), pending_token=True,
    )  # fmt: skip
    uow.session.add(account)
    _audit(uow, actor, account, "people:service:propose", _proposal(account.pending_scopes, days, fresh=True))


def propose_change(
    uow: UnitOfWork, actor: Actor, account_id: str, *, version: int, scopes: Iterable[str], days: int = 0,
    fresh: bool = False,
) -> None:  # fmt: skip
    """Change what an admitted account may do, its term (days from now; 0: the end stays) or its token (`fresh`).

    What takes something away counts at once; more scopes, a later end or a fresh token wait to be admitted, in place
    of what was proposed before. Raises ForbiddenError, NotFoundError, InvalidInputError, AccountChangedError.
    """
    account = _load(uow, actor, "manage_service_accounts", account_id, version)
    if account.admitted_ms is None:
        raise rules.AccountChangedError("This account is not admitted yet; end it and propose it anew.")
    wanted = check_scopes(scopes)
    end_ms = uow.now_ms + _check_days(days) * DAY_MS if days else account.expires_ms
    is_later = end_ms > account.expires_ms
    kept = [scope for scope in account.scopes if scope in wanted]
    values: dict[str, object] = {**_NOTHING_PENDING, "scopes": kept, "expires_ms": min(end_ms, account.expires_ms)}
    if kept != wanted or is_later or fresh:
        values |= {
            "pending_by": actor.audit_name, "pending_scopes": wanted, "pending_days": days if is_later else 0,
            "pending_token": fresh,
        }  # fmt: skip
    _write(uow, account, values)
    action = "people:service:change" if values["pending_by"] else "people:service:narrow"
    _audit(uow, actor, account, action, _proposal(wanted, days, fresh=fresh))


def admit_service(uow: UnitOfWork, actor: Actor, account_id: str, *, version: int) -> None:
    """Admit what another administrator proposed; a fresh token may then be issued.

    Raises ForbiddenError, SamePersonError, NotFoundError, AccountChangedError.
    """
    account = _load_waiting(uow, actor, account_id, version)
    end_ms = uow.now_ms + account.pending_days * DAY_MS if account.pending_days else account.expires_ms
    values = {
        **_NOTHING_PENDING, "scopes": list(account.pending_scopes), "expires_ms": end_ms, "admitted_ms": uow.now_ms,
        "admitted_by": actor.audit_name, "token_due": account.token_due or account.pending_token,
    }  # fmt: skip
    _write(uow, account, values)
    detail = _proposal(account.pending_scopes, account.pending_days, fresh=account.pending_token)
    _audit(uow, actor, account, "people:service:admit", detail | {"proposed_by": account.pending_by})


def refuse_service(uow: UnitOfWork, actor: Actor, account_id: str, *, version: int, reason: str) -> None:
    """Refuse what was proposed: a new account ends for good, another stays as it is. Raises as `admit_service`."""
    account = _load_waiting(uow, actor, account_id, version)
    reason = rules.check_name(reason, "reason", 200)
    ended = {"revoked_ms": uow.now_ms} if account.admitted_ms is None else {}
    _write(uow, account, {**_NOTHING_PENDING, **ended})
    _audit(uow, actor, account, "people:service:refuse", {"reason": reason, "proposed_by": account.pending_by})


def issue_token(uow: UnitOfWork, actor: Actor, account_id: str, *, version: int) -> IssuedToken:
    """Make the token that two administrators agreed on, once; the former one ends at once.

    Raises ForbiddenError, SamePersonError, NotFoundError, AccountChangedError when none is due.
    """
    account = _load(uow, actor, "manage_service_accounts", account_id, version)
    if not account.token_due or uow.now_ms >= account.expires_ms:
        raise rules.AccountChangedError("No token is due here; reload the page.")
    if account.admitted_by == actor.audit_name:
        raise rules.SamePersonError("You admitted this token; another administrator must issue it.")
    token = TOKEN_PREFIX + new_token()
    values = {"token_hash": hash_token(token), "token_due": False, "issued_by": actor.audit_name}
    _write(uow, account, values)
    _audit(uow, actor, account, "people:service:issue", {"admitted_by": account.admitted_by})
    return IssuedToken(account.name, token)


def revoke_service(uow: UnitOfWork, actor: Actor, account_id: str) -> None:
    """End an account at once and for good; either administrator may."""
    right = "manage_service_accounts" if may(actor, "manage_service_accounts") else "admit_service_accounts"
    account = _get(uow, actor, right, account_id)
    _write(uow, account, {**_NOTHING_PENDING, "revoked_ms": uow.now_ms, "token_hash": None, "token_due": False})
    _audit(uow, actor, account, "people:service:revoke", {})


def list_services(session: Session, actor: Actor) -> Sequence[ServiceAccount]:
    """Return the accounts of the actor's courts, those in use first; raises ForbiddenError."""
    if not may(actor, "admit_service_accounts"):
        check_permission(actor, "manage_service_accounts")
    query = select(ServiceAccount).where(in_scope(ServiceAccount.court_code, actor))
    return session.exec(query.order_by(col(ServiceAccount.revoked_ms).is_not(None), ServiceAccount.name)).all()


def state_of(account: ServiceAccount, now_ms: int) -> str:
    """Return how an account stands: `revoked`, `proposed`, `changing`, `expired`, `due` or `active`."""
    if account.revoked_ms is not None:
        return "revoked"
    if account.admitted_ms is None:
        return "proposed"
    if account.pending_by:
        return "changing"
    if now_ms >= account.expires_ms:
        return "expired"
    return "due" if account.token_due else "active"


_NOTHING_PENDING: Final[Mapping[str, object]] = {
    "pending_by": "", "pending_scopes": [], "pending_days": 0, "pending_token": False,
}  # fmt: skip


def _get(uow: UnitOfWork, actor: Actor, right: str, account_id: str) -> ServiceAccount:
    check_permission(actor, right)
    query = select(ServiceAccount).where(ServiceAccount.id == account_id, in_scope(ServiceAccount.court_code, actor))
    account = uow.session.exec(query).first()
    if account is None or account.revoked_ms is not None:
        raise NotFoundError("There is no such service account among yours; see their list.")
    return account


def _load(uow: UnitOfWork, actor: Actor, right: str, account_id: str, version: int) -> ServiceAccount:
    account = _get(uow, actor, right, account_id)
    if account.version != version:
        raise _changed()
    return account


def _load_waiting(uow: UnitOfWork, actor: Actor, account_id: str, version: int) -> ServiceAccount:
    account = _load(uow, actor, "admit_service_accounts", account_id, version)
    if not account.pending_by:
        raise rules.AccountChangedError("Nothing waits to be admitted here; reload the page.")
    approvals.check_other(actor.audit_name, account.pending_by)
    return account


def _write(uow: UnitOfWork, account: ServiceAccount, values: Mapping[str, object]) -> None:
    """Write when nobody else has since; the loaded row keeps showing what was before."""
    rule = update(ServiceAccount).where(
        col(ServiceAccount.id) == account.id, col(ServiceAccount.version) == account.version
    )
    if uow.connection.execute(rule.values(version=account.version + 1, **values)).rowcount != 1:
        raise _changed()


def _changed() -> rules.AccountChangedError:
    return rules.AccountChangedError("Somebody else changed this account meanwhile; reload the page.")


def _check_days(days: int) -> int:
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInputError(f"A token lasts 1 to {MAX_DAYS} days; correct the number.")
    return days


def _proposal(scopes: Sequence[str], days: int, *, fresh: bool) -> dict[str, object]:
    return {"scopes": list(scopes), "days": days, "fresh_token": fresh}


def _audit(uow: UnitOfWork, actor: Actor, account: ServiceAccount, action: str, detail: Mapping[str, object]) -> None:
    audit.append(
        uow, actor=actor.audit_name, court_code=account.court_code, action=action, subject=account.name,
        detail=dict(detail),
    )  # fmt: skip
