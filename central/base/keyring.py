"""Seals fields of people at rest, and lets them be found again without being opened.

A keyring file (`keys_dir/fields.json`, mode 0600) holds sealing keys by number, the newest of which seals, and
index keys, the newest of which makes blind indexes. A sealed value is `0x01 | key number (4 bytes, big-endian) |
nonce (12) | AES-256-GCM`; its associated data are the field name and the row number: it cannot be moved to another
row or column. A blind index is the first 16 bytes of HMAC-SHA256 over kind and normalised value.

Keys rotate while the centre runs: `add_keys` puts newer ones into the file, every process takes them up with its next
use of the keyring (it looks at the file's inode, time and size), `retire_keys` removes the older ones once nothing is
sealed with them any more (central.flows.rekeying).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hmac
import json
import logging
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from central.base.errors import DomainError

INDEX_BYTES: Final = 16
_FORM: Final = b"\x01"
_HEAD_BYTES: Final = 1 + 4 + 12
FILE: Final = "fields.json"
_LOG = logging.getLogger(__name__)


class KeyringError(DomainError):
    """The keyring is missing, unreadable, or lacks the key a value was sealed with."""

    code: ClassVar[str] = "keyring"


class SealBrokenError(DomainError):
    """A sealed value was changed, or moved to another row or column."""

    code: ClassVar[str] = "seal_broken"


@dataclass(frozen=True)
class _Keys:
    sealers: dict[int, AESGCM]
    index: dict[int, bytes]


class Keyring:
    """The keys in use. Make it with `load_keyring`; safe for use from several threads.

    With `path` it follows the file: keys that another process adds or retires count from the next call on.
    """

    def __init__(self, sealing: dict[int, bytes], index: dict[int, bytes], path: Path | None = None) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None  # the first use looks at the file once more
        self._keys = _check_keys(sealing, index)

    @property
    def newest(self) -> int:
        """Number of the key that seals."""
        return max(self._current().sealers)

    @property
    def newest_index(self) -> int:
        """Number of the key that makes blind indexes."""
        return max(self._current().index)

    @property
    def sealing_numbers(self) -> list[int]:
        """Numbers of all sealing keys, oldest first; more than one while keys rotate."""
        return sorted(self._current().sealers)

    def held(self) -> Keyring:
        """Return these keys as they are now, without a look at the file at each use: for one batch, not longer."""
        keys = self._current()
        still = Keyring.__new__(Keyring)
        still._path, still._stamp, still._keys = None, None, keys
        return still

    def seal(self, field: str, row: int | str, value: str) -> bytes:
        """Seal `value` for one field (`table.column`) of one row."""
        sealers = self._current().sealers
        number, nonce = max(sealers), os.urandom(12)
        sealed = sealers[number].encrypt(nonce, value.encode(), _bind(field, row))
        return seal_prefix(number) + nonce + sealed

    def open(self, field: str, row: int | str, sealed: bytes) -> str:
        """Return what was sealed; raises KeyringError for an unknown key, SealBrokenError for anything altered."""
        number = key_number(sealed)
        sealer = self._current().sealers.get(number)
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
        keys = self._current().index
        key = keys[max(keys) if number is None else number]
        return hmac.digest(key, kind.encode() + b"\0" + value.encode(), "sha256")[:INDEX_BYTES]

    def blind_indexes(self, kind: str, value: str) -> list[bytes]:
        """Return the indexes of `value` under every index key: what a search asks for while keys rotate."""
        data = kind.encode() + b"\0" + value.encode()
        keys = self._current().index
        return [hmac.digest(keys[number], data, "sha256")[:INDEX_BYTES] for number in sorted(keys)]

    def _current(self) -> _Keys:
        """The keys as the file has them now; a file that cannot be read just now leaves those known."""
        if self._path is not None and (stamp := _stamp_of(self._path)) not in {None, self._stamp}:
            try:
                self._keys = _check_keys(*_read_file(self._path))
                self._stamp = stamp
            except KeyringError as error:
                _LOG.error("%s", error)
        return self._keys


def seal_prefix(number: int) -> bytes:
    """How every value begins that key `number` sealed."""
    return _FORM + number.to_bytes(4, "big")


def key_number(sealed: bytes) -> int:
    """Return the number of the key that sealed a value; raises SealBrokenError when it is no sealed value."""
    if len(sealed) < _HEAD_BYTES or sealed[:1] != _FORM:
        raise SealBrokenError("A sealed field does not read as one: compare the database with a backup.")
    return int.from_bytes(sealed[1:5], "big")


def load_keyring(keys_dir: Path) -> Keyring:
    """Read the keyring, making it at first use; raises KeyringError when it cannot be read."""
    path = keys_dir / FILE
    if not path.exists():
        write_new(path, {"sealing": {"1": _new_key()}, "index": {"1": _new_key()}})
    return Keyring(*_read_file(path), path)


def add_keys(keys_dir: Path) -> int:
    """Put a newer sealing key and index key into the file, unless newer ones already wait for the older to retire.

    Returns the number of the newest sealing key. Raises KeyringError.
    """
    with _locked(keys_dir):
        content = read_content(keys_dir / FILE)
        if len(content["sealing"]) == 1 and len(content["index"]) == 1:
            for keys in content.values():
                keys[str(max(map(int, keys)) + 1)] = _new_key()
            _replace(keys_dir / FILE, content)
        return max(map(int, content["sealing"]))


def retire_keys(keys_dir: Path) -> list[int]:
    """Leave only the newest keys in the file; returns the numbers of the sealing keys that went. Raises KeyringError.

    Call it only when nothing in the database, or about to be written there, was sealed with an older key.
    """
    with _locked(keys_dir):
        content = read_content(keys_dir / FILE)
        newest = {name: {(number := str(max(map(int, keys)))): keys[number]} for name, keys in content.items()}
        _replace(keys_dir / FILE, newest)
        return sorted(set(map(int, content["sealing"])) - set(map(int, newest["sealing"])))


def rotation_began_s(keys_dir: Path) -> float:
    """When the file was last changed, seconds since 1970: while keys rotate, when the newer ones were added."""
    return (keys_dir / FILE).stat().st_mtime


def _read_file(path: Path) -> tuple[dict[int, bytes], dict[int, bytes]]:
    content = read_content(path)
    try:
        return _read_keys(content["sealing"]), _read_keys(content["index"])
    except (ValueError, TypeError) as error:
        raise _unreadable(path) from error


def read_content(path: Path) -> dict[str, dict[str, str]]:
    """Return what a keyring file holds: `sealing` and `index`, each number to Base64. Raises KeyringError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: dict(content[name]) for name in ("sealing", "index")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> KeyringError:
    return KeyringError(f"The field keyring {path} cannot be read: restore it from its backup.")


