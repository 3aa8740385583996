"""What an error of file or database says about the card underneath, and whether it takes writes now."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Final, Literal

Trouble = Literal["", "full", "read_only", "failing"]

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FAILING: Final = {errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESHUTDOWN, errno.EUCLEAN, errno.EBADMSG}
_OF_SQLITE: Final[dict[int, Trouble]] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_IOERR: "failing",
}
PROBE_NAME: Final = "card.probe"


def find_trouble(error: BaseException) -> Trouble:
    """What is wrong with the card, judging by ``error`` and what caused it; "" when the card is not to blame."""
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return "full"
        if error.errno == errno.EROFS:
            return "read_only"
        return "failing" if error.errno in _FAILING else ""
    if isinstance(error, sqlite3.OperationalError):
        # An error that Python's own module raised bears no code of SQLite's.
        return _OF_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
    cause = error.__cause__
    return find_trouble(cause) if cause is not None else ""


def probe(folder: Path) -> Trouble:
    """Write a byte through to the card and take it away again: what the card says to that."""
    path = folder / PROBE_NAME
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, b"?")
            os.fsync(handle)
        finally:
            os.close(handle)
            path.unlink()
    except OSError as error:
        return find_trouble(error)
    return ""
