"""What a lost kit says last: a signed statement that it is about to destroy its keys, on which order, and its chains.

The statement is written and sent before the keys are gone, for afterwards nothing can be signed; the kit destroys
them once the centre's receipt for it is there, or after a bounded wait. It names the heads of the kit's chains, so
that nothing of that kit signed later, and no longer chain than these, can pass as made before.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Meta

from contract.signing import CodecError, Signed, dumps, loads, sign_p256, verify_p256

DOMAIN: Final = b"zhixing/lost/v1"
PERMIT_DOMAIN: Final = b"zhixing/destroy/v1"
MAX_PERMIT_BYTES: Final = 2048
MAX_HEADS: Final = 100
MAX_STATEMENT_BYTES: Final = 12 * 1024


class ChainHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where a recording's chain stood: its last record's number and SHA-256 (``chain.link_hash``)."""

    recording_id: bytes
    seq: int
    head: bytes


class DestructionStatement(msgspec.Struct, frozen=True, kw_only=True):
    """``order`` is the directive's number, ``at_ms`` the kit's clock, ``keys`` SHA-256 of each key's
    SubjectPublicKeyInfo, ``heads`` the newest recordings' (at most MAX_HEADS), ``unsent_segments`` how many sealed
    segments stay on the card for want of a receipt.
    """

    kit_id: str
    spool: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    order: int
    at_ms: int
    keys: Annotated[list[bytes], Meta(min_length=1, max_length=8)]
    heads: Annotated[list[ChainHead], Meta(max_length=MAX_HEADS)]
    unsent_segments: int
    v: int = 1


def key_digest(key: EllipticCurvePublicKey) -> bytes:
    """SHA-256 of a key's SubjectPublicKeyInfo."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def sign_statement(key: EllipticCurvePrivateKey, statement: DestructionStatement) -> bytes:
    """CBOR ``[body, sig]``, signed with one of the keys that are to go."""
    body = dumps(msgspec.to_builtins(statement, builtin_types=(bytes,)))
    return Signed(body, sign_p256(key, DOMAIN, body)).pack()


def read_statement(data: bytes) -> tuple[DestructionStatement, Signed]:
    """The statement as written, its signature not yet checked; raise CodecError."""
    if len(data) > MAX_STATEMENT_BYTES:
        raise CodecError(f"A statement of destruction has at most {MAX_STATEMENT_BYTES} bytes.")
    signed = Signed.unpack(data)
    try:
        return msgspec.convert(loads(signed.body), DestructionStatement), signed
    except msgspec.ValidationError as error:
        raise CodecError(f"The statement of destruction is malformed: {error}.") from error


def verify_statement(key: EllipticCurvePublicKey, data: bytes) -> DestructionStatement:
    """The statement, if ``key`` signed it and it names that key as one that goes.

    Raises CodecError, BadSignatureError.
    """
    statement, signed = read_statement(data)
    verify_p256(key, DOMAIN, signed.body, signed.sig)
    if key_digest(key) not in statement.keys:
        raise CodecError("The statement of destruction does not name the key that signed it.")
    return statement


class DestructionPermit(msgspec.Struct, frozen=True, kw_only=True):
    """The device authority allows that a kit destroys these keys (SHA-256 of each SubjectPublicKeyInfo).

    Without it a kit obeys no order to destroy: whoever holds the centre alone makes no kit useless for good.
    It is for the keys of one enrolment, so it is worth nothing against a kit enrolled anew.
    """

    kit_id: str
    keys: Annotated[list[bytes], Meta(min_length=1, max_length=8)]
    issued_ms: int
    v: int = 1


def sign_permit(root_key: EllipticCurvePrivateKey, permit: DestructionPermit) -> bytes:
    """CBOR ``[body, sig]``."""
    body = dumps(msgspec.to_builtins(permit, builtin_types=(bytes,)))
    return Signed(body, sign_p256(root_key, PERMIT_DOMAIN, body)).pack()


def read_permit(data: bytes) -> DestructionPermit:
    """The permit as written, its signature not checked; raise CodecError."""
    if len(data) > MAX_PERMIT_BYTES:
        raise CodecError(f"A permit to destroy has at most {MAX_PERMIT_BYTES} bytes.")
    try:
        return msgspec.convert(loads(Signed.unpack(data).body), DestructionPermit)
    except msgspec.ValidationError as error:
        raise CodecError(f"The permit to destroy is malformed: {error}.") from error


def verify_permit(root_key: EllipticCurvePublicKey, data: bytes, *, kit_id: str, key: EllipticCurvePublicKey) -> None:
    """Check that the authority allows this kit to destroy this key; raise CodecError, BadSignatureError."""
    permit = read_permit(data)
    signed = Signed.unpack(data)
    verify_p256(root_key, PERMIT_DOMAIN, signed.body, signed.sig)
    if permit.kit_id != kit_id or key_digest(key) not in permit.keys:
        raise CodecError("The device authority's permit to destroy is for another kit or for keys of before.")
