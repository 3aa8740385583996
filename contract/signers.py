"""Who signed a package: the certificates from the kit up to the authority, and the centre's keys by its word.

Pure; used by `contract.judgement`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from contract.findings import BrokenError, Finding
from contract.names import KIT_ID
from contract.signing import BadSignatureError, CodecError, Signed, loads
from contract.trust import TrustList, verify_trust_list

KIT_URI: Final = "urn:zhixing:kit:"
MAX_CERTIFICATES: Final = 8
# What `cryptography` raises over certificates that are damaged or made to trip a reader.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class AnchorError(ValueError):
    """The trust anchor given cannot be used; the message is one sentence with the remedy."""


@dataclass(frozen=True)
class Anchor:
    """The authority as the checker knows it from elsewhere: its certificate, or only its SHA-256."""

    fingerprint: bytes
    certificate: x509.Certificate | None = None


@dataclass(frozen=True)
class Certificates:
    """The package's certificates; `root` is the anchor's own, else the one that travelled along, if any."""

    leaf: x509.Certificate
    issuers: list[x509.Certificate]
    root: x509.Certificate | None
    key: EllipticCurvePublicKey


def load_anchor(data: bytes) -> Anchor:
    """An anchor from a certificate file, PEM or DER; raise AnchorError otherwise."""
    try:
        if data.lstrip().startswith(b"-----BEGIN"):
            certificate = x509.load_pem_x509_certificate(data)
        else:
            certificate = x509.load_der_x509_certificate(data)
        certificate.verify_directly_issued_by(certificate)
    except _UNREADABLE as error:
        raise AnchorError(
            "The anchor is not a self-signed certificate; give the device authority's root.crt."
        ) from error
    return Anchor(certificate.fingerprint(SHA256()), certificate)


def parse_fingerprint(text: str) -> Anchor:
    """An anchor from 64 hex digits, colons and spaces allowed; raise AnchorError otherwise."""
    try:
        fingerprint = bytes.fromhex(text.replace(":", " "))
    except ValueError:
        fingerprint = b""
    if len(fingerprint) != 32:
        raise AnchorError("The fingerprint must be the 64 hexadecimal digits of a SHA-256; copy it whole.")
    return Anchor(fingerprint)


def read_certificates(pem: bytes, anchor: Anchor | None) -> Certificates:
    """Read the package's certificates and find the root to check against.

    Raises:
        BrokenError: unreadable, or they do not lead to the anchor's authority.
        AnchorError: only a fingerprint is given and no root travels in the package.
    """
    try:
        loaded = x509.load_pem_x509_certificates(pem)
        key = loaded[0].public_key()
        # Names are parsed only when asked for.
        roots = [item for item in loaded[1:] if item.issuer == item.subject]
        issuers = [item for item in loaded[1:] if item.issuer != item.subject]
    except _UNREADABLE as error:
        raise BrokenError(Finding("altered", "certificates", "certificates_unreadable")) from error
    if len(loaded) > MAX_CERTIFICATES or not isinstance(key, EllipticCurvePublicKey):
        raise BrokenError(Finding("altered", "certificates", "certificates_unreadable"))
    if not isinstance(key.curve, SECP256R1):
        raise BrokenError(Finding("altered", "certificates", "certificates_unreadable"))
    return Certificates(loaded[0], issuers, _choose_root(roots, anchor), key)


def check_issuers(certificates: Certificates, *, anchored: bool) -> None:
    """Check by their signatures that the certificates lead to the root, or up to the last when there is none.

    Raises:
        BrokenError: they were issued by somebody else.
    """
    try:
        _check_signatures(certificates)
    except _UNREADABLE as error:
        code = "foreign_signer" if anchored else "certificates_do_not_join"
        raise BrokenError(Finding("foreign", "certificates", code)) from error


def check_validity(certificates: Certificates, moments_ms: list[int]) -> bool:
    """Check that the certificates held at one of `moments_ms`, tried in order, and for a kit's use.

    Gives whether the first moment would do.

    Raises:
        BrokenError: valid at none of the moments.
    """
    for place, moment_ms in enumerate(moments_ms):
        # A stranger may state any number; what is no date is no moment of validity.
        with suppress(OverflowError, ValueError, OSError):
            if _is_valid_at(certificates, datetime.fromtimestamp(moment_ms / 1000, UTC)):
                return place == 0
    raise BrokenError(Finding("foreign", "certificates", "certificate_not_valid"))


def read_kit_id(certificates: Certificates) -> str:
    """The kit named by both common name and URI; raise BrokenError when the certificate is no kit's."""
    try:
        names = certificates.leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        extension = certificates.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        uris = extension.value.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, *_UNREADABLE):
        names, uris = [], []
    kit_id = str(names[0].value) if len(names) == 1 else ""
    if not KIT_ID.fullmatch(kit_id) or uris != [KIT_URI + kit_id]:
        raise BrokenError(Finding("foreign", "certificates", "not_a_kit_certificate"))
    return kit_id


def read_receipt_keys(data: bytes, root: x509.Certificate | None) -> list[Ed25519PublicKey]:
    """The centre's receipt keys from the trust list, which must be signed by `root` when there is one.

    Raises:
        BrokenError: the list is unreadable or signed by somebody else.
    """
    try:
        if root is None:
            return _read_unproven_keys(data)
        key = root.public_key()
        if not isinstance(key, EllipticCurvePublicKey):
            raise BadSignatureError("The root carries no P-256 key.")
        return verify_trust_list(key, data).receipt_public_keys()
    except BadSignatureError as error:
        raise BrokenError(Finding("foreign", "trust", "trust_foreign")) from error
    except (CodecError, ValueError) as error:
        raise BrokenError(Finding("altered", "trust", "trust_unreadable")) from error


def _read_unproven_keys(data: bytes) -> list[Ed25519PublicKey]:
    try:
        trust = msgspec.convert(loads(Signed.unpack(data).body), TrustList)
    except msgspec.ValidationError as error:
        raise CodecError(f"The trust list is malformed: {error}.") from error
    return trust.receipt_public_keys()


def _choose_root(roots: list[x509.Certificate], anchor: Anchor | None) -> x509.Certificate | None:
    if anchor is None:
        return roots[0] if roots else None
    if anchor.certificate is not None:
        return anchor.certificate
    for root in roots:
        if root.fingerprint(SHA256()) == anchor.fingerprint:
            return root
    if roots:
        raise BrokenError(Finding("foreign", "certificates", "foreign_signer"))
    raise AnchorError("No root travels in this package, so a fingerprint does not suffice; give --anchor root.crt.")


def _check_signatures(certificates: Certificates) -> None:
    if not certificates.issuers:
        raise ValueError("no issuer")
    certificates.leaf.verify_directly_issued_by(certificates.issuers[0])
    if certificates.root is not None:
        certificates.issuers[-1].verify_directly_issued_by(certificates.root)


def _is_valid_at(certificates: Certificates, moment: datetime) -> bool:
    if certificates.root is None:
        chain = [certificates.leaf, *certificates.issuers]
        return all(item.not_valid_before_utc <= moment <= item.not_valid_after_utc for item in chain)
    verifier = PolicyBuilder().store(Store([certificates.root])).time(moment).build_client_verifier()
    try:
        verifier.verify(certificates.leaf, certificates.issuers)
    except (VerificationError, *_UNREADABLE):
        return False
    return True
