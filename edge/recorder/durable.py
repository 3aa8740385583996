"""Files that are either whole and on the card, or not there: write, fsync, rename, fsync the folder."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import BinaryIO, Final

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def create_temporary(path: Path) -> BinaryIO:
    """An empty file beside ``path``, named ``<name>.tmp``; a left-over of that name is replaced."""
    temporary = temporary_path(path)
    temporary.unlink(missing_ok=True)
    return temporary.open("xb")


def temporary_path(path: Path) -> Path:
    """Where ``path`` lies until it is whole."""
    return path.with_name(path.name + ".tmp")


def sync_file(file: BinaryIO) -> None:
    """Push a file's bytes to the card."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Push a folder's names to the card: without it a renamed file may be gone after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create ``folder`` so that it survives a power cut."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def means_full(error: BaseException) -> bool:
    """Whether an error says that the card (or the kit's share of it) is full."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL
