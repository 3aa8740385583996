"""Every kit as the desk lists it: its state, and until when its certificate holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from provisioning.rows import KitRow
from provisioning.state import Transaction


@dataclass(frozen=True)
class KitStatus:
    """`state` is waiting, no token, enrolled, expired or revoked; `expires_at` is the newest certificate's."""

    kit: KitRow
    state: str
    expires_at: datetime | None


def list_statuses(transaction: Transaction, now: datetime) -> list[KitStatus]:
    """All kits by id."""
    now_ms = int(now.timestamp() * 1000)
    return [_read_status(transaction, kit, now_ms) for kit in transaction.list_kits()]


def _read_status(transaction: Transaction, kit: KitRow, now_ms: int) -> KitStatus:
    certificates = transaction.list_certificates(kit.kit_id)
    newest_ms = max((row.expires_at_ms for row in certificates), default=None)
    expires_at = None if newest_ms is None else datetime.fromtimestamp(newest_ms / 1000, UTC)
    if kit.revoked_at_ms is not None:
        state = "revoked"
    elif newest_ms is not None:
        state = "enrolled" if newest_ms > now_ms else "expired"
    else:
        state = "no token" if transaction.find_open_token_expiry(kit.kit_id, now_ms) is None else "waiting"
    return KitStatus(kit, state, expires_at)
