"""A kit that is given a new release keeps everything its card holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.spool import SpoolError, open_spool
from edge.spool import database as spool_database

# The schema of releases 0.1.0 and 0.2.0, word for word.
VERSION_1 = Path(__file__).parents[2] / "vectors" / "spool_version_1.sql"
# That of release 0.3.0.
VERSION_2 = Path(__file__).parents[2] / "vectors" / "spool_version_2.sql"
BOOT, RECORDING = "b" * 32, "c" * 32


@pytest.fixture
def old_spool(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "spool.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1.read_text(encoding="utf-8"))
        db.execute("INSERT INTO meta VALUES ('spool_id', ?)", ("d" * 32,))
        db.execute("INSERT INTO state VALUES ('duty', 'true')")
        db.executemany(
            "INSERT INTO outbox (kind, body, at_ms, boot, urgent, sos) VALUES (?, ?, ?, ?, ?, ?)",
            [
                ("position", b'{"lat":25.6,"lon":100.2}', 1, BOOT, 0, ""),
                ("alarm", b'{"kind":"sos"}', 2, BOOT, 1, "a" * 32),
            ],
        )
        db.execute("INSERT INTO inbox VALUES (7, 'record_start', x'7b7d', 3, NULL, 1)")
        db.execute("INSERT INTO records VALUES (?, 1, 1, x'01', x'02', 2, 4, ?)", (RECORDING, BOOT))
        db.execute("INSERT INTO segments VALUES (?, 1, x'03', 5, 4, 2000, 2, '', NULL, NULL)", (RECORDING,))
        db.execute("PRAGMA user_version = 1")
        db.commit()
    yield path


def test_a_spool_of_version_1_keeps_every_entry(old_spool: Path) -> None:
    for _ in range(2):  # once upgraded, and then simply opened
        with open_spool(old_spool) as spool:
            assert spool.id == "d" * 32 and spool.state.get("duty") is True
            entries = spool.outbox.pending(9)
            assert [(entry.seq, entry.kind, entry.at_ms) for entry in entries] == [
                (2, "alarm", 2),
                (1, "position", 1),
            ]
            assert {(entry.boot, entry.mono_ms) for entry in entries} == {(BOOT, None)}
            assert [entry.seq for entry in spool.outbox.unsettled_sos()] == [2]
            assert spool.inbox.have() == 0, "order 7 alone has a hole before it"
            assert [row.seq for row in spool.vault.list_records(RECORDING)] == [1]
            assert spool.vault.count_pending() == 1
    with closing(sqlite3.connect(old_spool)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (spool_database.SCHEMA_VERSION,)


def test_what_is_written_afterwards_says_its_time_since_boot(old_spool: Path) -> None:
    with open_spool(old_spool) as spool:
        seq = spool.outbox.append("health", b"{}")
        assert seq == 3, "numbers go on and are never used twice"
        (entry,) = spool.outbox.pending(9, ("health",))
        assert entry.mono_ms is not None and entry.mono_ms > 0


def test_an_upgrade_that_breaks_half_way_leaves_the_old_spool(
    old_spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {1: (*spool_database._UPGRADES[1], "ALTER TABLE nowhere ADD COLUMN nothing INTEGER")}
    with monkeypatch.context() as patch:
        patch.setattr(spool_database, "_UPGRADES", broken)
        with pytest.raises((sqlite3.OperationalError, SpoolError)):
            open_spool(old_spool)
    with closing(sqlite3.connect(old_spool)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    test_a_spool_of_version_1_keeps_every_entry(old_spool)


def test_a_spool_of_version_2_keeps_its_tasks_and_takes_orders_to_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_2.read_text(encoding="utf-8"))
        db.execute("INSERT INTO meta VALUES ('spool_id', ?)", ("d" * 32,))
        db.execute("INSERT INTO tasks VALUES (4, ?, 1, 'accepted', 2, '', 3)", (b'{"title":"t"}',))
        db.execute(
            "INSERT INTO outbox (kind, body, at_ms, boot, mono_ms) VALUES ('alarm', x'7b7d', 1, ?, 5)", (BOOT,)
        )
        db.execute("PRAGMA user_version = 2")
        db.commit()
    for _ in range(2):
        with open_spool(path) as spool:
            task = spool.tasks.find(4)
            assert task is not None and task.state == "accepted"
            assert [(entry.seq, entry.mono_ms) for entry in spool.outbox.pending(9)] == [(1, 5)]
            spool.instructions.put(9, b'{"session":"%s","no":1,"text":"t"}' % (b"a" * 32), 1)
            assert [row.number for row in spool.instructions.newest()] == [9]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (spool_database.SCHEMA_VERSION,)
