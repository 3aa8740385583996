"""Which case numbers a file has shown already, in bounded memory: a temporary SQLite file of 8-byte digests.

A million numbers take some 25 MB on disk and 4 MB of memory, where a dict would take 140 MB. Two different numbers
share a digest with a chance of 3 in 100 million in a file of a million rows.
"""

from __future__ import annotations

import hashlib
import sqlite3
from types import TracebackType


class SeenNumbers:
    """`first_row(case_no, row_no)` returns the row that showed the number before, else notes this one."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)  # "": a file of its own that goes with it
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-4096"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("CREATE TABLE seen (digest INTEGER PRIMARY KEY, row_no INTEGER NOT NULL)")
        self._connection.execute("BEGIN")
        self._cursor = self._connection.cursor()

    def __enter__(self) -> SeenNumbers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def first_row(self, case_no: str, row_no: int) -> int | None:
        """Return the earlier row of this number, or None when it is new."""
        digest = int.from_bytes(hashlib.blake2b(case_no.encode(), digest_size=8).digest(), "big", signed=True)
        cursor = self._cursor
        cursor.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, row_no))
        if cursor.rowcount:
            return None
        return int(cursor.execute("SELECT row_no FROM seen WHERE digest = ?", (digest,)).fetchone()[0])
