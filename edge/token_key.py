"""The evidence-signing key in a PKCS#11 token (smart card, secure element, SoftHSM), by the settings ``[keys]``.

The key is made in the token, never leaves it and passes here for an `EllipticCurvePrivateKey`, so that whatever
signs with a key of the card signs with one of the token. Python's ssl cannot use a token: the key of TLS and of the
door's proofs stays the file device.key, and the token's key has a certificate of its own, signing.crt.

Library: python-pkcs11 (MIT), the optional extra ``pkcs11``; it is imported only where ``[keys]`` names a module.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from edge.options import KeySettings

if TYPE_CHECKING:
    from pkcs11 import Session

SIGNING_CERTIFICATE: Final = "signing.crt"
_P256_BYTES: Final = 32


class TokenError(RuntimeError):
    """The token or its key cannot be used; one sentence that names it and the remedy."""


class TokenPinError(TokenError):
    """The PIN was refused. It is not tried again: real tokens lock after a few tries."""


class Token:
    """One process's hold on the token; opened at the first use, and anew once after a failure. Safe in threads."""

    def __init__(self, settings: KeySettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._has_failed = False

    def sign_digest(self, digest: bytes) -> bytes:
        """The 64 bytes ``r || s`` over a SHA-256 digest; raises TokenError."""
        from pkcs11 import Mechanism, ObjectClass

        def sign(session: Any) -> bytes:
            key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=self._settings.key_label)
            return bytes(key.sign(digest, mechanism=Mechanism.ECDSA))

        with self._lock:
            try:
                return bytes(self._run(sign))
            except TokenPinError:
                raise
            except TokenError:
                return bytes(self._run(sign))  # a token that was taken out and put back needs a new session

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half; raises TokenError when there is none."""
        from pkcs11 import Attribute, ObjectClass

        def read(session: Any) -> ec.EllipticCurvePublicKey:
            key = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=self._settings.key_label)
            return _read_point(bytes(key[Attribute.EC_POINT]))

        with self._lock:
            key: ec.EllipticCurvePublicKey = self._run(read)
        return key

    def ensure_key(self) -> ec.EllipticCurvePublicKey:
        """The public half of the key of this label, made in the token when there is none; raises TokenError."""
        from pkcs11 import Attribute, KeyType
        from pkcs11.util.ec import encode_named_curve_parameters

        def make(session: Any) -> None:
            parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
            domain = session.create_domain_parameters(KeyType.EC, parameters, local=True)
            private = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
            domain.generate_keypair(store=True, label=self._settings.key_label, private_template=private)

        with contextlib.suppress(TokenError):
            return self.public_key()
        with self._lock:
            self._run(make, writes=True)
        return self.public_key()

    def private_key(self) -> TokenPrivateKey:
        """The key, as what signs takes it; raises TokenError when it is not there."""
        return TokenPrivateKey(self, self.public_key())

    def destroy(self) -> None:
        """Delete both halves in the token; what is not there is gone already. Raises TokenError."""
        from pkcs11 import Attribute

        def delete(session: Any) -> None:
            for found in list(session.get_objects({Attribute.LABEL: self._settings.key_label})):
                found.destroy()

        with self._lock:
            self._run(delete, writes=True)

    def close(self) -> None:
        """Let go of the session."""
        with self._lock:
            self._close()

    def _run(self, work: Any, *, writes: bool = False) -> Any:
        from pkcs11.exceptions import PKCS11Error

        with self._explaining():
            try:
                if writes:
                    self._close()
                    with self._open(writes=True) as session:
                        return work(session)
                if self._session is None:
                    self._session = self._open(writes=False)
                return work(self._session)
            except PKCS11Error:
                self._close()
                self._has_failed = True
                raise

    def _open(self, *, writes: bool) -> Any:
        import pkcs11

        pin = self._read_pin()
        library = pkcs11.lib(self._settings.pkcs11_module)
        if self._has_failed:
            library.reinitialize()  # the slots are looked at anew: the token may have been put back only now
            self._has_failed = False
        token = library.get_token(token_label=self._settings.token_label)
        try:
            return token.open(user_pin=pin, rw=writes)
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            return token.open(rw=writes)  # a log-in holds for all sessions of one process

    def _close(self) -> None:
        from pkcs11.exceptions import PKCS11Error

        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(PKCS11Error):
                session.close()

    def _read_pin(self) -> str:
        path = Path(self._settings.pin_file)
        try:
            if self._refused_mark.exists() and self._refused_mark.read_text() == self._stamp_pin():
                raise TokenPinError(
                    f"The PIN in {path} was refused before and is not tried again, lest the token lock: "
                    "write the right one."
                )
            return path.read_text(encoding="utf-8").splitlines()[0]
        except (OSError, UnicodeDecodeError, IndexError) as error:
            raise TokenError(
                f"keys.pin_file {path} cannot be read ({error}): write the PIN into its first line, mode 0600."
            ) from error

    @property
    def _refused_mark(self) -> Path:
        return Path(self._settings.pin_file + ".refused")

    def _stamp_pin(self) -> str:
        status = Path(self._settings.pin_file).stat()
        return f"{status.st_ino} {status.st_mtime_ns} {self._settings.token_label}"

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            from pkcs11 import exceptions
        except ImportError as error:
            raise TokenError(
                "keys.pkcs11_module is set, but python-pkcs11 is not installed: install the extra [pkcs11], "
                "or remove [keys]."
            ) from error
        module, token = self._settings.pkcs11_module, self._settings.token_label
        try:
            yield
        except (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange) as error:
            self._refused_mark.write_text(self._stamp_pin())
            raise TokenPinError(
                f"The PIN in {self._settings.pin_file} is not that of token {token!r}: "
                "correct it before the token locks."
            ) from error
        except exceptions.PinLocked as error:
            raise TokenPinError(
                f"The PIN of token {token!r} is locked: unlock it with its security officer's PIN."
            ) from error
        except exceptions.NoSuchToken as error:
            raise TokenError(f"Token {token!r} is not there: put it in, or correct keys.token_label.") from error
        except exceptions.NoSuchKey as error:
            raise TokenError(
                f"Token {token!r} holds no key {self._settings.key_label!r}: enrol this kit anew with [keys]."
            ) from error
        except exceptions.PKCS11Error as error:
            if type(error) is exceptions.PKCS11Error:  # what the library's loading fails with
                raise TokenError(
                    f"keys.pkcs11_module cannot be loaded ({error}): name the token's library."
                ) from error
            what = type(error).__name__
            raise TokenError(f"Token {token!r} behind {module} failed ({what}: {error}): is it still in?") from error


class TokenPrivateKey(ec.EllipticCurvePrivateKey):
    """The key of a token, for everything that takes a private key of `cryptography`; ECDSA over SHA-256 only."""

    def __init__(self, token: Token, public_key: ec.EllipticCurvePublicKey) -> None:
        self._token = token
        self._public_key = public_key

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """The DER signature; raises TokenError."""
        if not isinstance(signature_algorithm, ec.ECDSA) or not isinstance(signature_algorithm.algorithm, SHA256):
            raise TypeError("A token's key signs with ECDSA over SHA-256.")
        raw = self._token.sign_digest(hashlib.sha256(bytes(data)).digest())
        r, s = int.from_bytes(raw[:_P256_BYTES], "big"), int.from_bytes(raw[_P256_BYTES:], "big")
        return utils.encode_dss_signature(r, s)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """256."""
        return self._public_key.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Not what this key is for."""
        raise NotImplementedError("A signing key agrees on nothing.")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Not to be had: that is what the token is for."""
        raise NotImplementedError("The key does not leave its token.")

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> bytes:
        """Not to be had: that is what the token is for."""
        raise NotImplementedError("The key does not leave its token.")

    def __copy__(self) -> TokenPrivateKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TokenPrivateKey:
        return self


def read_signing_certificate(folder: Path, key: ec.EllipticCurvePublicKey) -> list[x509.Certificate]:
    """signing.crt, leaf first; raises TokenError when it is missing or of another key."""
    path = folder / SIGNING_CERTIFICATE
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TokenError(
            f"{path} cannot be read ({error}): fetch it with `zhixing-kit enrol --renew URL --data {folder}`."
        ) from error
    if chain[0].public_key() != key:
        raise TokenError(f"{path} is not of the token's key: another token is in, or enrol this kit anew.")
    return chain


def _read_point(point: bytes) -> ec.EllipticCurvePublicKey:
    # CKA_EC_POINT is a DER OCTET STRING around the uncompressed point; some tokens give the point bare.
    if point[:2] == b"\x04\x41":
        point = point[2:]
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
