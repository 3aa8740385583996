"""Small pictures of segments for thin links: sent before the segments, and gone with them."""

from pathlib import Path

import msgspec

from edge.spool.store import Store


class ProxyRow(msgspec.Struct, frozen=True):
    """A parcel (contract.proxy) on the card: `digest` is SHA-256 of the file, `length` its bytes.

    `original`: bytes of its segment, where the row was read from the spool.
    """

    recording_id: str
    seq: int
    digest: bytes
    length: int
    started_ms: int
    priority: int = 0
    original: int = 0


class Proxies:
    """Rows for the parcels beside the sealed segments below `folder`. Nothing here is evidence."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def path_of(self, recording_id: str, seq: int) -> Path:
        """Where the parcel of a segment lies."""
        return self._folder / recording_id / f"{seq:06d}.proxy"

    def add(self, row: ProxyRow) -> None:
        """Enter a parcel whose file is there."""
        with self._store.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO proxies (recording_id, seq, digest, length, started_ms) "
                "VALUES (?, ?, ?, ?, ?)",
                (row.recording_id, row.seq, row.digest, row.length, row.started_ms),
            )

    def pending(self, limit: int) -> list[ProxyRow]:
        """Parcels whose segment has not arrived, in its order, with the segment's priority and length."""
        rows = self._store.rows(
            "SELECT p.recording_id, p.seq, p.digest, p.length, p.started_ms, s.priority, s.length FROM proxies p "
            "JOIN segments s ON s.recording_id = p.recording_id AND s.seq = p.seq AND s.receipt IS NULL "
            "ORDER BY s.priority DESC, CASE s.priority WHEN 2 THEN -s.started_ms ELSE s.started_ms END LIMIT ?",
            limit,
        )
        return [ProxyRow(*row) for row in rows]

    def count(self) -> int:
        """Parcels on the card."""
        return int(self._store.value("SELECT COUNT(*) FROM proxies"))

    def drop(self, recording_id: str, seq: int) -> None:
        """The centre has it, or its file is of no use: forget it."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM proxies WHERE recording_id = ? AND seq = ?", (recording_id, seq))
        self.path_of(recording_id, seq).unlink(missing_ok=True)
