"""Kits that ask with an expired certificate, as the authority's memory keeps them: one row a kit."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

GRACE_TABLE: Final = """
CREATE TABLE grace (
    kit_id TEXT PRIMARY KEY REFERENCES kits (kit_id),
    serial TEXT NOT NULL,
    asked_at_ms INTEGER NOT NULL,
    last_asked_at_ms INTEGER NOT NULL,
    times INTEGER NOT NULL,
    who TEXT NOT NULL,
    decision TEXT NOT NULL,
    decided_at_ms INTEGER,
    decided_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True)
class GraceRow:
    """A kit that asks with an expired certificate; `decision` is "", allowed or refused."""

    kit_id: str
    serial: str
    asked_at_ms: int
    last_asked_at_ms: int
    times: int
    who: str
    decision: str
    decided_at_ms: int | None
    decided_by: str


class GraceRows:
    """The part of a transaction (`provisioning.state`) that reads and writes these rows."""

    _db: sqlite3.Connection

    def find_grace(self, kit_id: str) -> GraceRow | None:
        """The kit's request to be taken back."""
        row = self._db.execute("SELECT * FROM grace WHERE kit_id = ?", (kit_id,)).fetchone()
        return GraceRow(*row) if row else None

    def list_grace(self) -> list[GraceRow]:
        """All such requests by kit."""
        return [GraceRow(*row) for row in self._db.execute("SELECT * FROM grace ORDER BY kit_id")]

    def insert_grace(self, row: GraceRow) -> None:
        """Keep a kit's first request with this certificate, in the place of one with an earlier."""
        self._db.execute(
            "INSERT OR REPLACE INTO grace VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.kit_id,
                row.serial,
                row.asked_at_ms,
                row.last_asked_at_ms,
                row.times,
                row.who,
                row.decision,
                row.decided_at_ms,
                row.decided_by,
            ),
        )

    def note_grace_again(self, kit_id: str, who: str, at_ms: int) -> None:
        """The kit asked once more."""
        self._db.execute(
            "UPDATE grace SET last_asked_at_ms = ?, times = times + 1, who = ? WHERE kit_id = ?", (at_ms, who, kit_id)
        )

    def decide_grace(self, kit_id: str, decision: str, who: str, at_ms: int) -> bool:
        """Keep the administrator's answer; False when the kit has not asked."""
        found = self._db.execute(
            "UPDATE grace SET decision = ?, decided_at_ms = ?, decided_by = ? WHERE kit_id = ?",
            (decision, at_ms, who, kit_id),
        )
        return found.rowcount == 1

    def delete_grace(self, kit_id: str) -> None:
        """The kit has its certificate."""
        self._db.execute("DELETE FROM grace WHERE kit_id = ?", (kit_id,))
