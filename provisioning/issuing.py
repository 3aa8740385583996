"""Certificates for kits: issued and renewed within a transaction of the authority's memory."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from provisioning import grace
from provisioning.certificates import (
    KIT_LIFE,
    Issuer,
    check_signing_request,
    issue_kit_certificate,
    key_digest,
    serial_text,
)
from provisioning.kit_keys import check_keys
from provisioning.rows import CertificateRow, KitRow
from provisioning.rules import (
    MAX_RENEWALS_A_DAY,
    KitRevokedError,
    TooManyRenewalsError,
    UnknownCertificateError,
    UnknownKitError,
)
from provisioning.state import Transaction

_DAY_MS: Final = 86_400_000


def issue(
    transaction: Transaction, kits_ca: Issuer, kit_id: str, key: EllipticCurvePublicKey, *, now: datetime
) -> x509.Certificate:
    """Issue a certificate for this key, known to the memory before it is handed out."""
    certificate = issue_kit_certificate(kits_ca, kit_id, key, now=now, life=KIT_LIFE)
    transaction.insert_certificate(
        CertificateRow(
            serial=serial_text(certificate),
            kit_id=kit_id,
            key_digest=key_digest(key),
            der=certificate.public_bytes(Encoding.DER),
            issued_at_ms=_in_ms(now),
            expires_at_ms=_in_ms(certificate.not_valid_after_utc),
            revoked_at_ms=None,
        )
    )
    transaction.count_change()
    return certificate


def renew(
    transaction: Transaction, kits_ca: Issuer, serial: str, csr_der: bytes, *, now: datetime, who: str
) -> tuple[str, x509.Certificate | None]:
    """The kit of the certificate `serial` and its next one; None when an administrator has to nod first.

    Raises what `Authority.renew` raises.
    """
    current, key = check_renewal(transaction, serial, csr_der)
    kit_id = current.kit_id
    expired = current.expires_at_ms <= _in_ms(now)
    if expired and not _take_back(transaction, current, key, now=now, who=who):
        return kit_id, None
    recent = transaction.list_certificates(kit_id)
    if sum(row.issued_at_ms > _in_ms(now) - _DAY_MS for row in recent) > MAX_RENEWALS_A_DAY:
        raise TooManyRenewalsError(f"{kit_id} was given {MAX_RENEWALS_A_DAY} certificates today; ask again tomorrow.")
    certificate = issue(transaction, kits_ca, kit_id, key, now=now)
    act = "provisioning:grace:renew" if expired else "provisioning:kit:renew"
    transaction.append_log(_in_ms(now), who, act, kit_id, f"{serial} -> {serial_text(certificate)}")
    return kit_id, certificate


def check_renewal(
    transaction: Transaction, serial: str, csr_der: bytes
) -> tuple[CertificateRow, EllipticCurvePublicKey]:
    """The present certificate and the key to be certified, once the kit may have that; whether it expired is left.

    Raises UnknownCertificateError, KitRevokedError, BadRequestError, CertificateSupersededError, TooManyKeysError.
    """
    current = transaction.find_certificate(serial)
    if current is None:
        raise UnknownCertificateError("This certificate was not issued here; enrol with a token.")
    kit = get_working_kit(transaction, current.kit_id)
    if current.revoked_at_ms is not None:
        raise UnknownCertificateError("This certificate was revoked; enrol with a new token.")
    key = check_signing_request(csr_der, kit.kit_id)
    check_keys(transaction, current, key_digest(key))
    return current, key


def get_working_kit(transaction: Transaction, kit_id: str) -> KitRow:
    """The kit, added and not revoked; raises UnknownKitError, KitRevokedError."""
    kit = transaction.find_kit(kit_id)
    if kit is None:
        raise UnknownKitError(f"No kit {kit_id[:32]!r} was added; run `zhixing-provision add` first.")
    if kit.revoked_at_ms is not None:
        raise KitRevokedError(f"{kit_id} was revoked; add the device anew under another id.")
    return kit


def get_issued(transaction: Transaction, kit_id: str, digest: bytes) -> x509.Certificate:
    """The first certificate that the kit was given for this key."""
    rows = [row for row in transaction.list_certificates(kit_id) if row.key_digest == digest]
    return x509.load_der_x509_certificate(rows[0].der)


def _take_back(
    transaction: Transaction, current: CertificateRow, key: EllipticCurvePublicKey, *, now: datetime, who: str
) -> bool:
    """Whether an administrator has nodded to this expired certificate; the nod serves once."""
    known = transaction.find_grace(current.kit_id)
    row = grace.check_grace(transaction, current, key_digest(key), now_ms=_in_ms(now), who=who)
    if row is not None:
        transaction.delete_grace(current.kit_id)
        return True
    if known is None or known.serial != current.serial:
        transaction.append_log(_in_ms(now), who, "provisioning:grace:ask", current.kit_id, current.serial)
    return False


def _in_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
