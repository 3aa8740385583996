"""A proxy: a few small pictures of a segment, for a link too thin for the segment itself. It is not evidence.

It is sealed like the segment it belongs to and signed by the kit over a domain of its own, so that nobody can put
another picture beside a recording; but no chain names it, no package holds it, and the original takes its place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from contract.signing import BadSignatureError, CodecError, Signed, dumps, loads, verify_p256

DOMAIN: Final = b"zhixing/proxy/v1"
MAX_PARCEL_BYTES: Final = 256 * 1024


class ProxyError(ValueError):
    """A proxy is malformed, forged or of something else; the text is one sentence."""


@dataclass(frozen=True, kw_only=True)
class ProxyRecord:
    """What is signed: whose picture, digests (SHA-256) of its container and clear bytes, of the original's container.

    ``length``: bytes of the proxy's container.
    """

    recording_id: bytes
    seq: int
    cipher_hash: bytes
    clear_hash: bytes
    original_hash: bytes
    length: int


_FIELDS: Final = {
    "rid": ("recording_id", bytes),
    "seq": ("seq", int),
    "hash": ("cipher_hash", bytes),
    "clear": ("clear_hash", bytes),
    "of": ("original_hash", bytes),
    "length": ("length", int),
}


def encode(record: ProxyRecord) -> bytes:
    """The record's body, deterministic CBOR."""
    return dumps({"v": 1, **{key: getattr(record, name) for key, (name, _) in _FIELDS.items()}})


def pack(signed: Signed, sealed: bytes) -> bytes:
    """What travels and lies on the card: CBOR ``[body, signature, container]``."""
    return dumps([signed.body, signed.sig, sealed])


def unpack(parcel: bytes) -> tuple[Signed, ProxyRecord, bytes]:
    """Read a parcel and check that its container is the one its record names; raise ProxyError."""
    try:
        value = loads(parcel, limit_bytes=MAX_PARCEL_BYTES)
        if not (isinstance(value, list) and len(value) == 3 and all(isinstance(part, bytes) for part in value)):
            raise CodecError("A proxy must be a CBOR array of three byte strings.")
        body, sig, sealed = value
        record = _decode(body)
    except CodecError as error:
        raise ProxyError(str(error)) from error
    if (hashlib.sha256(sealed).digest(), len(sealed)) != (record.cipher_hash, record.length):
        raise ProxyError("The proxy's container is not the one its record names.")
    return Signed(body, sig), record, sealed


def is_signed_by(key: EllipticCurvePublicKey, signed: Signed) -> bool:
    """Whether this key signed the record as a proxy's."""
    try:
        verify_p256(key, DOMAIN, signed.body, signed.sig)
    except BadSignatureError:
        return False
    return True


def _decode(body: bytes) -> ProxyRecord:
    fields = loads(body)
    if not isinstance(fields, dict) or fields.pop("v", None) != 1 or fields.keys() != _FIELDS.keys():
        raise CodecError("A proxy's record does not have the fields of its version.")
    for key, (_, kind) in _FIELDS.items():
        if type(fields[key]) is not kind:
            raise CodecError(f"Field {key} of a proxy's record has a wrong type.")
    record = ProxyRecord(**{name: fields[key] for key, (name, _) in _FIELDS.items()})
    digests = (record.cipher_hash, record.clear_hash, record.original_hash)
    if len(record.recording_id) != 16 or any(len(digest) != 32 for digest in digests) or record.seq < 0:
        raise CodecError("A proxy's record has a field of wrong length.")
    return record
