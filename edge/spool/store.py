"""The thin layer over SQLite that all parts of the spool share."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ClockMs = Callable[[], int]


def read_clock_ms() -> int:
    """The kit's own clock, milliseconds since 1970 (it may be wrong by years; see `boot`)."""
    return time.time_ns() // 1_000_000


def read_boot_ms() -> int:
    """Milliseconds since this boot, suspended time included: goes on whatever is done to the wall clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class Store:
    """One connection, one writer at a time, nested `transaction()` blocks commit once at the outermost."""

    def __init__(self, connection: sqlite3.Connection, *, clock_ms: ClockMs, boot: str) -> None:
        self.connection = connection
        self.clock_ms = clock_ms
        self.boot = boot
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Begin IMMEDIATE, so that a writer waits its turn here and never fails half-way; durable at exit."""
        if self._depth == 0:
            self.connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield self.connection
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._roll_back()
            raise
        self._depth -= 1
        if self._depth == 0:
            try:
                self.connection.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        # A full card makes SQLite roll back by itself, and a failed COMMIT leaves the transaction open.
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a read."""
        return self.connection.execute(sql, values).fetchall()

    def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.connection.execute(sql, values).fetchone()
        return None if row is None else row[0]
