"""The files of imports, sealed while they arrive: a lost disk reveals no identity number.

A file in `data_dir/imports` (mode 0600) is `ZXI1 | length of the sealed key (2 bytes) | sealed key | chunks`. The
file key (AES-256) is random and sealed by the field keyring, bound to the file's id. Each chunk holds 64 KiB, is
encrypted by AES-GCM with its number as nonce, and is bound to whether it is the last one: chunks cannot be swapped,
nor the file cut short. Reading is by position, because the parts of a workbook are.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from central.base.ids import new_id
from central.base.keyring import Keyring, key_number
from central.base.settings import Settings
from central.imports.rules import ImportFileGoneError, ImportStoreFullError, ImportTooLargeError

CHUNK_BYTES: Final = 64 * 1024
MIN_FREE_BYTES: Final = 256 * 1024 * 1024
HEAD_BYTES: Final = 64 * 1024
_TAG_BYTES: Final = 16
_MAGIC: Final = b"ZXI1"
_FIELD: Final = "import.file_key"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Upload:
    """A sealed file; `sha256` (hex) and `size_bytes` are of the clear content, `head` is its beginning."""

    file_id: str
    size_bytes: int
    sha256: str
    head: bytes


def folder(settings: Settings) -> Path:
    """Return where sealed files lie."""
    return Path(settings.data_dir) / "imports"


class UploadWriter:
    """Takes bytes as they come; `finish()` returns the Upload, `abandon()` leaves nothing behind.

    Raises ImportTooLargeError beyond `import_max_bytes` and ImportStoreFullError when the disk is full.
    """

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.file_id = new_id()
        self._limit = settings.import_max_bytes
        self._folder = folder(settings)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free < MIN_FREE_BYTES:
            raise _store_full()
        key = AESGCM.generate_key(256)
        self._sealer = AESGCM(key)
        self._path = self._folder / f".{self.file_id}.part"
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self._count = self._size = 0
        self._head = b""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        sealed = keyring.seal(_FIELD, self.file_id, base64.b64encode(key).decode())
        self._put(_MAGIC + len(sealed).to_bytes(2, "big") + sealed)

    def write(self, data: bytes) -> None:
        """Seal what came."""
        self._size += len(data)
        if self._size > self._limit:
            self.abandon()
            raise ImportTooLargeError(
                f"The file is larger than {self._limit} bytes: split it, or raise import_max_bytes.",
                limit=self._limit,
            )
        self._digest.update(data)
        if len(self._head) < HEAD_BYTES:
            self._head = (self._head + data)[:HEAD_BYTES]
        self._waiting += data
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self) -> Upload:
        """Write the last chunk and make the file durable under its own name."""
        self._seal(bytes(self._waiting), is_last=True)
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._fail(error)
        self._file.close()
        self._path.rename(self._folder / self.file_id)
        return Upload(self.file_id, self._size, self._digest.hexdigest(), self._head)

    def abandon(self) -> None:
        """Delete what was written."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._put(self._sealer.encrypt(_nonce(self._count), chunk, _bind(is_last)))
        self._count += 1

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._file.write(view) :]
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.abandon()
        if error.errno in _NO_ROOM:
            raise _store_full() from error
        raise error


def receive(settings: Settings, keyring: Keyring, chunks: Iterable[bytes]) -> Upload:
    """Seal a whole stream of bytes; raises like UploadWriter."""
    writer = UploadWriter(settings, keyring)
    try:
        for chunk in chunks:
            writer.write(chunk)
        return writer.finish()
    except BaseException:
        writer.abandon()
        raise


