"""What the centre ordered: kept until handled, numbered by the centre's mailbox."""

import msgspec

from edge.spool.store import Store

HANDLED_KEPT = 500


class Order(msgspec.Struct, frozen=True):
    """One directive from the mailbox; `body` is its JSON."""

    number: int
    kind: str
    body: bytes
    issued_ms: int
    expires_ms: int | None


class Inbox:
    """Durable, each number once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, number: int, kind: str, body: bytes, issued_ms: int, expires_ms: int | None = None) -> bool:
        """Keep a directive; False when this number is already here (a repeat by the centre)."""
        with self._store.transaction() as db:
            have = self.have()
            if number <= have:
                return False
            cursor = db.execute(
                "INSERT OR IGNORE INTO inbox (number, kind, body, issued_ms, expires_ms, handled) "
                "VALUES (?, ?, ?, ?, ?, 0)",
                (number, kind, body, issued_ms, expires_ms),
            )
            if cursor.rowcount == 0:
                return False
            while db.execute("SELECT 1 FROM inbox WHERE number = ?", (have + 1,)).fetchone():
                have += 1
            db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('inbox_have', ?)", (str(have),))
            db.execute("DELETE FROM inbox WHERE handled = 1 AND number <= ?", (have - HANDLED_KEPT,))
        return True

    def unhandled(self, kind: str | None = None) -> list[Order]:
        """Directives nobody has carried out yet, in the centre's order."""
        rows = self._store.rows(
            "SELECT number, kind, body, issued_ms, expires_ms FROM inbox WHERE handled = 0 "
            "AND (?1 IS NULL OR kind = ?1) ORDER BY number",
            kind,
        )
        return [
            Order(number=number, kind=name, body=body, issued_ms=issued_ms, expires_ms=expires_ms)
            for number, name, body, issued_ms, expires_ms in rows
        ]

    def mark_handled(self, number: int) -> None:
        """This directive was carried out (or refused for good)."""
        with self._store.transaction() as db:
            db.execute("UPDATE inbox SET handled = 1 WHERE number = ?", (number,))

    def have(self) -> int:
        """The highest number up to which nothing is missing; 0 for none."""
        return int(self._store.value("SELECT value FROM meta WHERE key = 'inbox_have'") or 0)
