"""Renews the kit's certificate well before it ends, so that none expires in the field."""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from edge.options import KeySettings
from edge.reach.identity import Identity, IdentityError, write_durably
from edge.reach.trusted_time import TrustedTime
from edge.token_key import SIGNING_CERTIFICATE, Token, TokenError
from edge.uplink.carried_renewal import CarriedRenewal, NotCarriedError
from edge.uplink.door import DoorUnreachableError
from edge.uplink.est import EnrolmentError, EstClient, RefusedError, WaitingError

log = logging.getLogger("zhixing.renewal")

LOOK_EVERY_S = 60.0
UNREACHABLE_RETRY_S = 600.0
DENIED_RETRY_S = 12 * 3600.0
LONGEST_WAIT_S = 3600.0


class DeniedError(EnrolmentError):
    """The authority refused the renewal; its own sentence."""


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


def renew(
    folder: Path,
    est_url: str,
    trusted_time: TrustedTime | None = None,
    *,
    keys: KeySettings | None = None,
    carried: CarriedRenewal | None = None,
) -> None:
    """Get the next certificate for the same key with the present one.

    By the devices' door where that carries it (`carried`), else at the authority: simplereenroll over mutual TLS.
    Where the signing key is in a token, the next one for that, too; it is made there if the token holds none yet.
    Raises EnrolmentError, and of it WaitingError and DeniedError; then the present certificates stay.
    """
    try:
        identity = Identity(folder)
    except IdentityError as error:
        raise EnrolmentError(str(error)) from error
    est = EstClient(est_url, identity.make_tls_context(trusted_time or TrustedTime(identity.floor_ms())))
    pem = _fetch(est, identity, identity.key, carried)
    write_durably(folder / "device.crt", pem)
    if keys is not None and keys.pkcs11_module:
        # A new connection shows the certificate that now counts: an expired one serves only once.
        certify_token_key(folder, est_url, keys, trusted_time, carried=carried)


def certify_token_key(
    folder: Path,
    est_url: str,
    keys: KeySettings,
    trusted_time: TrustedTime | None = None,
    *,
    carried: CarriedRenewal | None = None,
) -> None:
    """Make the token's key if it has none, and put its certificate into signing.crt; raises EnrolmentError."""
    token = Token(keys)
    try:
        token.ensure_key()
        identity = Identity(folder)
        est = EstClient(est_url, identity.make_tls_context(trusted_time or TrustedTime(identity.floor_ms())))
        write_durably(folder / SIGNING_CERTIFICATE, _fetch(est, identity, token.private_key(), carried))
    except (TokenError, IdentityError) as error:
        raise EnrolmentError(str(error)) from error
    finally:
        token.close()


def _fetch(est: EstClient, identity: Identity, key: EllipticCurvePrivateKey, carried: CarriedRenewal | None) -> bytes:
    try:
        leaf = _ask(est, identity, key, carried)
    except RefusedError as error:
        raise DeniedError(str(error)) from error
    issuer = find_issuer(leaf, [identity.root, *identity.chain[1:]])
    return leaf.public_bytes(Encoding.PEM) + issuer.public_bytes(Encoding.PEM)


def _ask(
    est: EstClient, identity: Identity, key: EllipticCurvePrivateKey, carried: CarriedRenewal | None
) -> x509.Certificate:
    if carried is not None:
        try:
            return carried.request_certificate(identity, key)
        except NotCarriedError as error:
            log.info("renewal: %s; the authority itself is asked", error)
    return est.request_certificate("simplereenroll", key, identity.kit_id, {})


class Renewer:
    """Looks once a minute; from two thirds of the certificate's life on it asks until it has the next one.

    A kit that was dark for a year does not know it: its clock stood still and its floor of time is old. So with the
    link down `ask_time` brings the centre's time before the dates are judged (the door asks for no certificate).
    """

    def __init__(
        self,
        identity: Identity,
        trusted_time: TrustedTime,
        est_url: str,
        *,
        keys: KeySettings | None = None,
        ask_time: Callable[[], object] = lambda: None,
        is_link_up: Callable[[], bool] = lambda: True,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity = identity
        self._trusted_time = trusted_time
        self._est_url = est_url
        self._keys = keys
        self.ask_time = ask_time
        self.is_link_up = is_link_up
        self.carried: CarriedRenewal | None = None
        self._monotonic_s = monotonic_s
        self._due_s = monotonic_s()
        self.trouble = ""

    def describe(self) -> dict[str, object]:
        """The state "certificate": when it ends (ms since 1970 UTC) and what keeps it from being renewed."""
        ends = self._identity.chain[0].not_valid_after_utc
        return {"until_ms": int(ends.timestamp() * 1000), "trouble": self.trouble}

    def turn(self) -> bool:
        """True when a new certificate lies in the data folder: the process then starts anew with it."""
        now_s = self._monotonic_s()
        if not self._est_url or now_s < self._due_s:
            return False
        self._due_s = now_s + LOOK_EVERY_S
        if not self.is_link_up():
            with contextlib.suppress(DoorUnreachableError):
                self.ask_time()
        if not self._is_due():
            return False
        try:
            renew(self._identity.folder, self._est_url, self._trusted_time, keys=self._keys, carried=self.carried)
        except EnrolmentError as error:
            self._due_s = now_s + _choose_pause_s(error)
            ends = self._identity.chain[0].not_valid_after_utc
            self.trouble = f"the certificate ends on {ends:%Y-%m-%d} and was not renewed: {error}"
            log.warning("renewal: %s", self.trouble)
            return False
        log.info("renewal: a new certificate is in place")
        return True

    def _is_due(self) -> bool:
        leaf = self._identity.chain[0]
        begins, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
        now_ms = self._trusted_time.find_now_ms() or self._trusted_time.floor_ms()
        return now_ms / 1000 >= begins + (ends - begins) * 2 / 3


def _choose_pause_s(error: EnrolmentError) -> float:
    if isinstance(error, WaitingError):
        return max(LOOK_EVERY_S, min(LONGEST_WAIT_S, error.retry_after_s))
    return DENIED_RETRY_S if isinstance(error, DeniedError) else UNREACHABLE_RETRY_S