class SealedFile(io.RawIOBase):
    """A sealed file read in the clear, by position; raises ImportFileGoneError when it was altered or cut."""

    def __init__(self, path: Path, keyring: Keyring) -> None:
        super().__init__()
        self._file: BinaryIO = path.open("rb")
        start = self._file.read(6)
        sealed = self._file.read(int.from_bytes(start[4:], "big"))
        if start[:4] != _MAGIC:
            self._file.close()
            raise _gone()
        self._opener = AESGCM(base64.b64decode(keyring.open(_FIELD, path.name, sealed)))
        self._start = 6 + len(sealed)
        body = path.stat().st_size - self._start
        self._chunks = -(-body // (CHUNK_BYTES + _TAG_BYTES))
        self.size_bytes = max(0, body - self._chunks * _TAG_BYTES)
        self._position = 0
        self._held = (-1, b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Position in the clear content."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position in the clear content."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` as far as one chunk reaches."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if self._position >= self.size_bytes:
            if self._chunks and self._held[0] != self._chunks - 1:
                self._load(self._chunks - 1)  # the end must be the true end
            return 0
        number, offset = divmod(self._position, CHUNK_BYTES)
        piece = self._load(number)[offset : offset + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
        super().close()

    def _load(self, number: int) -> bytes:
        if self._held[0] == number:
            return self._held[1]
        self._file.seek(self._start + number * (CHUNK_BYTES + _TAG_BYTES))
        sealed = self._file.read(CHUNK_BYTES + _TAG_BYTES)
        try:
            clear = self._opener.decrypt(_nonce(number), sealed, _bind(number == self._chunks - 1))
        except InvalidTag:
            raise _gone() from None
        self._held = (number, clear)
        return clear


def open_sealed(settings: Settings, keyring: Keyring, file_id: str) -> SealedFile:
    """Open a sealed file for reading; raises ImportFileGoneError."""
    try:
        return SealedFile(folder(settings) / file_id, keyring)
    except OSError as error:
        raise _gone() from error


def delete_file(settings: Settings, file_id: str) -> None:
    """Delete a sealed file, if it is there."""
    if file_id:
        (folder(settings) / file_id).unlink(missing_ok=True)


def list_files(settings: Settings, *, before_s: float) -> list[str]:
    """Return the names of files, whole or begun, that were last written before `before_s` (seconds since 1970)."""
    if not folder(settings).is_dir():
        return []
    return [path.name for path in folder(settings).iterdir() if path.is_file() and path.stat().st_mtime < before_s]


def list_uploads(settings: Settings) -> list[Path]:
    """Return the sealed files that are here, those still arriving included."""
    return sorted(path for path in folder(settings).iterdir()) if folder(settings).is_dir() else []


def reseal_head(path: Path, keyring: Keyring) -> bool:
    """Seal a file's key anew in its place when an older key of the keyring sealed it; tells whether it did.

    The new head is as long as the old: content does not move, and a writer that appends is not disturbed.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False  # its import has ended meanwhile
    try:
        start = os.pread(descriptor, 6, 0)
        sealed = os.pread(descriptor, int.from_bytes(start[4:], "big"), 6)
        if start[:4] != _MAGIC or not sealed or key_number(sealed) == keyring.newest:
            return False
        file_id = path.name.removeprefix(".").removesuffix(".part")
        anew = keyring.seal(_FIELD, file_id, keyring.open(_FIELD, file_id, sealed))
        os.pwrite(descriptor, anew, 6)
        os.fsync(descriptor)
        return True
    finally:
        os.close(descriptor)


def head_key(path: Path) -> int | None:
    """Return the number of the key that sealed a file's key; None for a file that holds none yet, or has gone."""
    try:
        with path.open("rb") as file:
            start = file.read(6)
            sealed = file.read(int.from_bytes(start[4:], "big"))
    except FileNotFoundError:
        return None
    return key_number(sealed) if start[:4] == _MAGIC and sealed else None


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _bind(is_last: bool) -> bytes:
    return b"last" if is_last else b"more"


def _gone() -> ImportFileGoneError:
    return ImportFileGoneError("The file of this import is gone or damaged: upload it again.")


def _store_full() -> ImportStoreFullError:
    return ImportStoreFullError("The centre's disk has no room for this file: free some space and upload it again.")
