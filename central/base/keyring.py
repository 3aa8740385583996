"""Seals fields of people at rest, and lets them be found again without being opened.

A keyring file (`keys_dir/fields.json`, mode 0600) holds sealing keys by number, the newest of which seals, and
index keys, the newest of which makes blind indexes. A sealed value is `0x01 | key number (4 bytes, big-endian) |
nonce (12) | AES-256-GCM`; its associated data are the field name and the row number: it cannot be moved to another
row or column. A blind index is the first 16 bytes of HMAC-SHA256 over kind and normalised value.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from central.base.errors import DomainError

INDEX_BYTES: Final = 16
_FORM: Final = b"\x01"
_HEAD_BYTES: Final = 1 + 4 + 12
_FILE: Final = "fields.json"


class KeyringError(DomainError):
    """The keyring is missing, unreadable, or lacks the key a value was sealed with."""

    code: ClassVar[str] = "keyring"


class SealBrokenError(DomainError):
    """A sealed value was changed, or moved to another row or column."""

    code: ClassVar[str] = "seal_broken"


class Keyring:
    """The keys in use. Make it with `load_keyring`; safe for use from several threads."""

    def __init__(self, sealing: dict[int, bytes], index: dict[int, bytes]) -> None:
        if not sealing or not index:
            raise KeyringError("The field keyring holds no keys: restore keys/fields.json from its backup.")
        self._sealers = {number: AESGCM(key) for number, key in sealing.items()}
        self._index = dict(index)
        self.newest = max(sealing)
        self.newest_index = max(index)

    def seal(self, field: str, row: int | str, value: str) -> bytes:
        """Seal `value` for one field (`table.column`) of one row."""
        nonce = os.urandom(12)
        sealed = self._sealers[self.newest].encrypt(nonce, value.encode(), _bind(field, row))
        return _FORM + self.newest.to_bytes(4, "big") + nonce + sealed

    def open(self, field: str, row: int | str, sealed: bytes) -> str:
        """Return what was sealed; raises KeyringError for an unknown key, SealBrokenError for anything altered."""
        number = key_number(sealed)
        sealer = self._sealers.get(number)
        if sealer is None:
            raise KeyringError(f"Field key {number} is missing: restore keys/fields.json from its backup.")
        try:
            clear = sealer.decrypt(sealed[5:_HEAD_BYTES], sealed[_HEAD_BYTES:], _bind(field, row))
        except InvalidTag:
            raise SealBrokenError(
                f"The sealed field {field} of row {row} was altered: compare the database with a backup."
            ) from None
        return clear.decode()

    def blind_index(self, kind: str, value: str, *, number: int | None = None) -> bytes:
        """Return the blind index of a normalised `value` under the newest index key (or key `number`)."""
        key = self._index[self.newest_index if number is None else number]
        return hmac.digest(key, kind.encode() + b"\0" + value.encode(), "sha256")[:INDEX_BYTES]

    def blind_indexes(self, kind: str, value: str) -> list[bytes]:
        """Return the indexes of `value` under every index key: what a search asks for while keys rotate."""
        return [self.blind_index(kind, value, number=number) for number in sorted(self._index)]


def key_number(sealed: bytes) -> int:
    """Return the number of the key that sealed a value; raises SealBrokenError when it is no sealed value."""
    if len(sealed) < _HEAD_BYTES or sealed[:1] != _FORM:
        raise SealBrokenError("A sealed field does not read as one: compare the database with a backup.")
    return int.from_bytes(sealed[1:5], "big")


def load_keyring(keys_dir: Path) -> Keyring:
    """Read the keyring, making it at first use; raises KeyringError when it cannot be read."""
    path = keys_dir / _FILE
    if not path.exists():
        _write_new(path, {"sealing": {"1": _new_key()}, "index": {"1": _new_key()}})
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Keyring(_read_keys(content["sealing"]), _read_keys(content["index"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeyringError(f"The field keyring {path} cannot be read: restore it from its backup.") from error


def _read_keys(keys: dict[str, str]) -> dict[int, bytes]:
    return {int(number): base64.b64decode(key, validate=True) for number, key in keys.items()}


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _bind(field: str, row: int | str) -> bytes:
    return f"{field}\0{row}".encode()


def _write_new(path: Path, content: dict[str, dict[str, str]]) -> None:
    """Write the file whole or not at all; the first of several processes wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
