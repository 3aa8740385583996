import multiprocessing
import os
import signal
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, text
from sqlmodel import select

from central.base import db
from central.base.bus import OUTBOX_SUBJECT
from central.base.errors import ConflictError, RecordedRefusalError
from central.base.outbox import OutboxEntry, last_outbox_id, prune_outbox, read_outbox
from central.base.unit_of_work import Store

pytestmark = pytest.mark.both_databases


def count(store: Store) -> int:
    with store.read() as session:
        return session.exec(select(func.count()).select_from(OutboxEntry)).one()


def test_commits_once_then_nudges_once_per_subject(store, bus):
    heard = []
    bus.listeners.append(lambda subject, _payload: heard.append((subject, count(store))))
    with store.write() as uow:
        uow.emit("kit_changed", "云2901", {"kit_id": "a"})
        uow.emit("kit_changed", "云2901", {"kit_id": "b"})
        uow.nudge("central.mailbox.a")
        assert heard == []
        assert count(store) == 0
    assert heard == [(OUTBOX_SUBJECT, 2), ("central.mailbox.a", 2)]


def test_an_error_rolls_back_and_stays_silent(store, bus):
    heard, after = [], []
    bus.listeners.append(lambda subject, _payload: heard.append(subject))
    with pytest.raises(ConflictError), store.write() as uow:
        uow.emit("kit_changed", "云2901", {})
        uow.after_commit(lambda: after.append(1))
        raise ConflictError("no")
    assert (count(store), heard, after) == (0, [], [])


def test_a_recorded_refusal_commits_and_goes_on(store):
    with pytest.raises(RecordedRefusalError), store.write() as uow:
        uow.emit("kit_changed", "云2901", {})
        raise RecordedRefusalError("kept")
    assert count(store) == 1


def test_everything_in_one_transaction_bears_one_time(store, clock):
    with store.write() as uow:
        uow.emit("kit_changed", "云2901", {})
        clock.advance(s=5)
        uow.emit("kit_changed", "云2901", {})
    with store.read() as session:
        assert len({entry.created_ms for entry in read_outbox(session, after_id=0)}) == 1


def test_outbox_is_read_by_id_and_ids_never_come_back(store, clock):
    for number in range(3):
        with store.write() as uow:
            uow.emit("kit_changed", "云2901", {"n": number})
    with store.read() as session:
        assert [entry.payload["n"] for entry in read_outbox(session, after_id=1)] == [1, 2]
        assert last_outbox_id(session) == 3
    clock.advance(s=10)
    with store.write() as uow:
        assert prune_outbox(uow.session, before_ms=clock.now_ms()) == 3
    with store.write() as uow:
        uow.emit("kit_changed", "云2901", {"n": 9})
    with store.read() as session:
        assert [entry.id for entry in read_outbox(session, after_id=3)] == [4]


@pytest.mark.sqlite_only
def test_sqlite_is_opened_durable(store):
    with store.read() as session:
        pragmas = {
            name: session.connection().execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_writers_queue_instead_of_failing(store):
    def write() -> None:
        for _ in range(20):
            with store.write() as uow:
                newest = last_outbox_id(uow.session)
                uow.emit("kit_changed", "云2901", {"after": newest})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as session:
        entries = read_outbox(session, after_id=0)
    # each writer saw exactly what was committed before it
    assert [entry.payload["after"] for entry in entries] == list(range(80))


def test_a_reader_beside_a_writer_sees_the_state_before(store):
    with store.write() as uow:
        uow.emit("kit_changed", "云2901", {})
        uow.session.flush()
        assert count(store) == 0
    assert count(store) == 1


def test_a_reader_sees_one_state_however_often_it_asks(store):
    with store.read() as session:
        first = session.exec(select(func.count()).select_from(OutboxEntry)).one()
        with store.write() as uow:
            uow.emit("kit_changed", "云2901", {})
        assert session.exec(select(func.count()).select_from(OutboxEntry)).one() == first
    assert count(store) == first + 1


@pytest.mark.sqlite_only
def test_the_write_lock_is_taken_at_the_start(store, database):
    with store.write():
        other = sqlite3.connect(database, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def _write_until_killed(path: str, told: "multiprocessing.connection.Connection") -> None:
    store = Store(db.create_engine(f"sqlite:///{path}"))
    for number in range(1_000_000):
        with store.write() as uow:
            uow.emit("kit_changed", "云2901", {"n": number})
        told.send(number)


def test_what_was_committed_survives_kill_9(database: Path):
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_write_until_killed, args=(str(database), there))
    process.start()
    acknowledged = -1
    while acknowledged < 50:
        acknowledged = here.recv()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    while here.poll():
        acknowledged = here.recv()
    here.close()
    there.close()
    store = Store(db.create_engine(f"sqlite:///{database}"))
    with store.read() as session:
        numbers = [entry.payload["n"] for entry in read_outbox(session, after_id=0, limit=1_000_000)]
    store.close()
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > acknowledged
