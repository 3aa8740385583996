"""Signatures over deterministic CBOR, separated by domain.

A signature covers ``domain + b"\\0" + body``. Kits sign with ECDSA P-256 over SHA-256, written as raw
``r || s`` (64 bytes, IEEE P1363), because secure elements have it; the centre signs with Ed25519 (RFC 8032).
Bodies are deterministic CBOR (RFC 8949 section 4.2.1); the original bytes are kept and re-sent.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

P256_SIGNATURE_BYTES: Final = 64
MAX_BODY_BYTES: Final = 8 * 1024 * 1024


class CodecError(ValueError):
    """Bytes are not the deterministic CBOR they should be."""


class BadSignatureError(ValueError):
    """A signature does not belong to these bytes and this key."""


class Signed(NamedTuple):
    """A body and its signature, both exactly as they were made."""

    body: bytes
    sig: bytes

    def pack(self) -> bytes:
        """CBOR array ``[body, sig]``."""
        return dumps([self.body, self.sig])

    @classmethod
    def unpack(cls, data: bytes) -> Signed:
        """Read what :meth:`pack` wrote; raise CodecError otherwise."""
        value = loads(data)
        if not (isinstance(value, list) and len(value) == 2 and all(isinstance(part, bytes) for part in value)):
            raise CodecError("A signed item must be a CBOR array of two byte strings.")
        return cls(value[0], value[1])


def dumps(value: Any) -> bytes:
    """Deterministic CBOR of ``value``."""
    return cbor2.dumps(value, canonical=True)


def loads(data: bytes, *, limit_bytes: int = MAX_BODY_BYTES) -> Any:
    """Read deterministic CBOR; raise CodecError when it is too long, broken or not deterministic."""
    if len(data) > limit_bytes:
        raise CodecError(f"{len(data)} bytes of CBOR are more than the {limit_bytes} allowed.")
    try:
        value = cbor2.loads(data)
        again = dumps(value)
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise CodecError(f"The bytes are not valid CBOR: {error}.") from error
    if again != data:
        raise CodecError("The CBOR is not in its deterministic form, so its digest would be ambiguous.")
    return value


def sign_p256(key: EllipticCurvePrivateKey, domain: bytes, body: bytes) -> bytes:
    """64 bytes ``r || s`` over ``domain``, a zero byte and ``body``."""
    r, s = decode_dss_signature(key.sign(domain + b"\0" + body, ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify_p256(key: EllipticCurvePublicKey, domain: bytes, body: bytes, sig: bytes) -> None:
    """Raise BadSignatureError unless ``sig`` is by ``key`` over exactly this domain and body."""
    if len(sig) != P256_SIGNATURE_BYTES:
        raise BadSignatureError("A P-256 signature must have 64 bytes.")
    der = encode_dss_signature(int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big"))
    try:
        key.verify(der, domain + b"\0" + body, ECDSA(SHA256()))
    except InvalidSignature as error:
        raise BadSignatureError("The signature does not match these bytes and this key.") from error


def sign_ed25519(key: Ed25519PrivateKey, domain: bytes, body: bytes) -> bytes:
    """64-byte Ed25519 signature over ``domain``, a zero byte and ``body``."""
    return key.sign(domain + b"\0" + body)


def verify_ed25519(key: Ed25519PublicKey, domain: bytes, body: bytes, sig: bytes) -> None:
    """Raise BadSignatureError unless ``sig`` is by ``key`` over exactly this domain and body."""
    try:
        key.verify(sig, domain + b"\0" + body)
    except InvalidSignature as error:
        raise BadSignatureError("The signature does not match these bytes and this key.") from error
