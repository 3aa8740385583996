"""The escrow identity: the key that opens everything, kept away from every machine that runs.

It is an age identity sealed under a passphrase in age's own scrypt format (C2SP age.md, "The scrypt
recipient"), so that ``age -d -o escrow.key FILE`` opens it years from now without this program.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from contract import envelope
from contract.age_header import Stanza
from provisioning.files import write_new

MIN_PASSPHRASE_CHARS: Final = 12
# 2^18 as age itself uses: about a second and 256 MiB for each guess.
WORK_FACTOR: Final = 18
_SCRYPT_LABEL: Final = b"age-encryption.org/v1/scrypt"
# A folder that holds one of these is the data folder of an authority, a centre or a kit.
_DATA_MARKS: Final = ("state.db", "spool.db", "central.db", "centre.age", "handover")


class EscrowPlaceError(ValueError):
    """The escrow file would lie beside the data it opens."""


class WeakPassphraseError(ValueError):
    """The passphrase is too short for a key that must hold for decades."""


def check_place(path: Path, data_folders: list[Path]) -> None:
    """Raise EscrowPlaceError when `path` is inside one of `data_folders` or a folder that looks like one."""
    place = path.resolve()
    inside = any(place.is_relative_to(folder.resolve()) for folder in data_folders)
    marked = any((folder / mark).exists() for folder in place.parents for mark in _DATA_MARKS)
    if inside or marked:
        raise EscrowPlaceError(
            f"{path} lies inside a data folder; whoever takes the data must not find the escrow key beside it, "
            "so name a place outside, best a removable medium."
        )


def check_passphrase(passphrase: str) -> None:
    """Raise WeakPassphraseError when it has fewer than twelve characters."""
    if len(passphrase) < MIN_PASSPHRASE_CHARS:
        raise WeakPassphraseError(
            f"The escrow passphrase has fewer than {MIN_PASSPHRASE_CHARS} characters; choose a longer one."
        )


def seal_identity(identity: X25519PrivateKey, passphrase: str, *, work_factor: int = WORK_FACTOR) -> bytes:
    """The identity file, encrypted under the passphrase as one age container."""
    check_passphrase(passphrase)
    recipient = envelope.recipient_to_text(identity.public_key())
    text = f"# public key: {recipient}\n{envelope.identity_to_text(identity)}\n".encode()
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    scrypt = Scrypt(salt=_SCRYPT_LABEL + salt, length=32, n=1 << work_factor, r=8, p=1)
    wrapped = ChaCha20Poly1305(scrypt.derive(passphrase.encode())).encrypt(bytes(12), file_key, None)
    words = ("scrypt", base64.b64encode(salt).rstrip(b"=").decode(), str(work_factor))
    payload_key = HKDF(SHA256(), 32, nonce, b"payload").derive(file_key)
    # One chunk, number 0 and last (1): the identity is far shorter than 64 KiB.
    payload = ChaCha20Poly1305(payload_key).encrypt(bytes(11) + b"\x01", text, None)
    return envelope.build_header(file_key, [Stanza(words, wrapped)]) + nonce + payload


def write_escrow(path: Path, sealed: bytes, data_folders: list[Path]) -> None:
    """Write the sealed identity once.

    Raises:
        EscrowPlaceError: the place is inside a data folder.
        FileExistsAlreadyError: an escrow file is there; it is never overwritten.
    """
    check_place(path, data_folders)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_new(path, sealed, secret=True)
