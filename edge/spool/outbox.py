"""What must reach the centre, in one sequence over all kinds; released only on the centre's receipt."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from edge.spool.store import Store, read_boot_ms

KINDS = ("position", "alarm", "chain", "health", "receipt")
# A health report replaces the ones before it; the last hour of an outage is enough to explain it.
HEALTH_KEPT = 360


class Entry(msgspec.Struct, frozen=True):
    """One thing to say: `body` is JSON, `at_ms` the kit's clock, `mono_ms` the time since boot `boot` (32 hex)."""

    seq: int
    kind: str
    body: bytes
    at_ms: int
    boot: str
    urgent: bool
    mono_ms: int | None = None


class _AlarmHead(msgspec.Struct):
    kind: str = ""
    alarm_id: str = ""


class Outbox:
    """Durable queue. An SOS also stays after its receipt, until a person has acknowledged it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, kind: str, body: bytes, urgent: bool = False) -> int:
        """Store one entry (JSON bytes) durably and return its sequence number; urgent ones leave first.

        Raises ValueError for a kind the centre does not know.
        """
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of message: use one of {', '.join(KINDS)}")
        sos = ""
        if kind == "alarm":
            head = msgspec.json.decode(body, type=_AlarmHead)
            sos = head.alarm_id if head.kind == "sos" else ""
        store = self._store
        with store.transaction() as db:
            cursor = db.execute(
                "INSERT INTO outbox (kind, body, at_ms, boot, urgent, sos, mono_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (kind, body, store.clock_ms(), store.boot, int(urgent), sos, read_boot_ms()),
            )
            seq = cursor.lastrowid or 0
            if kind == "health":
                db.execute(
                    "DELETE FROM outbox WHERE kind = 'health' AND seq <= ("
                    "SELECT seq FROM outbox WHERE kind = 'health' ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                    (HEALTH_KEPT,),
                )
        return seq

    def pending(self, limit: int, kinds: Sequence[str] | None = None, *, after_seq: int = 0) -> list[Entry]:
        """Entries without a receipt, urgent ones first, then oldest first."""
        rows: list[tuple[Any, ...]] = []
        for kind in kinds if kinds is not None else KINDS:
            rows += self._store.rows(
                "SELECT seq, kind, body, at_ms, boot, urgent, mono_ms FROM outbox "
                "WHERE kind = ? AND receipted = 0 AND seq > ? ORDER BY urgent DESC, seq LIMIT ?",
                kind,
                after_seq,
                limit,
            )
        rows.sort(key=lambda row: (-row[5], row[0]))
        return [_build_entry(row) for row in rows[:limit]]

    def newest(self, kind: str, count: int) -> list[Entry]:
        """The newest entries of a kind without a receipt, newest first; urgent ones are not looked at."""
        rows = self._store.rows(
            "SELECT seq, kind, body, at_ms, boot, urgent, mono_ms FROM outbox "
            "WHERE kind = ? AND receipted = 0 AND urgent = 0 ORDER BY seq DESC LIMIT ?",
            kind,
            count,
        )
        return [_build_entry(row) for row in rows]

    def release(self, ranges: Iterable[Sequence[int]]) -> int:
        """Let go of what the centre receipted: inclusive [lo, hi] pairs; returns how many entries that was.

        An SOS that nobody acknowledged yet is only marked as receipted (see `unsettled_sos`).
        """
        released = 0
        with self._store.transaction() as db:
            for low, high in ranges:
                released += db.execute(
                    "DELETE FROM outbox WHERE seq BETWEEN ? AND ? AND (sos = '' OR settled = 1)", (low, high)
                ).rowcount
                released += db.execute(
                    "UPDATE outbox SET receipted = 1 WHERE seq BETWEEN ? AND ? AND receipted = 0", (low, high)
                ).rowcount
        return released

    def count(self, kinds: Sequence[str] | None = None) -> int:
        """How many entries wait for a receipt."""
        names = tuple(kinds) if kinds is not None else KINDS
        marks = ", ".join("?" * len(names))
        sql = f"SELECT COUNT(*) FROM outbox WHERE receipted = 0 AND kind IN ({marks})"  # noqa: S608
        return int(self._store.value(sql, *names))

    def oldest_ms(self) -> int | None:
        """When the oldest entry without a receipt was written, by the kit's clock; None when nothing waits."""
        value = self._store.value("SELECT at_ms FROM outbox WHERE receipted = 0 ORDER BY seq LIMIT 1")
        return None if value is None else int(value)

    def is_pending(self, seq: int) -> bool:
        """Whether this entry still waits for the centre's receipt."""
        return self._store.value("SELECT 1 FROM outbox WHERE seq = ? AND receipted = 0", seq) is not None

    def unsettled_sos(self) -> list[Entry]:
        """Every SOS that still lacks its receipt or its acknowledgement, oldest first: to be sent again."""
        rows = self._store.rows(
            # In the order of the partial index: in the order of seq SQLite would walk the whole table.
            "SELECT seq, kind, body, at_ms, boot, urgent, mono_ms FROM outbox WHERE sos > '' ORDER BY sos, seq"
        )
        return sorted((_build_entry(row) for row in rows), key=lambda entry: entry.seq)

    def has_sos_to_hand_over(self) -> bool:
        """Whether an SOS waits that the centre has not receipted: until then the link is its own."""
        return self._store.value("SELECT 1 FROM outbox WHERE sos > '' AND receipted = 0 LIMIT 1") is not None

    def settle_sos(self, alarm_id: str) -> bool:
        """A person acknowledged this SOS (or its withdrawal is receipted): stop repeating once receipted."""
        with self._store.transaction() as db:
            known = db.execute("UPDATE outbox SET settled = 1 WHERE sos = ? AND sos > ''", (alarm_id,)).rowcount
            db.execute("DELETE FROM outbox WHERE sos = ? AND sos > '' AND receipted = 1", (alarm_id,))
        return known > 0

    def thin_positions(self, keep: int) -> int:
        """Over `keep` waiting positions, drop every second one of the older half; returns how many went.

        After a week without a link a coarser trail is worth more than a full card.
        """
        if self.count(("position",)) <= keep:
            return 0
        with self._store.transaction() as db:
            return db.execute(
                "DELETE FROM outbox WHERE seq IN (SELECT seq FROM (SELECT seq, ROW_NUMBER() OVER "
                "(ORDER BY seq) AS place FROM outbox WHERE kind = 'position') "
                "WHERE place <= ? AND place % 2 = 0)",
                (keep // 2,),
            ).rowcount


def _build_entry(row: tuple[Any, ...]) -> Entry:
    seq, kind, body, at_ms, boot, urgent, mono_ms = row
    return Entry(seq=seq, kind=kind, body=body, at_ms=at_ms, boot=boot, urgent=bool(urgent), mono_ms=mono_ms)
