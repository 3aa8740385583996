"""X.509 certificates of the authority: what each kind says, and the check of a signing request.

Pure: takes keys and times, gives certificates. All keys are P-256, all signatures ECDSA with SHA-256.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contract.names import check_kit_id

ROOT_NAME = "Zhixing Device Authority"
KITS_CA_NAME = "Zhixing kits-ca"
SERVICES_CA_NAME = "Zhixing services-ca"
MAX_CSR_BYTES = 8 * 1024

AUTHORITY_LIFE = timedelta(days=25 * 365)
SERVER_LIFE = timedelta(days=3 * 365)
KIT_LIFE = timedelta(days=365)
# A kit whose clock runs behind must not take a fresh certificate for one of the future.
BACKDATING = timedelta(days=1)


class BadRequestError(ValueError):
    """A signing request cannot be granted; the message says why and what to send instead."""


@dataclass(frozen=True)
class Issuer:
    """A certificate that signs others, with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_root(now: datetime) -> Issuer:
    """The self-signed trust anchor."""
    key = make_key()
    name = _name(ROOT_NAME)
    builder = _base(name, name, key.public_key(), now, AUTHORITY_LIFE)
    builder = _as_authority(builder, key.public_key(), key.public_key(), path_length=1)
    return Issuer(builder.sign(key, SHA256()), key)


def make_intermediate(root: Issuer, common_name: str, *, for_servers: bool, now: datetime) -> Issuer:
    """An issuing authority below `root`; its certificates may only be used as its own usages allow."""
    key = make_key()
    builder = _base(_name(common_name), root.certificate.subject, key.public_key(), now, AUTHORITY_LIFE)
    builder = _as_authority(builder, key.public_key(), root.key.public_key(), path_length=0)
    builder = builder.add_extension(_usages(for_servers=for_servers), critical=False)
    return Issuer(builder.sign(root.key, SHA256()), key)


def issue_kit_certificate(
    kits_ca: Issuer, kit_id: str, public_key: ec.EllipticCurvePublicKey, *, now: datetime, life: timedelta
) -> x509.Certificate:
    """A kit's certificate: CN and SAN URI name the kit, usage is client authentication and signing.

    Raises:
        BadNameError: `kit_id` has not the form of a kit id.
    """
    names = [x509.UniformResourceIdentifier(f"urn:zhixing:kit:{check_kit_id(kit_id)}")]
    return _issue_leaf(kits_ca, kit_id, public_key, names, for_server=False, now=now, life=life)


def issue_server_certificate(
    services_ca: Issuer, hosts: Sequence[str], public_key: ec.EllipticCurvePublicKey, *, now: datetime
) -> x509.Certificate:
    """A service's certificate for `hosts` (names or addresses), always with localhost and 127.0.0.1."""
    wanted = list(dict.fromkeys([*hosts, "localhost", "127.0.0.1"]))
    names = [_host_name(host) for host in wanted]
    life = SERVER_LIFE
    return _issue_leaf(services_ca, wanted[0], public_key, names, for_server=True, now=now, life=life)


def check_signing_request(der: bytes, kit_id: str) -> ec.EllipticCurvePublicKey:
    """The key that a PKCS#10 request proves to hold, once everything about it is as it must be.

    Raises:
        BadRequestError: too long, unreadable, wrong key type, wrong signature or another kit's name.
    """
    if len(der) > MAX_CSR_BYTES:
        raise BadRequestError(f"The signing request is longer than {MAX_CSR_BYTES} bytes; send a plain one.")
    try:
        request = x509.load_der_x509_csr(der)
        names = [str(item.value) for item in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise BadRequestError("The signing request cannot be read; send PKCS#10 in base64 DER.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadRequestError("The signing request must carry a P-256 key; make one and ask again.")
    if not signed:
        raise BadRequestError("The signing request is not signed by the key it carries; make it anew.")
    if names != [kit_id]:
        raise BadRequestError(f"The signing request must name {kit_id} as its only common name.")
    return key


def serial_text(certificate: x509.Certificate) -> str:
    """The serial number in lower-case hex without leading zeros, as lists and logs carry it."""
    return format(certificate.serial_number, "x")


def key_digest(key: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-256 over the key's SubjectPublicKeyInfo."""
    digest = Hash(SHA256())
    digest.update(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize()


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def chain_pem(*certificates: x509.Certificate) -> bytes:
    """Certificates as PEM, one after the other."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def load_issuer(certificate_pem: bytes, pem: bytes) -> Issuer:
    """Read what `chain_pem` and `key_pem` wrote; raise ValueError when they do not belong together."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("The authority's key and certificate do not belong together.")
    return Issuer(certificate, key)


def _issue_leaf(
    issuer: Issuer,
    common_name: str,
    public_key: ec.EllipticCurvePublicKey,
    names: Sequence[x509.GeneralName],
    *,
    for_server: bool,
    now: datetime,
    life: timedelta,
) -> x509.Certificate:
    builder = _base(_name(common_name), issuer.certificate.subject, public_key, now, life)
    usage = _key_usage(signs_certificates=False)
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(_usages(for_servers=for_server), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    return builder.sign(issuer.key, SHA256())


def _base(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(now + life)
    )


def _as_authority(
    builder: x509.CertificateBuilder,
    subject_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    *,
    path_length: int,
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _usages(*, for_servers: bool) -> x509.ExtendedKeyUsage:
    client = ExtendedKeyUsageOID.CLIENT_AUTH
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, client] if for_servers else [client])


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Zhixing"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
