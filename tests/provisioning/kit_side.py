"""What the tests of this folder share: a clock they move, and a kit's side of EST over real TLS."""

import base64
import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

from contract.enrolment import parse_token
from provisioning.authority import Authority
from provisioning.certificates import chain_pem, key_pem, make_key
from provisioning.est import EstServer

PASSPHRASE = "correct horse battery"


class MovingClock:
    """Stands still until moved; begins at the real time, so that real TLS agrees with it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **step: float) -> None:
        self.now += timedelta(**step)


def add(desk: Authority, kit_id: str = "dl-2901-01") -> bytes:
    """Add a kit; give the secret of its token."""
    return parse_token(desk.add_kit(kit_id, court_code="云2901", label="大理01", officer="样例警官甲")).secret


def make_request(kit_id: str, key: ec.EllipticCurvePrivateKey | None = None, **more: str) -> bytes:
    """A PKCS#10 request in DER."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, kit_id)]
    names += [x509.NameAttribute(getattr(NameOID, oid), value) for oid, value in more.items()]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    return builder.sign(key or make_key(), SHA256()).public_bytes(Encoding.DER)


@dataclass
class Reply:
    """What the server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def certificates(self) -> list[x509.Certificate]:
        return pkcs7.load_der_pkcs7_certificates(base64.b64decode(self.body))

    def sentence(self) -> str:
        text = self.body.decode()
        assert self.headers.get_content_type() == "text/plain"
        assert text.endswith(".\n")
        assert text.count("\n") == 1
        return text


@dataclass
class Caller:
    """Speaks HTTPS to the server, trusting only the authority's root."""

    port: int
    tls: ssl.SSLContext
    timeout_s: float = 10.0
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self.timeout_s, context=self.tls)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, self.headers | named)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def enrol(self, kit_id: str, secret: bytes, request: bytes) -> Reply:
        credentials = base64.b64encode(f"{kit_id}:{secret.hex()}".encode()).decode()
        return self.call(
            "POST",
            "/.well-known/est/simpleenroll",
            base64.encodebytes(request),
            Content_Type="application/pkcs10",
            Authorization=f"Basic {credentials}",
        )

    def renew(self, request: bytes) -> Reply:
        return self.call(
            "POST",
            "/.well-known/est/simplereenroll",
            base64.encodebytes(request),
            Content_Type="application/pkcs10",
        )


def tls_of(desk: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=desk.folder / "root.crt")


def caller_with(
    desk: Authority, port: int, folder: Path, leaf: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> Caller:
    """A caller that shows a kit's certificate."""
    (folder / "kit.crt").write_bytes(chain_pem(leaf, desk.kits_ca.certificate))
    (folder / "kit.key").write_bytes(key_pem(key))
    tls = tls_of(desk)
    tls.load_cert_chain(folder / "kit.crt", folder / "kit.key")
    return Caller(port, tls)


@contextmanager
def serving(desk: Authority, *, deadline_s: float = 20.0) -> Iterator[EstServer]:
    """Serve in a thread for the length of the block."""
    with EstServer(desk, ("127.0.0.1", 0), deadline_s=deadline_s) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
