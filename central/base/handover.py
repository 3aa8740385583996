"""What the device authority handed over that the ground floor needs: the centre's recipients and receipt keys."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509 import load_pem_x509_certificate

from central.base.errors import DomainError
from central.base.receipt_key import find_receipt_key
from central.base.settings import Settings
from contract.trust import TrustList, verify_trust_list

TRUST_FILE = "trust.cbor"
ROOT_FILE = "root.crt"


class TrustListError(DomainError):
    """The handed-over trust list is not the authority's."""

    code: ClassVar[str] = "trust_list"


def find_trust_list(settings: Settings) -> TrustList | None:
    """Return the authority's trust list, None when list or root certificate were not handed over.

    Raises TrustListError when it is there and not signed by the root.
    """
    path, root_path = Path(settings.handover_dir) / TRUST_FILE, Path(settings.keys_dir) / ROOT_FILE
    if not (path.exists() and root_path.exists()):
        return None
    try:
        key = load_pem_x509_certificate(root_path.read_bytes()).public_key()
        if not isinstance(key, EllipticCurvePublicKey):
            raise ValueError("the root carries no P-256 key")
        return verify_trust_list(key, path.read_bytes())
    except (OSError, ValueError) as error:
        raise TrustListError(
            f"The trust list {path} cannot be used ({error}): let the device authority hand it over anew."
        ) from error


def list_receipt_keys(settings: Settings) -> list[Ed25519PublicKey]:
    """Return the public keys that heads and receipts of this centre may be signed with: its own, and the list's.

    Raises ReceiptKeyMissingError for a key that cannot be read, TrustListError for a foreign list.
    """
    own, trust = find_receipt_key(Path(settings.keys_dir)), find_trust_list(settings)
    keys = [own.public_key()] if own else []
    return keys + (trust.receipt_public_keys() if trust else [])
