"""Who may speak: one judgement on a kit's certificate, for the broker and for the HTTP door alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from central.devices.rules import KitRef
from central.devices.service import KitDirectory
from contract.names import BadNameError, check_kit_id

# An authority's clock may be a little ahead of the centre's.
NOT_BEFORE_LEEWAY: Final = timedelta(minutes=5)


# What `cryptography` raises over certificates that are damaged or made to trip a reader.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class RefusedError(Exception):
    """Somebody is not let in. ``code`` is counted, the text is the one clear reason with its remedy."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Admission:
    """A kit that may speak, and until when (ms since the epoch)."""

    kit: KitRef
    serial: str
    certificate: x509.Certificate
    public_key: EllipticCurvePublicKey
    until_ms: int

    def chain_pem(self, issuer: x509.Certificate) -> bytes:
        """Leaf and kits' CA as PEM: what a later verification of this kit's signatures needs."""
        return self.certificate.public_bytes(Encoding.PEM) + issuer.public_bytes(Encoding.PEM)


class Gate:
    """Judges certificates against the kits' CA and the register in force."""

    def __init__(self, kits_ca: x509.Certificate, directory: KitDirectory) -> None:
        self.kits_ca = kits_ca
        self.directory = directory

    def admit(self, certificate: x509.Certificate, now_ms: int) -> Admission:
        """Let the certificate's kit in; raise RefusedError with the one reason why not."""
        try:
            return self._judge(certificate, now_ms)
        except _UNREADABLE as error:  # names and extensions are parsed only when asked for
            raise _explain_unreadable(error) from error

    def _judge(self, certificate: x509.Certificate, now_ms: int) -> Admission:
        kit_id = self._named_kit(certificate)
        public_key = self._check_issue(certificate, kit_id)
        until = self._check_dates(certificate, kit_id, now_ms)
        serial = f"{certificate.serial_number:x}"
        kit = self.directory.find(kit_id)
        owner = self.directory.find_by_serial(serial)
        if kit is None:
            raise RefusedError(
                "kit_unknown", f"Kit {kit_id} is not in the register or is revoked: enrol it at the device authority."
            )
        if owner is None or owner.kit_no != kit.kit_no:
            raise RefusedError(
                "serial_refused",
                f"Certificate {serial} of kit {kit_id} is revoked or not in the register: enrol the kit anew.",
            )
        return Admission(kit, serial, certificate, public_key, until)

    def _named_kit(self, certificate: x509.Certificate) -> str:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        try:
            if len(names) != 1:
                raise BadNameError("The certificate does not have exactly one common name.")
            return check_kit_id(str(names[0].value))
        except BadNameError as error:
            raise RefusedError("bad_name", f"{error} Enrol the kit under a valid id.") from error

    def _check_issue(self, certificate: x509.Certificate, kit_id: str) -> EllipticCurvePublicKey:
        try:
            certificate.verify_directly_issued_by(self.kits_ca)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise RefusedError(
                "foreign_issuer", f"The certificate of {kit_id} is not from this authority's CA for kits: enrol here."
            ) from error
        key = certificate.public_key()
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise RefusedError("wrong_key", f"The key of {kit_id} is not P-256: enrol the kit with a P-256 key.")
        try:
            usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
            raise RefusedError("wrong_usage", f"The certificate of {kit_id} is not one for clients: enrol the kit.")
        return key

    def _check_dates(self, certificate: x509.Certificate, kit_id: str, now_ms: int) -> int:
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        if now + NOT_BEFORE_LEEWAY < certificate.not_valid_before_utc:
            raise RefusedError("not_yet_valid", f"The certificate of {kit_id} is not valid yet: check the clocks.")
        if now >= certificate.not_valid_after_utc:
            raise RefusedError("expired", f"The certificate of {kit_id} has expired: enrol or renew it.")
        return int(certificate.not_valid_after_utc.timestamp() * 1000)


def load_certificate(data: bytes) -> x509.Certificate:
    """A certificate from DER, as somebody outside sent it; raise RefusedError when it cannot be read."""
    try:
        return x509.load_der_x509_certificate(data)
    except _UNREADABLE as error:
        raise _explain_unreadable(error) from error


def _explain_unreadable(error: Exception) -> RefusedError:
    return RefusedError("bad_certificate", f"The certificate cannot be read ({str(error)[:200]}): enrol the kit.")


def read_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file."""
    return x509.load_pem_x509_certificate(path.read_bytes())
