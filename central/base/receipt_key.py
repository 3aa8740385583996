"""The centre's own signing key (Ed25519): receipts, heads of recordings and heads of the audit are signed with it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from central.base.errors import DomainError

RECEIPT_KEY_FILE = "receipt.key"


class ReceiptKeyMissingError(DomainError):
    """The centre's receipt key is not where the settings say."""

    code: ClassVar[str] = "receipt_key_missing"


def read_receipt_key(keys_dir: Path) -> Ed25519PrivateKey:
    """The centre's receipt key; raises ReceiptKeyMissingError when it cannot be used."""
    path = keys_dir / RECEIPT_KEY_FILE
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ReceiptKeyMissingError(
            f"The receipt key {path} cannot be read ({error}): restore it from the device authority's hand-over."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ReceiptKeyMissingError(
            f"The receipt key {path} is not an Ed25519 key: restore it from the device authority's hand-over."
        )
    return key


def find_receipt_key(keys_dir: Path) -> Ed25519PrivateKey | None:
    """The receipt key, None when the authority has handed none over; raises as `read_receipt_key` otherwise."""
    return read_receipt_key(keys_dir) if (keys_dir / RECEIPT_KEY_FILE).exists() else None
