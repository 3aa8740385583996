"""A device authority in miniature: the certificates and lists a centre and its kits need in a test."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
DAY = datetime.timedelta(days=1)
# Before the moment at which the tests' clock stands (tests.fakes.clocks), whatever the day they run on.
VALID_FROM = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Holder:
    """A certificate and the key it names."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def serial(self) -> str:
        return f"{self.cert.serial_number:x}"

    def cert_pem(self) -> bytes:
        return self.cert.public_bytes(PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def issue(
    name: str,
    issuer: Holder | None = None,
    *,
    ca: int | None = None,
    usage: tuple[x509.ObjectIdentifier, ...] = (),
    san: tuple[x509.GeneralName, ...] = (),
    not_before: datetime.datetime | None = None,
    not_after: datetime.datetime | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Holder:
    """Issue a P-256 certificate; without an issuer it signs itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.cert.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or VALID_FROM)
        .not_valid_after(not_after or now() + 30 * DAY)
        .add_extension(x509.BasicConstraints(ca=ca is not None, path_length=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    signing_ca = ca is not None
    builder = builder.add_extension(
        x509.KeyUsage(
            digital_signature=not signing_ca, key_cert_sign=signing_ca, crl_sign=signing_ca,
            content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, encipher_only=False, decipher_only=False,
        ),
        critical=True,
    )  # fmt: skip
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
    if san:
        builder = builder.add_extension(x509.SubjectAlternativeName(san), critical=False)
    return Holder(builder.sign(signer, hashes.SHA256()), key)


class Pki:
    """Root, the two intermediates, the centre's server certificate and receipt key."""

    def __init__(self) -> None:
        import ipaddress

        self.root = issue("Zhixing Device Authority", ca=1)
        self.kits_ca = issue("kits-ca", self.root, ca=0)
        self.services_ca = issue("services-ca", self.root, ca=0)
        local = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        self.server = issue(
            "localhost", self.services_ca, san=local,
            usage=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
        )  # fmt: skip
        self.receipt_key = ed25519.Ed25519PrivateKey.generate()

    def kit(
        self,
        kit_id: str,
        *,
        issuer: Holder | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> Holder:
        """A kit's certificate under kits-ca (or another issuer, to play a stranger)."""
        return issue(
            kit_id,
            issuer or self.kits_ca,
            usage=(ExtendedKeyUsageOID.CLIENT_AUTH,),
            san=(x509.UniformResourceIdentifier(f"urn:zhixing:kit:{kit_id}"),),
            key=key,
            not_before=not_before,
            not_after=not_after,
        )

    def write_centre_keys(self, keys: Path) -> None:
        """The files of ``centre/keys`` that sync needs."""
        keys.mkdir(parents=True, exist_ok=True)
        (keys / "server.crt").write_bytes(self.server.cert_pem() + self.services_ca.cert_pem())
        (keys / "server.key").write_bytes(self.server.key_pem())
        (keys / "server.key").chmod(0o600)
        (keys / "kits-ca.crt").write_bytes(self.kits_ca.cert_pem())
        (keys / "services-ca.crt").write_bytes(self.services_ca.cert_pem())
        (keys / "root.crt").write_bytes(self.root.cert_pem())
        (keys / "receipt.key").write_bytes(
            self.receipt_key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )

    def kit_context(self, kit: Holder, folder: Path) -> ssl.SSLContext:
        """A kit's TLS: verifies servers against the root, shows its own certificate."""
        folder.mkdir(parents=True, exist_ok=True)
        chain, key, root = folder / "device.crt", folder / "device.key", folder / "root.crt"
        chain.write_bytes(kit.cert_pem() + self.kits_ca.cert_pem())
        key.write_bytes(kit.key_pem())
        root.write_bytes(self.root.cert_pem())
        context = ssl.create_default_context(cafile=str(root))
        context.load_cert_chain(chain, key)
        return context
