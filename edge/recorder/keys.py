"""The keys a recorder works with: its own signing key, and the public keys it may seal to."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from contract.age_header import EnvelopeError
from contract.signing import BadSignatureError, CodecError
from contract.trust import StaleListError, TrustList, verify_trust_list
from edge.recorder.moment import read_clocks
from edge.recorder.report import Reporter
from edge.settings import Settings
from edge.spool import SpoolError, open_spool, ring
from edge.token_key import Token, TokenError, read_signing_certificate

log = logging.getLogger("zhixing.recorder")


class KeyFileError(Exception):
    """A key, certificate or trust list of the kit cannot be used; the text names it and the remedy."""


def load_device_key(data_dir: Path) -> EllipticCurvePrivateKey:
    """The kit's own P-256 key from ``device.key``; raise KeyFileError."""
    path = data_dir / "device.key"
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(f"{path} cannot be used ({error}): enrol the kit anew.") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise KeyFileError(f"{path} holds a key of the wrong kind: enrol the kit anew.")
    return key


def load_signing_key(settings: Settings) -> EllipticCurvePrivateKey:
    """What signs this kit's chains: the key in the token where ``[keys]`` names one, else the file.

    Raises KeyFileError. With a token set and unusable nothing signs: the file never stands in for it.
    """
    if not settings.keys.pkcs11_module:
        return load_device_key(settings.data_dir)
    try:
        key = Token(settings.keys).private_key()
        read_signing_certificate(settings.data_dir, key.public_key())
    except TokenError as error:
        raise KeyFileError(str(error)) from error
    return key


def load_trust(data_dir: Path, *, not_before_epoch: int = 0) -> TrustList:
    """The trust list, checked against the device authority's certificate; raise KeyFileError.

    Nothing is ever sealed to a key that this list does not name.
    """
    path = data_dir / "trust.cbor"
    try:
        root = x509.load_pem_x509_certificate((data_dir / "root.crt").read_bytes()).public_key()
        if not isinstance(root, EllipticCurvePublicKey):
            raise KeyFileError(f"{data_dir / 'root.crt'} has a key of the wrong kind: enrol the kit anew.")
        trust = verify_trust_list(root, path.read_bytes(), not_before_epoch=not_before_epoch)
        trust.recipient_keys()
    except (OSError, ValueError, CodecError, BadSignatureError, StaleListError, EnvelopeError) as error:
        raise KeyFileError(f"{path} cannot be trusted ({error}): fetch it anew by enrolling.") from error
    if not trust.recipients:
        raise KeyFileError(f"{path} names no recipient: have the authority issue a new list.")
    return trust


def report_no_key(settings: Settings, reason: str) -> None:
    """Tell officer and centre that nothing is recorded for want of a key: nothing is ever recorded unsigned."""
    try:
        with open_spool(settings.spool_path) as spool:
            reporter = Reporter(spool, read_clocks)
            reporter.alarm_once("signing_key", reason)
            reporter.report("key_fault", None, settings.camera.kind, reason)
            ring(spool.dir, "panel")
    except (SpoolError, sqlite3.Error) as error:
        log.error("recorder: that no key signs could not be stored: %s", error)


class RecipientBook:
    """The keys to seal to, read anew whenever the trust list's file changed."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._seen = self._look()
        trust = load_trust(data_dir)
        self._epoch = trust.epoch
        self._keys = trust.recipient_keys()

    def current(self) -> list[X25519PublicKey]:
        """The keys of the newest list that could be trusted; a list that cannot changes nothing."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                trust = load_trust(self._data_dir, not_before_epoch=self._epoch)
            except KeyFileError as error:
                log.error("recorder: the trust list in force stays: %s", error)
            else:
                self._epoch, self._keys = trust.epoch, trust.recipient_keys()
        return self._keys

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = (self._data_dir / "trust.cbor").stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
