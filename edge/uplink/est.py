"""The client side of EST (RFC 7030) as the device authority speaks it."""

import base64
import binascii
import http.client
import ssl
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

from edge.uplink.link_failures import describe_failure

TIMEOUT_S = 20.0
MAX_ANSWER_BYTES = 256 * 1024
WAIT_S = 600.0
_EST = "/.well-known/est"


class EnrolmentError(RuntimeError):
    """Enrolment did not take place; the text is one sentence with the remedy."""


class WaitingError(EnrolmentError):
    """A person must decide first (RFC 7030, 4.2.3); ask again after ``retry_after_s``."""

    def __init__(self, sentence: str, retry_after_s: float) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class RefusedError(RuntimeError):
    """The authority answered with a refusal; its own sentence."""


class EstClient:
    """An EST server at `url`; every request has a connection of its own, as the authority wants it."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self._url = url
        self._context = context

    def fetch_authorities(self) -> list[x509.Certificate]:
        """The certificates of ``cacerts``; raises EnrolmentError."""
        return read_certificates(self._exchange("GET", f"{_EST}/cacerts", None, {}))

    def fetch_trust(self) -> bytes:
        """The authority's signed trust list, unchecked; raises EnrolmentError."""
        return self._exchange("GET", "/zhixing/trust", None, {})

    def request_certificate(
        self, operation: str, key: ec.EllipticCurvePrivateKey, kit_id: str, headers: dict[str, str]
    ) -> x509.Certificate:
        """``simpleenroll`` or ``simplereenroll`` for `key`; raises EnrolmentError, WaitingError, RefusedError."""
        body = base64.encodebytes(make_signing_request(key, kit_id))
        headers = {**headers, "Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64"}
        return read_leaf(self._exchange("POST", f"{_EST}/{operation}", body, headers), key, kit_id)

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        parts = urlsplit(self._url)
        where = f"{parts.hostname}:{parts.port or 443}"
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port or 443, timeout=TIMEOUT_S, context=self._context
        )
        try:
            connection.request(method, parts.path.rstrip("/") + path, body=body, headers=headers)
            response = connection.getresponse()
            data = response.read(MAX_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise EnrolmentError(
                f"The device authority does not answer: {describe_failure(error, where)}. Check the network and the "
                "address, then run the same command again; the token is still good."
            ) from error
        finally:
            connection.close()
        if response.status == 200:
            return data
        sentence = data.decode("utf-8", "replace").strip().splitlines()[:1] or [response.reason]
        if response.status == 202:
            told = response.getheader("Retry-After") or ""
            raise WaitingError(sentence[0][:300], float(told) if told.isdecimal() and len(told) < 6 else WAIT_S)
        if response.status >= 500 or method == "GET":
            raise EnrolmentError(
                f"{where} answered {response.status} ({sentence[0][:300]}): is it the device authority? Run the same "
                "command again later; the token is still good."
            )
        raise RefusedError(f"The device authority refuses: {sentence[0][:300]}")


def make_signing_request(key: ec.EllipticCurvePrivateKey, kit_id: str) -> bytes:
    """A PKCS#10 request in DER, signed anew each time."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kit_id)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.DER)


def read_leaf(data: bytes, key: ec.EllipticCurvePrivateKey, kit_id: str) -> x509.Certificate:
    """The certificate for `key` and kit in an answer as `read_certificates` takes it; raises EnrolmentError."""
    for leaf in read_certificates(data):
        names = [str(item.value) for item in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if leaf.public_key() == key.public_key() and names == [kit_id]:
            return leaf
    raise EnrolmentError("The authority answered with a certificate for another key or kit: report this to it.")


def read_certificates(data: bytes) -> list[x509.Certificate]:
    """The certificates of a base64 certs-only PKCS#7 (RFC 7030, 4.1.3)."""
    try:
        return pkcs7.load_der_pkcs7_certificates(base64.b64decode(data))
    except (binascii.Error, ValueError) as error:
        raise EnrolmentError(
            "The answer holds no certificates: the address is not that of a device authority; check it."
        ) from error