def _check_keys(sealing: dict[int, bytes], index: dict[int, bytes]) -> _Keys:
    if not sealing or not index:
        raise KeyringError("The field keyring holds no keys: restore keys/fields.json from its backup.")
    try:
        return _Keys({number: AESGCM(key) for number, key in sealing.items()}, dict(index))
    except ValueError as error:
        raise KeyringError("A key of the field keyring is cut: restore keys/fields.json from its backup.") from error


def _stamp_of(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path) if path else None  # noqa: PTH116 - asked at every use, and twice as quick
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found else None


def _read_keys(keys: dict[str, str]) -> dict[int, bytes]:
    return {int(number): base64.b64decode(key, validate=True) for number, key in keys.items()}


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _bind(field: str, row: int | str) -> bytes:
    return f"{field}\0{row}".encode()


def write_new(path: Path, content: dict[str, dict[str, str]]) -> None:
    """Write the file whole or not at all; the first of several processes wins."""
    draft = _write_draft(path, content)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    sync_folder(path.parent)


def _replace(path: Path, content: dict[str, dict[str, str]]) -> None:
    """Put new content in the place of the old: whoever reads sees one or the other, whatever dies."""
    _write_draft(path, content).replace(path)
    sync_folder(path.parent)


def _write_draft(path: Path, content: dict[str, dict[str, str]]) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return draft


def sync_folder(folder: Path) -> None:
    """Wait until the medium has the names in `folder`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(keys_dir: Path) -> Iterator[None]:
    with (keys_dir / f".{FILE}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for draft in keys_dir.glob(f".{FILE}.*.*"):  # left by somebody who was killed
            draft.unlink()
        yield
