"""Enrolment over secure transport (RFC 7030): cacerts, simpleenroll, simplereenroll.

A kit enrols with HTTP Basic (kit id, one-time secret) and renews with its present certificate, or with a statement
that the centre carries here for it (`provisioning.carried`). Answers are
certs-only PKCS#7 in base64; refusals are one plain sentence. One request a connection, each with a deadline,
so that a slow or silent client holds a thread for seconds, not for ever (`provisioning.listener`).
"""

from __future__ import annotations

import base64
import binascii
import logging
import ssl
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

from contract.names import BadNameError, check_kit_id
from contract.renewal import MEDIA_TYPE
from provisioning.authority import Authority
from provisioning.carried import renew_as_stated
from provisioning.certificates import BadRequestError, chain_pem, serial_text
from provisioning.grace import RETRY_AFTER_S as GRACE_RETRY_S
from provisioning.handover import HandoverError
from provisioning.listener import DEADLINE_S, TlsListener
from provisioning.rules import (
    AuthorityError,
    CertificateExpiredError,
    CertificateSupersededError,
    GraceRefusedError,
    GraceWaitingError,
    KitRevokedError,
    TokenSpentError,
    TooManyKeysError,
    TooManyRenewalsError,
    UnknownCertificateError,
    UnknownKitError,
    UnknownTokenError,
)

EST_PATH: Final = "/.well-known/est/"
TRUST_PATH: Final = "/zhixing/trust"
ROOT_PATH: Final = "/zhixing/root"
CARRIED_PATH: Final = "/zhixing/renewal"
MAX_BODY_BYTES: Final = 12 * 1024
DRAINED_BYTES: Final = 256 * 1024
RETRY_AFTER_S: Final = 5
HANDOVER_RETRY_S: Final = 5.0
_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of openssl/x509_vfy.h

_STATUS: Final[dict[type[ValueError], HTTPStatus]] = {
    UnknownTokenError: HTTPStatus.UNAUTHORIZED,
    TokenSpentError: HTTPStatus.FORBIDDEN,
    KitRevokedError: HTTPStatus.FORBIDDEN,
    UnknownKitError: HTTPStatus.FORBIDDEN,
    UnknownCertificateError: HTTPStatus.FORBIDDEN,
    TooManyRenewalsError: HTTPStatus.TOO_MANY_REQUESTS,
    GraceWaitingError: HTTPStatus.ACCEPTED,  # RFC 7030, 4.2.3: a person decides; come again
    GraceRefusedError: HTTPStatus.FORBIDDEN,
    CertificateExpiredError: HTTPStatus.FORBIDDEN,
    CertificateSupersededError: HTTPStatus.FORBIDDEN,
    TooManyKeysError: HTTPStatus.FORBIDDEN,
    BadRequestError: HTTPStatus.BAD_REQUEST,
}

log = logging.getLogger("provisioning.est")


class RefusedError(Exception):
    """A request answered with an error status and one sentence."""

    def __init__(self, status: HTTPStatus, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True)
class Answer:
    """A successful response."""

    content_type: str
    body: bytes
    transfer_encoding: str = ""


class EstServer(TlsListener):
    """Serves one authority; bind to port 0 to let the system choose."""

    def __init__(self, authority: Authority, address: tuple[str, int], *, deadline_s: float = DEADLINE_S) -> None:
        self.authority = authority
        self._next_handover_s = 0.0
        super().__init__(address, EstHandler, _make_tls(authority), deadline_s=deadline_s)

    def hand_over(self) -> None:
        """Write the registry when it has changed; a failure is logged and tried again by the running server."""
        try:
            self.authority.handover.publish_registry(self.authority.clock())
        except HandoverError as error:
            log.error("%s", error)

    def service_actions(self) -> None:
        """Between requests: repeat a handover that failed."""
        super().service_actions()
        if time.monotonic() >= self._next_handover_s:
            self._next_handover_s = time.monotonic() + HANDOVER_RETRY_S
            self.hand_over()


