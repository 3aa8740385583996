"""The authority's memory: kits, one-time tokens, certificates, epochs and the log of every act (SQLite).

Each call is one transaction on a connection of its own, so that commands and the running server share the
file safely. What races is decided by the database: a token is used by one UPDATE that only one caller wins.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioning.grace_rows import GRACE_TABLE, GraceRows
from provisioning.rows import SCHEMA, CertificateRow, KitRow, LogRow, TokenRow


def create_state(path: Path) -> None:
    """Make the empty database; raise sqlite3.OperationalError when it is there already."""
    path.touch(mode=0o600, exist_ok=False)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript("BEGIN;" + SCHEMA + "COMMIT;")
    finally:
        connection.close()


def upgrade_state(path: Path) -> None:
    """Add the tables that an authority of an earlier release has not; raises FileNotFoundError."""
    with open_transaction(path) as transaction:
        transaction.run(GRACE_TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))


@contextmanager
def open_transaction(path: Path) -> Iterator[Transaction]:
    """One write transaction, durable when the block ends, undone when it raises.

    Raises FileNotFoundError when there is no database.
    """
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=10)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield Transaction(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    finally:
        connection.close()


class Transaction(GraceRows):
    """Reads and writes of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def get_meta(self, key: str) -> str:
        """Raise KeyError when `key` was never set."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return str(row[0])

    def find_meta(self, key: str) -> str | None:
        """The setting, None when it was never set."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def run(self, statement: str) -> None:
        """One statement that changes the schema."""
        self._db.execute(statement)

    def set_meta(self, key: str, value: str) -> None:
        """Set or replace one setting or counter."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def count_change(self) -> None:
        """Say that the registry as handed over is out of date."""
        self.set_meta("registry_changes", str(int(self.get_meta("registry_changes")) + 1))

    def insert_kit(self, kit: KitRow) -> bool:
        """Give False when a kit of this id is known."""
        return self._changed(
            "INSERT OR IGNORE INTO kits VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                kit.kit_id,
                kit.court_code,
                kit.label,
                kit.officer,
                kit.added_at_ms,
                kit.revoked_at_ms,
                kit.revoked_reason,
            ),
        )

    def find_kit(self, kit_id: str) -> KitRow | None:
        """The kit, revoked or not."""
        row = self._db.execute("SELECT * FROM kits WHERE kit_id = ?", (kit_id,)).fetchone()
        return KitRow(*row) if row else None

    def list_kits(self) -> list[KitRow]:
        """All kits by id."""
        return [KitRow(*row) for row in self._db.execute("SELECT * FROM kits ORDER BY kit_id")]

    def revoke_kit(self, kit_id: str, reason: str, at_ms: int) -> bool:
        """Revoke the kit, its certificates and its unused tokens; give False when it was revoked before."""
        if not self._changed(
            "UPDATE kits SET revoked_at_ms = ?, revoked_reason = ? WHERE kit_id = ? AND revoked_at_ms IS NULL",
            (at_ms, reason, kit_id),
        ):
            return False
        self._db.execute(
            "UPDATE certificates SET revoked_at_ms = ? WHERE kit_id = ? AND revoked_at_ms IS NULL",
            (at_ms, kit_id),
        )
        self.void_tokens(kit_id, at_ms)
        return True

    def insert_token(self, secret_hash: bytes, kit_id: str, issued_at_ms: int, expires_at_ms: int) -> None:
        """Keep a fresh token."""
        self._db.execute(
            "INSERT INTO tokens (secret_hash, kit_id, issued_at_ms, expires_at_ms) VALUES (?, ?, ?, ?)",
            (secret_hash, kit_id, issued_at_ms, expires_at_ms),
        )

    def void_tokens(self, kit_id: str, at_ms: int) -> None:
        """Make every unused token of the kit worthless."""
        self._db.execute(
            "UPDATE tokens SET voided_at_ms = ? WHERE kit_id = ? AND used_at_ms IS NULL AND voided_at_ms IS NULL",
            (at_ms, kit_id),
        )

    def use_token(self, secret_hash: bytes, kit_id: str, key: bytes, at_ms: int) -> bool:
        """Use the token for a key; True for the one caller who wins."""
        return self._changed(
            "UPDATE tokens SET used_at_ms = ?, used_for_key = ? WHERE secret_hash = ? AND kit_id = ?"
            " AND used_at_ms IS NULL AND voided_at_ms IS NULL AND expires_at_ms > ?",
            (at_ms, key, secret_hash, kit_id, at_ms),
        )

    def find_token(self, secret_hash: bytes, kit_id: str) -> TokenRow | None:
        """The token of this secret and kit, whatever became of it."""
        row = self._db.execute(
            "SELECT * FROM tokens WHERE secret_hash = ? AND kit_id = ?", (secret_hash, kit_id)
        ).fetchone()
        return TokenRow(*row) if row else None

    def find_open_token_expiry(self, kit_id: str, at_ms: int) -> int | None:
        """When the kit's unused token runs out, if it has one."""
        row = self._db.execute(
            "SELECT max(expires_at_ms) FROM tokens WHERE kit_id = ? AND used_at_ms IS NULL"
            " AND voided_at_ms IS NULL AND expires_at_ms > ?",
            (kit_id, at_ms),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def find_enrolled_ms(self, kit_id: str) -> int:
        """When the kit's newest enrolment was; 0 for one that had none."""
        row = self._db.execute("SELECT max(used_at_ms) FROM tokens WHERE kit_id = ?", (kit_id,)).fetchone()
        return int(row[0] or 0)

    def insert_certificate(self, row: CertificateRow) -> None:
        """Keep a certificate before it is handed out."""
        self._db.execute(
            "INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                row.serial,
                row.kit_id,
                row.key_digest,
                row.der,
                row.issued_at_ms,
                row.expires_at_ms,
                row.revoked_at_ms,
            ),
        )

    def find_certificate(self, serial: str) -> CertificateRow | None:
        """The certificate of this serial."""
        row = self._db.execute("SELECT * FROM certificates WHERE serial = ?", (serial,)).fetchone()
        return CertificateRow(*row) if row else None

    def list_certificates(self, kit_id: str | None = None) -> list[CertificateRow]:
        """The kit's certificates (or all), oldest first."""
        rows = self._db.execute(
            "SELECT * FROM certificates WHERE ?1 IS NULL OR kit_id = ?1 ORDER BY kit_id, issued_at_ms, serial",
            (kit_id,),
        )
        return [CertificateRow(*row) for row in rows]

    def revoke_certificates(self, kit_id: str, at_ms: int) -> list[str]:
        """Revoke every certificate of a kit that goes on; give their serials."""
        rows = self._db.execute(
            "UPDATE certificates SET revoked_at_ms = ? WHERE kit_id = ? AND revoked_at_ms IS NULL RETURNING serial",
            (at_ms, kit_id),
        )
        return [str(row[0]) for row in rows.fetchall()]

    def append_log(self, at_ms: int, who: str, what: str, subject: str, detail: str = "") -> None:
        """Write one act into the append-only log."""
        self._db.execute(
            "INSERT INTO log (at_ms, who, what, subject, detail) VALUES (?, ?, ?, ?, ?)",
            (at_ms, who, what, subject, detail),
        )

    def list_log(self) -> list[LogRow]:
        """All acts in order."""
        return [LogRow(*row) for row in self._db.execute("SELECT * FROM log ORDER BY number")]

    def _changed(self, statement: str, values: tuple[object, ...]) -> bool:
        return self._db.execute(statement, values).rowcount == 1
