"""One file of many parts: a tar, written as a stream, with the SHA-256 of every part in a manifest at its end.

Written under a name of its own beside the target and renamed when it is whole and durable: a full disk or a kill
leaves no file that looks like a backup. Read twice: once to check everything, then to use it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from sqlalchemy.exc import DBAPIError

from central.base.errors import DomainError
from central.base.keyring import sync_folder

MANIFEST: Final = "manifest.json"
SEAL: Final = "manifest.sha256"
_BLOCK: Final = 1024 * 1024
_DATABASE_FULL: Final = ("disk is full", "disk I/O error", "No space left")
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MANIFEST_LIMIT: Final = 256 * 1024 * 1024


class ArchiveFullError(DomainError):
    """There is no room for the file."""

    code: ClassVar[str] = "archive_full"


class ArchiveExistsError(DomainError):
    """A file of that name is there already."""

    code: ClassVar[str] = "archive_exists"


class ArchiveDamagedError(DomainError):
    """The file is not what was written."""

    code: ClassVar[str] = "archive_damaged"


class ArchiveWriter:
    """Takes parts one after another; use `open_archive`."""

    def __init__(self, stream: BinaryIO) -> None:
        # GNU form: names and sizes of any length without a further header.
        self._tar = tarfile.TarFile(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT)
        self.parts: dict[str, dict[str, Any]] = {}

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add a part held in memory."""
        self._add(name, io.BytesIO(data), len(data))

    def add_file(self, name: str, path: Path) -> None:
        """Add a file as it is now."""
        with path.open("rb") as file:
            self._add(name, file, os.fstat(file.fileno()).st_size)

    def close(self, manifest: dict[str, Any]) -> None:
        """Add the manifest with the digests, and end the tar."""
        body = json.dumps({**manifest, "parts": self.parts}, ensure_ascii=False, indent=1).encode()
        self._put(MANIFEST, io.BytesIO(body), len(body))
        seal = hashlib.sha256(body).hexdigest().encode() + b"\n"
        self._put(SEAL, io.BytesIO(seal), len(seal))
        self._tar.close()

    def _add(self, name: str, source: BinaryIO, size: int) -> None:
        digesting = _Digesting(source)
        self._put(name, digesting, size)
        self.parts[name] = {"size": size, "sha256": digesting.digest.hexdigest()}

    def _put(self, name: str, source: Any, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        self._tar.addfile(info, source)


class _Digesting:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


@contextlib.contextmanager
def open_archive(target: Path) -> Iterator[ArchiveWriter]:
    """Write a new archive to `target`; the caller ends it with `close`.

    Raises ArchiveExistsError, ArchiveFullError, OSError; then nothing is left behind.
    """
    if target.exists():
        raise ArchiveExistsError(f"{target} is there already: name a new file, or move the old one away.")
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            yield ArchiveWriter(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, target)  # unlike a rename it never replaces a file that came meanwhile
        draft.unlink()
        sync_folder(target.parent)
    except OSError as error:
        if is_no_room(error):
            raise ArchiveFullError(
                f"There is no room for {target} ({error.strerror}): free space there, or name a file elsewhere."
            ) from error
        raise
    finally:
        draft.unlink(missing_ok=True)


def is_no_room(error: BaseException) -> bool:
    """Whether a full disk, quota or file limit is behind an error of the system or of a database."""
    return (isinstance(error, OSError) and error.errno in _NO_ROOM) or (
        isinstance(error, DBAPIError) and any(word in str(error.orig) for word in _DATABASE_FULL)
    )


def check_archive(path: Path) -> dict[str, Any]:
    """Read the whole archive, compare every digest, and return its manifest; raises ArchiveDamagedError, OSError."""
    try:
        found, manifest, seal = _digest_members(path)
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(path, "its end") from error
    if not manifest or hashlib.sha256(manifest).hexdigest().encode() + b"\n" != seal:
        raise _damaged(path, MANIFEST)
    value: dict[str, Any] = json.loads(manifest)
    for name in {*found, *value["parts"]}:
        if found.get(name) != value["parts"].get(name):
            raise _damaged(path, name)
    return value


def _digest_members(path: Path) -> tuple[dict[str, dict[str, Any]], bytes, bytes]:
    """Return size and digest of every part, the manifest and its seal."""
    found: dict[str, dict[str, Any]] = {}
    texts: dict[str, bytes] = {}
    for name, size, source in _read_members(path):
        if name in found or name in texts or (name in {MANIFEST, SEAL} and size > _MANIFEST_LIMIT):
            raise _damaged(path, name)
        if name in {MANIFEST, SEAL}:
            texts[name] = source.read()
            continue
        digest = hashlib.sha256()
        while block := source.read(_BLOCK):
            digest.update(block)
        found[name] = {"size": size, "sha256": digest.hexdigest()}
    return found, texts.get(MANIFEST, b""), texts.get(SEAL, b"")


def read_parts(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the parts in their order, each to be read before the next; raises ArchiveDamagedError, OSError."""
    for name, _size, source in _read_members(path):
        if name not in {MANIFEST, SEAL}:
            yield name, source


def _read_members(path: Path) -> Iterator[tuple[str, int, BinaryIO]]:
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|", bufsize=_BLOCK) as tar:
            for member in tar:
                source = tar.extractfile(member) if member.isreg() else None
                if source is None or not _is_plain(member.name):
                    raise _damaged(path, member.name)
                yield member.name, member.size, source  # type: ignore[misc]
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise _damaged(path, "the file") from error


def _is_plain(name: str) -> bool:
    """Whether a name stays below the folder it is unpacked into."""
    return bool(name) and not name.startswith("/") and ".." not in name.split("/") and "\0" not in name


def _damaged(path: Path, name: str) -> ArchiveDamagedError:
    return ArchiveDamagedError(f"{path} is damaged at {name}: nothing was done with it; take another copy.")
