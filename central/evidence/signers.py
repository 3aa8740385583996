"""Whose signature a chain may bear: the certificates a kit has shown, and which of them counts. Never commits.

A kit whose signing key is in a token has two: that of TLS, whose key is a file on the card, and that of the token,
named in its hello. From the day of the latter on it alone opens recordings: who copied the card can speak as the kit
until it is revoked, but his recordings are refused. That lasts until the token's certificate is revoked, so a kit
that goes back to a file is given a new card's token (`zhixing-provision reimage`).
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from sqlmodel import Session

from central.base.unit_of_work import UnitOfWork
from central.devices import queries as devices_queries
from central.devices import service as devices
from central.devices.rules import KitRef
from central.evidence import queries
from central.evidence.models import SignerCertificate
from contract import chain
from contract.lost import key_digest
from contract.signing import BadSignatureError, Signed, verify_p256


def keep_signer(uow: UnitOfWork, kit: KitRef, serial: str, chain_pem: bytes, *, in_token: bool = False) -> None:
    """Remember the certificate with which a kit's signatures are checked from now on.

    ``in_token``: the kit names it as that of the key in its token. One that was shown in TLS never is.
    """
    ends = x509.load_pem_x509_certificate(chain_pem).not_valid_after_utc
    devices.note_certificate_end(uow, serial, int(ends.timestamp() * 1000))
    row = uow.session.get(SignerCertificate, serial)
    if row is None:
        row = SignerCertificate(
            serial=serial, kit_no=kit.kit_no, chain_pem=chain_pem, first_ms=uow.now_ms, in_token=in_token
        )
    elif not in_token:
        row.in_token = False
    uow.session.add(row)
    uow.session.flush()


class Signers:
    """A kit's certificates, read once; of each which record it may have signed."""

    def __init__(self, session: Session, kit: KitRef) -> None:
        rows = queries.list_signers(session, kit.kit_no)
        self._known = [(row, x509.load_pem_x509_certificate(row.chain_pem)) for row in rows]
        in_force = (
            devices_queries.list_valid_serials(session, kit.kit_no) if any(row.in_token for row in rows) else set()
        )
        of_file = {_digest(certificate) for row, certificate in self._known if not row.in_token}
        # Who holds the key of TLS may name its certificate as a token's: that makes it none.
        self._in_token = [
            (row, certificate)
            for row, certificate in self._known
            if row.in_token and row.serial in in_force and _digest(certificate) not in of_file
        ]

    def find_any(self, signed: Signed) -> SignerCertificate | None:
        """The newest certificate of the key that signed, whatever the kit signs with by now."""
        return next((row for row, certificate in self._known if is_signed(signed, key_of(certificate))), None)

    def find_opener(self, signed: Signed, started_ms: int) -> SignerCertificate | None:
        """The certificate under which a recording begins whose opening record this is.

        Of several of the key that signed one that held at the time stated, if any did: a renewed certificate is of
        the same key, and what was recorded under the former one stays under it.
        """
        found = _pick([item for item in self._known if is_signed(signed, key_of(item[1]))], started_ms)
        if found is None or not self._in_token or found in [row for row, _ in self._in_token]:
            return found
        since_ms = min(certificate.not_valid_before_utc.timestamp() * 1000 for _, certificate in self._in_token)
        held = _held_at(x509.load_pem_x509_certificate(found.chain_pem), started_ms)
        return found if held and started_ms < since_ms else None


def public_key(chain_pem: bytes) -> EllipticCurvePublicKey:
    """The key of the leaf."""
    return key_of(x509.load_pem_x509_certificate(chain_pem))


def key_of(certificate: x509.Certificate) -> EllipticCurvePublicKey:
    """The certificate's P-256 key; `central.sync.admission` lets no other in."""
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError("a signer certificate without a P-256 key was let in")
    return key


def is_signed(signed: Signed, key: EllipticCurvePublicKey) -> bool:
    """Whether this key signed the record."""
    try:
        verify_p256(key, chain.DOMAIN, signed.body, signed.sig)
    except BadSignatureError:
        return False
    return True


def _pick(fitting: Sequence[tuple[SignerCertificate, x509.Certificate]], started_ms: int) -> SignerCertificate | None:
    held = [row for row, certificate in fitting if _held_at(certificate, started_ms)]
    return next(iter([*held, *(row for row, _ in fitting)]), None)


def _held_at(certificate: x509.Certificate, at_ms: int) -> bool:
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return begins <= at_ms / 1000 <= ends


def _digest(certificate: x509.Certificate) -> bytes:
    return key_digest(key_of(certificate))
