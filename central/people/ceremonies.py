"""Exchanges under way (WebAuthn, OpenID Connect, a first TOTP code): what their answer is checked against.

Each is kept a quarter of an hour at most and answered once: `take` removes it, whatever the answer is worth.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import delete, func
from sqlmodel import col, select

from central.base.ids import new_id
from central.base.unit_of_work import UnitOfWork
from central.people import rules
from central.people.models import Ceremony

# As a whole court may stand behind one proxy; an exchange that is answered counts no more.
MAX_OPEN: Final = 200


def begin(
    uow: UnitOfWork,
    kind: str,
    state: dict[str, Any],
    *,
    user_id: str | None = None,
    ceremony_id: str = "",
    client: str = "",
) -> str:
    """Keep what an answer will be checked against; returns its id.

    Raises TooManyExchangesError when MAX_OPEN of the address `client` are open: anybody may begin one.
    """
    ceremony_id = ceremony_id or new_id()
    key = rules.address_key(client) if client else ""
    if key:
        _check_not_too_many(uow, key)
    expires_ms = uow.now_ms + rules.PENDING_MS
    uow.session.add(
        Ceremony(id=ceremony_id, kind=kind, user_id=user_id, client=key, state=state, expires_ms=expires_ms)
    )
    return ceremony_id


def _check_not_too_many(uow: UnitOfWork, key: str) -> None:
    query = select(func.count()).select_from(Ceremony)
    if uow.session.exec(query.where(Ceremony.client == key, col(Ceremony.expires_ms) > uow.now_ms)).one() >= MAX_OPEN:
        raise rules.TooManyExchangesError(
            "Too many log-ins were begun from your address and not finished: try again in 15 min."
        )


def look(uow: UnitOfWork, kind: str, ceremony_id: str, *, user_id: str | None = None) -> dict[str, Any]:
    """Return what was kept; raises CeremonyExpiredError when it is gone, of another kind or of another user."""
    row = uow.session.get(Ceremony, ceremony_id[:32])
    if row is None or row.kind != kind or row.expires_ms <= uow.now_ms or row.user_id != user_id:
        raise rules.CeremonyExpiredError("This took too long or was done already; start again.")
    return row.state


def take(uow: UnitOfWork, kind: str, ceremony_id: str, *, user_id: str | None = None) -> dict[str, Any]:
    """Return what was kept and end the exchange; raises CeremonyExpiredError."""
    state = look(uow, kind, ceremony_id, user_id=user_id)
    end(uow, ceremony_id)
    return state


def end(uow: UnitOfWork, ceremony_id: str) -> None:
    """Forget an exchange: it has been answered."""
    uow.connection.execute(delete(Ceremony).where(col(Ceremony.id) == ceremony_id[:32]))
