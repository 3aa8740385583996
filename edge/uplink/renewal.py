"""Renews the kit's certificate well before it ends, so that none expires in the field."""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from edge.uplink.est import EnrolmentError, EstClient, RefusedError
from edge.uplink.identity import Identity, IdentityError, write_durably
from edge.uplink.trusted_time import TrustedTime

log = logging.getLogger("zhixing.renewal")

LOOK_EVERY_S = 3600.0
RETRY_S = 12 * 3600.0


def find_issuer(leaf: x509.Certificate, authorities: list[x509.Certificate]) -> x509.Certificate:
    """The intermediate that signed `leaf`, itself signed by the root (the first of `authorities`).

    Raises EnrolmentError.
    """
    root = authorities[0]
    for issuer in authorities[1:]:
        with contextlib.suppress(ValueError, TypeError, InvalidSignature):
            leaf.verify_directly_issued_by(issuer)
            issuer.verify_directly_issued_by(root)
            return issuer
    raise EnrolmentError("The new certificate does not stand on the authority's root: report this to it.")


def renew(folder: Path, est_url: str, trusted_time: TrustedTime | None = None) -> None:
    """Get the next certificate for the same key with the present one (simplereenroll over mutual TLS).

    Raises EnrolmentError; then the present certificate stays.
    """
    try:
        identity = Identity(folder)
    except IdentityError as error:
        raise EnrolmentError(str(error)) from error
    est = EstClient(est_url, identity.make_tls_context(trusted_time or TrustedTime(identity.floor_ms())))
    try:
        leaf = est.request_certificate("simplereenroll", identity.key, identity.kit_id, {})
    except RefusedError as error:
        raise EnrolmentError(str(error)) from error
    issuer = find_issuer(leaf, [identity.root, *identity.chain[1:]])
    pem = leaf.public_bytes(Encoding.PEM) + issuer.public_bytes(Encoding.PEM)
    write_durably(folder / "device.crt", pem)


class Renewer:
    """Looks once an hour; from two thirds of the certificate's life on it asks, twice a day, until it has one."""

    def __init__(
        self,
        identity: Identity,
        trusted_time: TrustedTime,
        est_url: str,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity = identity
        self._trusted_time = trusted_time
        self._est_url = est_url
        self._monotonic_s = monotonic_s
        self._due_s = monotonic_s()
        self.trouble = ""

    def turn(self) -> bool:
        """True when a new certificate lies in the data folder: the process then starts anew with it."""
        now_s = self._monotonic_s()
        if not self._est_url or now_s < self._due_s:
            return False
        self._due_s = now_s + LOOK_EVERY_S
        leaf = self._identity.chain[0]
        begins, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
        now_ms = self._trusted_time.find_now_ms() or self._trusted_time.floor_ms()
        if now_ms / 1000 < begins + (ends - begins) * 2 / 3:
            return False
        self._due_s = now_s + RETRY_S
        try:
            renew(self._identity.folder, self._est_url, self._trusted_time)
        except EnrolmentError as error:
            self.trouble = f"the certificate ends on {leaf.not_valid_after_utc:%Y-%m-%d} and was not renewed: {error}"
            log.warning("renewal: %s", self.trouble)
            return False
        log.info("renewal: a new certificate is in place")
        return True
