"""The way back for a kit that was dark until its certificate had expired.

The kit shows the expired certificate in TLS and signs its request with the same key: it is who it was. But nobody
can say whose hands it has been in for so long, so an administrator nods before it gets the next certificate; until
then it is told to come again (RFC 7030, 4.2.3: 202 with Retry-After). Never automatic, never after revocation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from provisioning.grace_rows import GraceRow
from provisioning.rows import CertificateRow
from provisioning.rules import (
    CertificateExpiredError,
    GraceRefusedError,
    GraceWaitingError,
    UnknownGraceError,
)
from provisioning.state import Transaction

GRACE_META: Final = "grace_days"
DEFAULT_GRACE_DAYS: Final = 400
MAX_GRACE_DAYS: Final = 1_000
# A nod is for the kit that asks now, not for whoever comes with that certificate some other time.
NOD_LIFE: Final = timedelta(days=7)
RETRY_AFTER_S: Final = 300
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class GraceRequest:
    """A kit that asks, as the desk lists it. Times in ms since 1970 UTC."""

    kit_id: str
    serial: str
    expired_ms: int
    asked_ms: int
    last_asked_ms: int
    times: int
    who: str
    decision: str


def read_days(transaction: Transaction) -> int:
    """How many days after its end a certificate still brings its kit before an administrator."""
    return int(transaction.find_meta(GRACE_META) or DEFAULT_GRACE_DAYS)


def check_grace(
    transaction: Transaction, current: CertificateRow, key: bytes, *, now_ms: int, who: str
) -> GraceRow | None:
    """Let an expired certificate through once an administrator has nodded; None: say so and note the request.

    The caller commits the note, then raises `explain_waiting`.

    Raises:
        CertificateExpiredError: it ended too long ago, or the request is for another key.
        GraceRefusedError: an administrator said no.
    """
    days = read_days(transaction)
    if now_ms > current.expires_at_ms + days * _DAY_MS:
        raise CertificateExpiredError(f"This certificate expired more than {days} days ago; enrol with a new token.")
    if key != current.key_digest:
        raise CertificateExpiredError(
            "An expired certificate is renewed for its own key only; enrol with a new token."
        )
    row = transaction.find_grace(current.kit_id)
    if row is not None and row.serial == current.serial:
        transaction.note_grace_again(current.kit_id, who, now_ms)
        if row.decision == "refused":
            raise GraceRefusedError("The administrator has refused this kit; enrol it with a new token.")
        fresh = row.decided_at_ms is not None and now_ms <= row.decided_at_ms + NOD_LIFE // timedelta(milliseconds=1)
        if row.decision == "allowed" and fresh:
            return row
        return None
    transaction.insert_grace(GraceRow(current.kit_id, current.serial, now_ms, now_ms, 1, who, "", None, ""))
    return None


def explain_waiting(kit_id: str) -> GraceWaitingError:
    """What the kit is told meanwhile."""
    return GraceWaitingError(
        f"The certificate has expired; the administrator must allow it: `zhixing-provision grace allow {kit_id}`. "
        "The kit asks again by itself."
    )


def decide(transaction: Transaction, kit_id: str, decision: str, *, who: str, now_ms: int) -> None:
    """Note the administrator's answer; raises UnknownGraceError when the kit has not asked."""
    if not transaction.decide_grace(kit_id, decision, who, now_ms):
        raise UnknownGraceError(f"{kit_id[:32]!r} has not asked; see `zhixing-provision grace list`.")


def list_requests(transaction: Transaction) -> list[GraceRequest]:
    """Every kit that has asked and was not given its certificate yet."""
    found = []
    for row in transaction.list_grace():
        certificate = transaction.find_certificate(row.serial)
        found.append(
            GraceRequest(
                kit_id=row.kit_id,
                serial=row.serial,
                expired_ms=certificate.expires_at_ms if certificate else 0,
                asked_ms=row.asked_at_ms,
                last_asked_ms=row.last_asked_at_ms,
                times=row.times,
                who=row.who,
                decision=row.decision or "waiting",
            )
        )
    return found
