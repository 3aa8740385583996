"""What the device authority signs with its root key: whom kits trust, and which kits the centre admits.

Both carry an epoch that never goes back: a conquered centre can neither redirect nor delete evidence, and a
revocation cannot be undone by replaying an older list.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from contract import envelope
from contract.signing import CodecError, Signed, dumps, loads, sign_p256, verify_p256

TRUST_DOMAIN: Final = b"zhixing/trust/v1"
REGISTRY_DOMAIN: Final = b"zhixing/registry/v1"


class StaleListError(ValueError):
    """A list is older than one already accepted."""


class TrustList(msgspec.Struct, frozen=True, kw_only=True):
    """For kits. ``recipients`` are age texts (centre, escrow); ``receipt_keys`` raw Ed25519 keys, 32 bytes each."""

    epoch: int
    issued_ms: int
    recipients: list[str]
    receipt_keys: list[bytes]
    v: int = 1

    def recipient_keys(self) -> list[X25519PublicKey]:
        """The keys a kit seals to; raise envelope.KeyTextError when one is malformed."""
        return [envelope.recipient_from_text(text) for text in self.recipients]

    def receipt_public_keys(self) -> list[Ed25519PublicKey]:
        """The keys whose receipts a kit may delete on."""
        return [Ed25519PublicKey.from_public_bytes(key) for key in self.receipt_keys]


class KitEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A kit as the authority knows it. Serials are lower-case hex without prefix."""

    kit_id: str
    court_code: str
    label: str
    officer: str
    serials: list[str]
    revoked_serials: list[str]
    revoked: bool = False


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """For the centre: every kit and every certificate, issued or revoked."""

    epoch: int
    issued_ms: int
    kits: list[KitEntry]
    v: int = 1


_List = TypeVar("_List", TrustList, Registry)


def sign_trust_list(root_key: EllipticCurvePrivateKey, trust: TrustList) -> bytes:
    """CBOR ``[body, sig]``."""
    return _sign(root_key, TRUST_DOMAIN, trust)


def verify_trust_list(root_key: EllipticCurvePublicKey, data: bytes, *, not_before_epoch: int = 0) -> TrustList:
    """Read a trust list; raise CodecError, BadSignatureError or StaleListError."""
    return _verify(root_key, TRUST_DOMAIN, data, TrustList, not_before_epoch)


def sign_registry(root_key: EllipticCurvePrivateKey, registry: Registry) -> bytes:
    """CBOR ``[body, sig]``."""
    return _sign(root_key, REGISTRY_DOMAIN, registry)


def verify_registry(root_key: EllipticCurvePublicKey, data: bytes, *, not_before_epoch: int = 0) -> Registry:
    """Read a registry; raise CodecError, BadSignatureError or StaleListError."""
    return _verify(root_key, REGISTRY_DOMAIN, data, Registry, not_before_epoch)


def _sign(root_key: EllipticCurvePrivateKey, domain: bytes, value: TrustList | Registry) -> bytes:
    body = dumps(msgspec.to_builtins(value, builtin_types=(bytes,)))
    return Signed(body, sign_p256(root_key, domain, body)).pack()


def _verify(
    root_key: EllipticCurvePublicKey, domain: bytes, data: bytes, shape: type[_List], not_before_epoch: int
) -> _List:
    signed = Signed.unpack(data)
    verify_p256(root_key, domain, signed.body, signed.sig)
    try:
        value = msgspec.convert(loads(signed.body), shape)
    except msgspec.ValidationError as error:
        raise CodecError(f"The signed list is malformed: {error}.") from error
    if value.epoch < not_before_epoch:
        raise StaleListError(
            f"The list of epoch {value.epoch} is older than epoch {not_before_epoch}, already accepted; "
            "fetch the current one from the device authority."
        )
    return value
