"""Segments and records: order of sending, and rule 3: deletion only on the centre's own word."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract import chain, messages, receipts
from edge.spool import ReceiptRefusedError, RecordRow, SegmentRow, Spool, open_spool
from edge.spool.vault import ALARM, MARKED

A, B = "a" * 32, "b" * 32
CENTRE = Ed25519PrivateKey.generate()
CLOCK = [1_000_000_000]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    CLOCK[0] = 1_000_000_000
    with open_spool(tmp_path / "spool.db", clock_ms=lambda: CLOCK[0]) as spool:
        yield spool


def add(spool: Spool, rid: str, seq: int, *, started_ms: int, priority: int = 0) -> SegmentRow:
    data = f"{rid} {seq}".encode()
    path = spool.vault.segment_path(rid, seq)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    path.with_suffix(".rec").write_bytes(b"record")
    digest = hashlib.sha256(data).digest()
    row = SegmentRow(rid, seq, digest, len(data), started_ms, 2_000, priority)
    assert spool.vault.add_segment(row, b"body%d" % seq, b"s" * 64)
    return row


def make_receipt(row: SegmentRow, key: Ed25519PrivateKey = CENTRE, **changes: object) -> bytes:
    facts: dict[str, object] = {
        "recording_id": bytes.fromhex(row.recording_id),
        "seq": row.seq,
        "cipher_hash": row.cipher_hash,
        "length": row.length,
        "stored_ms": 1,
        "centre": "云29",
        **changes,
    }
    return receipts.sign_segment_receipt(key, receipts.SegmentReceipt(**facts))  # type: ignore[arg-type]


def test_segment_and_chain_entry_are_one(spool: Spool) -> None:
    row = add(spool, A, 1, started_ms=0)
    (entry,) = spool.outbox.pending(5)
    item = messages.decode(entry.body, messages.ChainItem)
    assert (entry.kind, item.record) == ("chain", "Ym9keTE")
    assert not spool.vault.add_segment(row, b"body1", b"s" * 64), "recovery may ask again"
    assert spool.outbox.count() == 1
    assert spool.vault.has_segment(A, 1) and not spool.vault.has_segment(A, 2)
    assert spool.vault.total_bytes() == row.length


def test_alarm_window_newest_first_then_marked_then_the_rest(spool: Spool) -> None:
    for seq in range(6):
        add(spool, A, seq, started_ms=seq * 2_000)
    add(spool, B, 1, started_ms=100_000, priority=MARKED)
    add(spool, B, 0, started_ms=98_000, priority=MARKED)
    assert spool.vault.raise_priority(A, ALARM, from_ms=6_500, to_ms=8_500) == 2
    assert spool.vault.raise_priority(A, MARKED) == 4, "nothing is lowered"
    spool.vault.raise_priority(A, ALARM, from_ms=6_500, to_ms=8_500)
    order = [(row.recording_id[0], row.seq) for row in spool.vault.pending_segments(20)]
    assert order[:2] == [("a", 4), ("a", 3)]
    assert order[2:] == [("a", 0), ("a", 1), ("a", 2), ("a", 5), ("b", 0), ("b", 1)]


def test_receipt_frees_file_and_row(spool: Spool) -> None:
    row = add(spool, A, 1, started_ms=0)
    path = spool.vault.segment_path(A, 1)
    assert spool.vault.delete_receipted() == 0
    spool.vault.set_receipt(A, 1, make_receipt(row), [CENTRE.public_key()])
    assert spool.vault.count_pending() == 0 and path.exists()
    assert spool.vault.delete_receipted(older_than_s=60) == 0
    CLOCK[0] += 61_000
    assert spool.vault.delete_receipted(older_than_s=60) == 1
    assert not path.exists() and not path.with_suffix(".rec").exists()
    assert not spool.vault.has_segment(A, 1)
    assert spool.vault.find_record(A, 1) is not None, "the signed record outlives its segment"


def refuse(spool: Spool, signed: bytes) -> None:
    with pytest.raises(ReceiptRefusedError):
        spool.vault.set_receipt(A, 1, signed, [CENTRE.public_key()])
    assert spool.vault.delete_receipted() == 0
    assert spool.vault.segment_path(A, 1).exists()
    assert spool.vault.count_pending() == 1


def test_everything_but_the_right_receipt_is_refused(spool: Spool) -> None:
    row = add(spool, A, 1, started_ms=0)
    refuse(spool, make_receipt(row, Ed25519PrivateKey.generate()))
    refuse(spool, make_receipt(row, cipher_hash=hashlib.sha256(b"other").digest()))
    refuse(spool, make_receipt(row, length=row.length + 1))
    refuse(spool, make_receipt(row, seq=2))
    refuse(spool, make_receipt(row, recording_id=bytes(16)))
    refuse(spool, b"")
    refuse(spool, make_receipt(row)[:-1])
    with pytest.raises(ReceiptRefusedError):
        spool.vault.set_receipt(A, 1, make_receipt(row), [])
    with pytest.raises(ReceiptRefusedError, match="not in the vault"):
        spool.vault.set_receipt(B, 1, make_receipt(row), [CENTRE.public_key()])


def test_the_database_itself_keeps_unreceipted_segments(spool: Spool) -> None:
    add(spool, A, 1, started_ms=0)
    with pytest.raises(sqlite3.IntegrityError, match="without a verified receipt"), spool.transaction() as db:
        db.execute("DELETE FROM segments")
    assert spool.vault.count_pending() == 1


def test_a_faulty_file_is_not_offered_and_not_deleted(spool: Spool) -> None:
    add(spool, A, 1, started_ms=0)
    spool.vault.set_fault(A, 1, "changed on the card")
    assert spool.vault.pending_segments(5) == []
    assert spool.vault.list_faults() == [(A, 1, "changed on the card")]
    assert spool.vault.delete_receipted() == 0 and spool.vault.segment_path(A, 1).exists()


def test_records_show_where_a_chain_goes_on(spool: Spool) -> None:
    spool.vault.add_record(RecordRow(A, 0, int(chain.Kind.OPEN), b"open", b"s"))
    add(spool, A, 1, started_ms=0)
    assert spool.vault.open_recordings() == [A]
    last = spool.vault.find_last_record(A)
    assert last is not None and (last.seq, last.body) == (1, b"body1")
    assert spool.vault.find_boot(A) == spool.boot
    assert [row.seq for row in spool.vault.list_unreceipted_records(A, 10)] == [0, 1]
    spool.outbox.release([(1, 1)])
    assert [row.seq for row in spool.vault.list_unreceipted_records(A, 10)] == [1]
    assert [row.seq for row in spool.vault.list_records(A)] == [0, 1]
    spool.vault.add_record(RecordRow(A, 2, int(chain.Kind.FINAL), b"final", b"s"))
    assert spool.vault.open_recordings() == []
    assert not spool.vault.add_record(RecordRow(A, 2, int(chain.Kind.FINAL), b"final", b"s"))
    assert spool.vault.find_last_record(B) is None and spool.vault.find_boot(B) is None


def test_records_go_only_long_after_the_centre_has_all(spool: Spool) -> None:
    row = add(spool, A, 0, started_ms=0)
    spool.vault.add_record(RecordRow(A, 1, int(chain.Kind.FINAL), b"final", b"s"))
    CLOCK[0] += 31 * 86_400_000
    assert spool.vault.drop_old_records() == 0
    spool.vault.set_receipt(A, 0, make_receipt(row), [CENTRE.public_key()])
    spool.vault.delete_receipted()
    assert spool.vault.drop_old_records() == 0, "the outbox still holds them"
    spool.outbox.release([(1, 100)])
    assert spool.vault.drop_old_records() == 2
