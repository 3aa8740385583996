"""Files that must be whole or absent: atomic replacement, and secrets nobody else reads."""

from __future__ import annotations

import os
from pathlib import Path


class FileExistsAlreadyError(FileExistsError):
    """A file that is written once is already there."""


def write_new(path: Path, data: bytes, *, secret: bool = False) -> None:
    """Create `path` exclusively and durably; a secret is mode 0600 from its first moment.

    Raises:
        FileExistsAlreadyError: the file is there; it is left as it was.
    """
    mode = 0o600 if secret else 0o644
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError as error:
        raise FileExistsAlreadyError(f"{path} exists already and is never overwritten.") from error
    try:
        _write_and_close(handle, data)
    except OSError:
        path.unlink()  # half a file is worse than none, and this one is ours
        raise
    sync_folder(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` in the place of `path`: a reader sees the old file or the new one, whole."""
    fresh = path.with_name(path.name + ".new")
    _write_and_close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644), data)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's own entries durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_and_close(handle: int, data: bytes) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