class EstHandler(BaseHTTPRequestHandler):
    """One connection, one request."""

    protocol_version = "HTTP/1.1"
    server: EstServer
    connection: ssl.SSLSocket

    def setup(self) -> None:
        """Finish the TLS handshake here, in the connection's thread."""
        self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:
        """Certificates, root and trust list."""
        self._answer({EST_PATH + "cacerts": self._cacerts, TRUST_PATH: self._trust, ROOT_PATH: self._root})

    def do_POST(self) -> None:
        """Enrolment and renewal."""
        self._answer(
            {
                EST_PATH + "simpleenroll": self._enrol,
                EST_PATH + "simplereenroll": self._renew,
                CARRIED_PATH: self._renew_carried,
            }
        )

    def version_string(self) -> str:
        """Tell nothing of versions."""
        return "zhixing-est"

    def log_message(self, format: str, *args: Any) -> None:
        """Access lines go to the program's log."""
        log.info("%s: %s", self.client_address[0], format % args)

    def _answer(self, routes: dict[str, Any]) -> None:
        self.close_connection = True
        try:
            if self.server.is_overloaded():
                raise RefusedError(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    f"The authority is busy; ask again in {RETRY_AFTER_S} seconds.",
                    Retry_After=str(RETRY_AFTER_S),
                )
            answer = self._route(routes)()
        except RefusedError as refusal:
            self._send_refusal(refusal)
        except (AuthorityError, BadRequestError) as error:
            self._send_refusal(_refusal(error))
        else:
            extra = {"Content-Transfer-Encoding": answer.transfer_encoding} if answer.transfer_encoding else {}
            self._send(HTTPStatus.OK, answer.content_type, answer.body, extra)

    def _route(self, routes: dict[str, Any]) -> Any:
        path = self.path.partition("?")[0]
        if path in routes:
            return routes[path]
        known_get = path in (EST_PATH + "cacerts", TRUST_PATH, ROOT_PATH)
        if known_get or path in (EST_PATH + "simpleenroll", EST_PATH + "simplereenroll", CARRIED_PATH):
            allowed = "GET" if known_get else "POST"
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {allowed} on {path}.", Allow=allowed)
        raise RefusedError(HTTPStatus.NOT_FOUND, f"Nothing is served here; the EST paths begin with {EST_PATH}.")

    def _cacerts(self) -> Answer:
        authority = self.server.authority
        issuers = (authority.root, authority.kits_ca, authority.services_ca)
        body = _pkcs7([issuer.certificate for issuer in issuers])
        return Answer("application/pkcs7-mime", body, "base64")

    def _trust(self) -> Answer:
        return Answer("application/cbor", self.server.authority.read_trust_list())

    def _root(self) -> Answer:
        return Answer("application/x-pem-file", chain_pem(self.server.authority.root.certificate))

    def _enrol(self) -> Answer:
        kit_id, secret = self._read_credentials()
        request = self._read_request()
        who = f"{kit_id} from {self.client_address[0]}"
        certificate = self.server.authority.enrol(kit_id, secret, request, who=who)
        self.server.hand_over()
        return _certificate_answer(certificate)

    def _renew(self) -> Answer:
        der = self.connection.getpeercert(binary_form=True)
        if der is None:
            raise RefusedError(
                HTTPStatus.FORBIDDEN, "Renewal needs the kit's present certificate in TLS; enrol with a token."
            )
        serial = serial_text(x509.load_der_x509_certificate(der))
        who = f"certificate {serial} from {self.client_address[0]}"
        certificate = self.server.authority.renew(serial, self._read_request(), who=who)
        self.server.hand_over()
        return _certificate_answer(certificate)

    def _renew_carried(self) -> Answer:
        certificate = renew_as_stated(self.server.authority, self._read_body(MEDIA_TYPE), who=self.client_address[0])
        self.server.hand_over()
        return _certificate_answer(certificate)

    def _read_credentials(self) -> tuple[str, bytes]:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        try:
            if scheme.lower() != "basic":
                raise ValueError(scheme)
            kit_id, _, password = base64.b64decode(value, validate=True).decode("ascii").partition(":")
            return check_kit_id(kit_id), bytes.fromhex(password)
        except (binascii.Error, ValueError, BadNameError) as error:
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "Enrolment needs the kit id and the token's secret as HTTP Basic credentials.",
                WWW_Authenticate='Basic realm="zhixing-est"',
            ) from error

    def _read_request(self) -> bytes:
        """The PKCS#10 DER of the body (RFC 7030, 4.2.1: base64, application/pkcs10)."""
        body = self._read_body("application/pkcs10")
        try:
            return base64.b64decode(b"".join(body.split()), validate=True)
        except binascii.Error as error:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, "The signing request is not base64; send PKCS#10 in base64 DER."
            ) from error

    def _read_body(self, media_type: str) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 9:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "Send the signing request with a Content-Length.")
        if int(length) > MAX_BODY_BYTES:
            # Read some of it, so that the client gets the answer rather than a reset.
            self.rfile.read(min(int(length), DRAINED_BYTES))
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"A signing request has at most {MAX_BODY_BYTES} bytes; send only that.",
            )
        body = self.rfile.read(int(length))
        if self.headers.get_content_type() != media_type:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send the signing request as {media_type}.")
        return body

    def _send_refusal(self, refusal: RefusedError) -> None:
        self._send(refusal.status, "text/plain; charset=utf-8", f"{refusal}\n".encode(), refusal.headers)

    def _send(self, status: HTTPStatus, content_type: str, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _make_tls(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(authority.folder / "est.crt", authority.folder / "est.key")
    # Only kits' certificates are asked for and believed: the kits' CA alone is the anchor here.
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(authority.folder / "kits-ca.crt")
    # Kits' dates are judged by `Authority.renew` and its own record: a kit long dark comes with an expired one.
    context.verify_flags = ssl.VerifyFlags(int(context.verify_flags) | _NO_CHECK_TIME)
    return context


def _refusal(error: AuthorityError | BadRequestError) -> RefusedError:
    status = _STATUS.get(type(error), HTTPStatus.BAD_REQUEST)
    headers = {"Retry_After": str(24 * 3600)} if isinstance(error, TooManyRenewalsError) else {}
    if isinstance(error, GraceWaitingError):
        headers["Retry_After"] = str(GRACE_RETRY_S)
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW_Authenticate"] = 'Basic realm="zhixing-est"'
    return RefusedError(status, str(error), **headers)


def _certificate_answer(certificate: x509.Certificate) -> Answer:
    return Answer("application/pkcs7-mime; smime-type=certs-only", _pkcs7([certificate]), "base64")


def _pkcs7(certificates: list[x509.Certificate]) -> bytes:
    return base64.encodebytes(serialize_certificates(certificates, Encoding.DER))
