"""What must reach the centre: order, release, and the SOS that stays until a person took it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.spool import Spool, open_spool
from edge.spool.outbox import HEALTH_KEPT

SOS = b'{"alarm_id":"%s","kind":"sos","pressed_ms":1}' % (b"a" * 32)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with open_spool(tmp_path / "spool.db", clock_ms=lambda: 1_000, boot="b" * 32) as spool:
        yield spool


def test_urgent_entries_leave_first_and_keep_their_facts(spool: Spool) -> None:
    first = spool.outbox.append("position", b'{"lat":1}')
    second = spool.outbox.append("alarm", SOS, urgent=True)
    entries = spool.outbox.pending(10)
    assert [entry.seq for entry in entries] == [second, first]
    assert (entries[1].body, entries[1].at_ms, entries[1].boot) == (b'{"lat":1}', 1_000, "b" * 32)
    assert [entry.kind for entry in spool.outbox.pending(10, ("position",))] == ["position"]
    assert [entry.seq for entry in spool.outbox.pending(10, after_seq=first)] == [second]


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    with open_spool(tmp_path / "again.db") as spool:
        last = [spool.outbox.append("position", b"{}") for _ in range(3)][-1]
        assert spool.outbox.release([(1, last)]) == 3
    with open_spool(tmp_path / "again.db") as spool:
        assert spool.outbox.append("position", b"{}") == last + 1


def test_release_frees_only_what_was_named(spool: Spool) -> None:
    for _ in range(6):
        spool.outbox.append("position", b"{}")
    assert spool.outbox.release([(1, 2), (5, 5)]) == 3
    assert [entry.seq for entry in spool.outbox.pending(10)] == [3, 4, 6]
    assert spool.outbox.release([(1, 2)]) == 0


def test_sos_stays_until_receipted_and_settled(spool: Spool) -> None:
    seq = spool.outbox.append("alarm", SOS, urgent=True)
    assert spool.outbox.release([(seq, seq)]) == 1
    assert spool.outbox.pending(10) == []
    assert not spool.outbox.is_pending(seq)
    assert [entry.seq for entry in spool.outbox.unsettled_sos()] == [seq]
    assert spool.outbox.settle_sos("a" * 32)
    assert spool.outbox.unsettled_sos() == []


def test_sos_acknowledged_before_its_receipt_still_waits_for_it(spool: Spool) -> None:
    seq = spool.outbox.append("alarm", SOS, urgent=True)
    assert spool.outbox.settle_sos("a" * 32)
    assert [entry.seq for entry in spool.outbox.unsettled_sos()] == [seq]
    assert spool.outbox.release([(seq, seq)]) == 1
    assert spool.outbox.unsettled_sos() == []
    assert not spool.outbox.settle_sos("c" * 32)


def test_only_the_newest_health_reports_are_kept(spool: Spool) -> None:
    with spool.transaction():
        for _ in range(HEALTH_KEPT + 5):
            spool.outbox.append("health", b"{}")
        spool.outbox.append("position", b"{}")
    assert spool.outbox.count(("health",)) == HEALTH_KEPT
    assert spool.outbox.count(("position",)) == 1


def test_thinning_halves_the_older_half(spool: Spool) -> None:
    with spool.transaction():
        for _ in range(12):
            spool.outbox.append("position", b"{}")
    assert spool.outbox.thin_positions(12) == 0
    assert spool.outbox.thin_positions(8) == 2
    assert [entry.seq for entry in spool.outbox.pending(20)] == [1, 3, *range(5, 13)]


def test_unknown_kinds_are_refused(spool: Spool) -> None:
    with pytest.raises(ValueError, match="no kind of message"):
        spool.outbox.append("gossip", b"{}")


def test_several_writes_are_one(spool: Spool) -> None:
    with pytest.raises(RuntimeError), spool.transaction():
        spool.outbox.append("position", b"{}")
        spool.state.set("duty", True)
        raise RuntimeError
    assert spool.outbox.count() == 0
    assert spool.state.get("duty") is None
