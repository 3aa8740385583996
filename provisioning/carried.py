"""Renewals that somebody else carried here, out of a network from which the kit does not reach the authority.

Nothing rests on who carried it: the kit's statement (`contract.renewal`) is signed with the key of the certificate
that is to be renewed. Whoever keeps such a statement and sends it again gets what was given before, and takes none
of the kit's renewals of the day. An expired certificate is not renewed this way: that asks for a person's nod, and
for the kit itself at the authority (`provisioning.grace`).
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from contract.renewal import RenewalRequest, read_request, verify_request
from contract.signing import BadSignatureError, CodecError
from provisioning import issuing
from provisioning.authority import Authority
from provisioning.certificates import BadRequestError, key_digest
from provisioning.handover import STATE_FILE
from provisioning.rows import CertificateRow
from provisioning.rules import CertificateExpiredError, UnknownCertificateError
from provisioning.state import Transaction, open_transaction

_EXPIRED: Final = "This certificate has expired; bring the kit to the authority, or enrol it with a new token."


def renew_as_stated(authority: Authority, data: bytes, *, who: str) -> x509.Certificate:
    """The next certificate for what the kit's statement asks, the same one however often it comes.

    Raises what `Authority.renew` raises but for grace; CertificateExpiredError for any expired one.
    """
    try:
        request = read_request(data)
    except CodecError as error:
        raise BadRequestError(f"{error} Let the kit ask anew.") from error
    now = authority.clock()
    with open_transaction(authority.folder / STATE_FILE) as transaction:
        _check_signature(transaction, request, data)
        current, key = issuing.check_renewal(transaction, request.serial, request.csr)
        if current.expires_at_ms <= int(now.timestamp() * 1000):
            raise CertificateExpiredError(_EXPIRED)
        given = _find_given(transaction, current, key_digest(key))
        if given is None:
            _, given = issuing.renew(
                transaction, authority.kits_ca, request.serial, request.csr, now=now, who=f"{who}, carried"
            )
    if given is None:
        raise CertificateExpiredError(_EXPIRED)
    return given


def _check_signature(transaction: Transaction, request: RenewalRequest, data: bytes) -> None:
    current = transaction.find_certificate(request.serial)
    if current is None or current.kit_id != request.kit_id:
        raise UnknownCertificateError("This certificate was not issued here to this kit; enrol with a token.")
    key = x509.load_der_x509_certificate(current.der).public_key()
    try:
        if not isinstance(key, EllipticCurvePublicKey):
            raise CodecError("The certificate carries no P-256 key.")
        verify_request(key, data)
    except (CodecError, BadSignatureError) as error:
        raise BadRequestError(
            "The request for renewal is not signed with the key of the certificate it names; let the kit ask anew."
        ) from error


def _find_given(transaction: Transaction, current: CertificateRow, wanted: bytes) -> x509.Certificate | None:
    """What was given for this key after `current`, and holds."""
    later = [
        row
        for row in transaction.list_certificates(current.kit_id)
        if row.key_digest == wanted
        and row.serial != current.serial
        and row.revoked_at_ms is None
        and row.expires_at_ms >= current.expires_at_ms
        and (row.issued_at_ms > current.issued_at_ms or wanted != current.key_digest)
    ]
    return x509.load_der_x509_certificate(later[-1].der) if later else None
