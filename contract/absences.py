"""The centre's signed statement of segments it never received: lost with their kit, or still on it.

The chain arrives before the pictures do. A recording whose kit was destroyed is evidence all the same; with this
statement its export says what is absent, and a segment dropped later still shows as dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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

DOMAIN: Final = b"zhixing/absences/v1"


@dataclass(frozen=True, kw_only=True)
class AbsenceStatement:
    """Of the chain that ends in ``head`` the centre holds no ciphertext for the record numbers ``absent``."""

    recording_id: bytes
    head: bytes
    absent: tuple[int, ...]
    stated_ms: int
    centre: str


def sign_absences(key: Ed25519PrivateKey, statement: AbsenceStatement) -> bytes:
    """CBOR ``[body, sig]``."""
    body = dumps(
        {
            "v": 1,
            "recording_id": statement.recording_id,
            "head": statement.head,
            "absent": list(statement.absent),
            "stated_ms": statement.stated_ms,
            "centre": statement.centre,
        }
    )
    return Signed(body, sign_ed25519(key, DOMAIN, body)).pack()


def verify_absences(keys: list[Ed25519PublicKey], data: bytes) -> AbsenceStatement:
    """Read a statement signed by any of ``keys``; raise CodecError or BadSignatureError."""
    signed = Signed.unpack(data)
    if not any(_is_signed_by(key, signed) for key in keys):
        raise BadSignatureError("The statement is not signed by a receipt key of the trust list.")
    fields = loads(signed.body)
    kinds = {"v": int, "recording_id": bytes, "head": bytes, "absent": list, "stated_ms": int, "centre": str}
    if not isinstance(fields, dict) or {name: type(value) for name, value in fields.items()} != kinds:
        raise CodecError("The statement does not have the fields of its version.")
    numbers = fields["absent"]
    if fields.pop("v") != 1 or any(type(number) is not int for number in numbers):
        raise CodecError("The statement does not have the values of its version.")
    return AbsenceStatement(**{**fields, "absent": tuple(numbers)})


def _is_signed_by(key: Ed25519PublicKey, signed: Signed) -> bool:
    try:
        verify_ed25519(key, DOMAIN, signed.body, signed.sig)
    except BadSignatureError:
        return False
    return True
