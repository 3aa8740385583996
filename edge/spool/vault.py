"""Sealed segments and signed chain records: kept until the centre proved that it has them."""

import base64
import os
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contract import chain, messages, receipts
from contract.signing import BadSignatureError, CodecError
from edge.spool.outbox import Outbox
from edge.spool.store import Store

REST, MARKED, ALARM = 0, 1, 2
_COLUMNS = "recording_id, seq, cipher_hash, length, started_ms, duration_ms, priority"


class ReceiptRefusedError(ValueError):
    """The receipt does not prove that the centre holds this segment; the segment stays."""


class SegmentRow(msgspec.Struct, frozen=True):
    """One sealed file: `recording_id` 32 hex, `cipher_hash` SHA-256 of the file, `length` its bytes."""

    recording_id: str
    seq: int
    cipher_hash: bytes
    length: int
    started_ms: int
    duration_ms: int
    priority: int = REST


class RecordRow(msgspec.Struct, frozen=True):
    """One signed chain record: `kind` as chain.Kind, `body` and `sig` as signed."""

    recording_id: str
    seq: int
    kind: int
    body: bytes
    sig: bytes


class Vault:
    """Rows for the files under `folder`; files are written by the recorder, deleted only here."""

    def __init__(self, store: Store, outbox: Outbox, folder: Path) -> None:
        self._store = store
        self._outbox = outbox
        self.folder = folder

    def segment_path(self, recording_id: str, seq: int) -> Path:
        """Where the sealed file of a segment lies (its signed record beside it as .rec)."""
        return self.folder / recording_id / f"{seq:06d}.age"

    def add_record(self, record: RecordRow) -> bool:
        """Keep a signed record and queue it for the centre, in one transaction; False when already here."""
        store = self._store
        with store.transaction() as db:
            if self.find_record(record.recording_id, record.seq) is not None:
                return False
            item = messages.ChainItem(record=_to_text(record.body), sig=_to_text(record.sig))
            outbox_seq = self._outbox.append("chain", messages.encode(item))
            db.execute(
                "INSERT INTO records (recording_id, seq, kind, body, sig, outbox_seq, at_ms, boot) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (record.recording_id, record.seq, record.kind, record.body, record.sig, outbox_seq,
                 store.clock_ms(), store.boot),
            )  # fmt: skip
        return True

    def add_segment(self, segment: SegmentRow, body: bytes, sig: bytes) -> bool:
        """Keep a segment whose file is already durable, with its signed record; one transaction.

        False when it is already here, so recovery may call it for every file it finds.
        """
        with self._store.transaction() as db:
            self.add_record(RecordRow(segment.recording_id, segment.seq, int(chain.Kind.SEGMENT), body, sig))
            cursor = db.execute(
                f"INSERT OR IGNORE INTO segments ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (segment.recording_id, segment.seq, segment.cipher_hash, segment.length,
                 segment.started_ms, segment.duration_ms, segment.priority),
            )  # fmt: skip
            return cursor.rowcount == 1

    def raise_priority(self, recording_id: str, priority: int, *, from_ms: int = 0, to_ms: int = 2**62) -> int:
        """Mark segments that touch [from_ms, to_ms] as MARKED or ALARM; never lowers one."""
        with self._store.transaction() as db:
            return db.execute(
                "UPDATE segments SET priority = ? WHERE recording_id = ? AND priority < ? "
                "AND started_ms <= ? AND started_ms + duration_ms >= ?",
                (priority, recording_id, priority, to_ms, from_ms),
            ).rowcount

    def pending_segments(self, limit: int) -> list[SegmentRow]:
        """Segments without a receipt: alarm window newest first, then marked, then the rest, oldest first."""
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM segments WHERE receipt IS NULL AND fault = '' "  # noqa: S608
            "ORDER BY priority DESC, CASE priority WHEN 2 THEN -started_ms ELSE started_ms END, "
            "recording_id, CASE priority WHEN 2 THEN -seq ELSE seq END LIMIT ?",
            limit,
        )
        return [SegmentRow(*row) for row in rows]

    def pending_between(self, recording_id: str, from_seq: int, to_seq: int, limit: int) -> list[SegmentRow]:
        """Segments of a range without a receipt, in their order."""
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM segments WHERE receipt IS NULL AND fault = '' "  # noqa: S608
            "AND recording_id = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
            recording_id,
            from_seq,
            to_seq,
            limit,
        )
        return [SegmentRow(*row) for row in rows]

    def count_waiting(self, recording_id: str, from_seq: int, to_seq: int) -> int:
        """Segments of a range that wait for their receipt."""
        return int(
            self._store.value(
                "SELECT COUNT(*) FROM segments WHERE receipt IS NULL AND recording_id = ? AND seq BETWEEN ? AND ?",
                recording_id,
                from_seq,
                to_seq,
            )
        )

    def set_fault(self, recording_id: str, seq: int, reason: str) -> None:
        """The file no longer equals what was signed: stop offering it, but keep what is left of it."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE segments SET fault = ? WHERE recording_id = ? AND seq = ?", (reason, recording_id, seq)
            )

    def clear_fault(self, recording_id: str, seq: int) -> None:
        """The file equals again what was signed (the card could not be read for a while): offer it again."""
        self.set_fault(recording_id, seq, "")

    def find_digest(self, recording_id: str, seq: int) -> bytes | None:
        """SHA-256 of the sealed file as it was signed; None for a segment that is not here."""
        value = self._store.value(
            "SELECT cipher_hash FROM segments WHERE recording_id = ? AND seq = ?", recording_id, seq
        )
        return None if value is None else bytes(value)

    def set_receipt(self, recording_id: str, seq: int, signed: bytes, receipt_keys: list[Ed25519PublicKey]) -> None:
        """Store the centre's receipt after checking it against a trusted key and against the kit's own row.

        `receipt_keys` come from the verified trust list.
        Raises ReceiptRefusedError; then nothing changed and the segment is still ours.
        """
        try:
            receipt = receipts.verify_segment_receipt(receipt_keys, signed)
        except (BadSignatureError, CodecError) as error:
            raise ReceiptRefusedError(f"the receipt is not the centre's ({error}); the segment stays") from error
        row = self._store.rows(
            "SELECT cipher_hash, length FROM segments WHERE recording_id = ? AND seq = ?", recording_id, seq
        )
        if not row:
            raise ReceiptRefusedError(f"segment {seq} of {recording_id} is not in the vault; nothing to receipt")
        told = (receipt.recording_id.hex(), receipt.seq, receipt.cipher_hash, receipt.length)
        if told != (recording_id, seq, *row[0]):
            raise ReceiptRefusedError(
                "the receipt speaks of another segment or digest than the one sent; it stays and is sent again"
            )
        with self._store.transaction() as db:
            db.execute(
                "UPDATE segments SET receipt = ?, receipted_ms = ? WHERE recording_id = ? AND seq = ?",
                (signed, self._store.clock_ms(), recording_id, seq),
            )

    def delete_receipted(self, limit: int = 100, *, older_than_s: int = 0) -> int:
        """Delete files and rows of segments whose verified receipt is stored; returns how many."""
        before_ms = self._store.clock_ms() - older_than_s * 1000
        rows = self._store.rows(
            "SELECT recording_id, seq FROM segments WHERE receipt IS NOT NULL AND receipted_ms <= ? LIMIT ?",
            before_ms,
            limit,
        )
        for recording_id, seq in rows:
            path = self.segment_path(recording_id, seq)
            path.unlink(missing_ok=True)
            path.with_suffix(".rec").unlink(missing_ok=True)
            path.with_suffix(".proxy").unlink(missing_ok=True)
        for folder in {self.folder / recording_id for recording_id, _ in rows}:
            # Files first and durably, rows second: a cut in between is repaired by the next call.
            _sync_folder(folder)
        with self._store.transaction() as db:
            db.executemany("DELETE FROM proxies WHERE recording_id = ? AND seq = ?", rows)
            db.executemany("DELETE FROM segments WHERE recording_id = ? AND seq = ?", rows)
        return len(rows)

    def find_record(self, recording_id: str, seq: int) -> RecordRow | None:
        """One signed record, or None."""
        rows = self._store.rows(
            "SELECT recording_id, seq, kind, body, sig FROM records WHERE recording_id = ? AND seq = ?",
            recording_id,
            seq,
        )
        return RecordRow(*rows[0]) if rows else None

    def list_records(self, recording_id: str, from_seq: int = 0, limit: int = 1000) -> list[RecordRow]:
        """Signed records of a recording in their order."""
        rows = self._store.rows(
            "SELECT recording_id, seq, kind, body, sig FROM records WHERE recording_id = ? AND seq >= ? "
            "ORDER BY seq LIMIT ?",
            recording_id,
            from_seq,
            limit,
        )
        return [RecordRow(*row) for row in rows]

    def list_unreceipted_records(self, recording_id: str, limit: int) -> list[RecordRow]:
        """Signed records of a recording that still wait in the outbox, in their order."""
        rows = self._store.rows(
            "SELECT r.recording_id, r.seq, r.kind, r.body, r.sig FROM records r "
            "JOIN outbox o ON o.seq = r.outbox_seq AND o.kind = 'chain' AND o.receipted = 0 "
            "WHERE r.recording_id = ? ORDER BY r.seq LIMIT ?",
            recording_id,
            limit,
        )
        return [RecordRow(*row) for row in rows]

    def find_last_record(self, recording_id: str) -> RecordRow | None:
        """The newest record: where the chain goes on after a restart."""
        seq = self._store.value("SELECT MAX(seq) FROM records WHERE recording_id = ?", recording_id)
        return None if seq is None else self.find_record(recording_id, seq)

    def newest_recordings(self, limit: int) -> list[str]:
        """The recordings begun last, newest first (ids, 32 hex)."""
        rows = self._store.rows(
            "SELECT recording_id FROM records GROUP BY recording_id ORDER BY MIN(at_ms) DESC LIMIT ?", limit
        )
        return [row[0] for row in rows]

    def open_recordings(self) -> list[str]:
        """Recordings without a final record, oldest first (ids, 32 hex)."""
        rows = self._store.rows(
            "SELECT recording_id FROM records GROUP BY recording_id HAVING MAX(kind) < ? ORDER BY MIN(at_ms)",
            int(chain.Kind.FINAL),
        )
        return [row[0] for row in rows]

    def find_boot(self, recording_id: str) -> str | None:
        """The boot (32 hex) in which the newest record of a recording was written."""
        value = self._store.value(
            "SELECT boot FROM records WHERE recording_id = ? ORDER BY seq DESC LIMIT 1", recording_id
        )
        return None if value is None else str(value)

    def has_segment(self, recording_id: str, seq: int) -> bool:
        """Whether a row exists for this file (recovery asks for every file it finds)."""
        found = self._store.value("SELECT 1 FROM segments WHERE recording_id = ? AND seq = ?", recording_id, seq)
        return found is not None

    def drop_old_records(self, older_than_s: int = 30 * 86_400) -> int:
        """Forget records of finished recordings that the centre has in full for a long time."""
        before_ms = self._store.clock_ms() - older_than_s * 1000
        with self._store.transaction() as db:
            return db.execute(
                "DELETE FROM records WHERE recording_id IN (SELECT recording_id FROM records "
                "GROUP BY recording_id HAVING MAX(kind) = ? AND MAX(at_ms) < ?) "
                "AND recording_id NOT IN (SELECT recording_id FROM segments) "
                "AND recording_id NOT IN (SELECT recording_id FROM records "
                "WHERE outbox_seq IN (SELECT seq FROM outbox))",
                (int(chain.Kind.FINAL), before_ms),
            ).rowcount

    def count_pending(self) -> int:
        """Segments that wait for their receipt."""
        return int(self._store.value("SELECT COUNT(*) FROM segments WHERE receipt IS NULL"))

    def total_bytes(self) -> int:
        """Bytes of all sealed files in the vault."""
        return int(self._store.value("SELECT COALESCE(SUM(length), 0) FROM segments"))

    def list_faults(self) -> list[tuple[str, int, str]]:
        """(recording id, seq, reason) of files that no longer equal what was signed."""
        rows = self._store.rows("SELECT recording_id, seq, fault FROM segments WHERE fault != '' ORDER BY 1, 2")
        return [(row[0], row[1], row[2]) for row in rows]


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _sync_folder(folder: Path) -> None:
    if not folder.is_dir():
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
