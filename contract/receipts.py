"""What the centre signs with its receipt key (Ed25519), and the kit may delete on.

A segment receipt is given after the centre re-read and re-hashed what it stored; it names the digest. A head
statement says how far the centre holds a chain: a tail cut off later shows against it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contract.signing import (
    BadSignatureError,
    CodecError,
    Signed,
    dumps,
    loads,
    sign_ed25519,
    verify_ed25519,
)

SEGMENT_DOMAIN: Final = b"zhixing/segment-receipt/v1"
HEAD_DOMAIN: Final = b"zhixing/head/v1"


@dataclass(frozen=True, kw_only=True)
class SegmentReceipt:
    """The centre holds this segment durably; ``seq`` is its record's number, ``length`` bytes of ciphertext."""

    recording_id: bytes
    seq: int
    cipher_hash: bytes
    length: int
    stored_ms: int
    centre: str


@dataclass(frozen=True, kw_only=True)
class HeadStatement:
    """The centre holds ``count`` records of this chain; ``head`` is the link hash of the last."""

    recording_id: bytes
    count: int
    head: bytes
    closed: bool
    stated_ms: int
    centre: str


_Statement = TypeVar("_Statement", SegmentReceipt, HeadStatement)


def sign_segment_receipt(key: Ed25519PrivateKey, receipt: SegmentReceipt) -> bytes:
    """CBOR ``[body, sig]``."""
    return _sign(key, SEGMENT_DOMAIN, receipt)


def verify_segment_receipt(keys: list[Ed25519PublicKey], data: bytes) -> SegmentReceipt:
    """Read a receipt signed by any of ``keys``; raise CodecError or BadSignatureError."""
    return _verify(keys, SEGMENT_DOMAIN, data, SegmentReceipt)


def sign_head(key: Ed25519PrivateKey, head: HeadStatement) -> bytes:
    """CBOR ``[body, sig]``."""
    return _sign(key, HEAD_DOMAIN, head)


def verify_head(keys: list[Ed25519PublicKey], data: bytes) -> HeadStatement:
    """Read a head statement signed by any of ``keys``; raise CodecError or BadSignatureError."""
    return _verify(keys, HEAD_DOMAIN, data, HeadStatement)


def _sign(key: Ed25519PrivateKey, domain: bytes, statement: SegmentReceipt | HeadStatement) -> bytes:
    body = dumps({"v": 1, **asdict(statement)})
    return Signed(body, sign_ed25519(key, domain, body)).pack()


def _verify(keys: list[Ed25519PublicKey], domain: bytes, data: bytes, shape: type[_Statement]) -> _Statement:
    signed = Signed.unpack(data)
    if not any(_is_signed_by(key, domain, signed) for key in keys):
        raise BadSignatureError("The statement is not signed by a receipt key of the trust list.")
    return shape(**_checked_fields(loads(signed.body), shape))


def _is_signed_by(key: Ed25519PublicKey, domain: bytes, signed: Signed) -> bool:
    try:
        verify_ed25519(key, domain, signed.body, signed.sig)
    except BadSignatureError:
        return False
    return True


_TYPES: Final = {"bytes": bytes, "int": int, "str": str, "bool": bool}


def _checked_fields(value: Any, shape: type[SegmentReceipt | HeadStatement]) -> dict[str, Any]:
    expected = {item.name: _TYPES[str(item.type)] for item in fields(shape)}
    if not isinstance(value, dict) or value.pop("v", None) != 1 or value.keys() != expected.keys():
        raise CodecError("The statement does not have the fields of its version.")
    for name, kind in expected.items():
        if type(value[name]) is not kind:
            raise CodecError(f"Field {name} of the statement has a wrong type.")
    return value
