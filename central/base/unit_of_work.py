"""One transaction per request or per batch of messages: commit once, then tell the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine
from sqlmodel import Session

from central.base import db
from central.base.bus import OUTBOX_SUBJECT, Bus, SilentBus
from central.base.clock import Clock, SystemClock
from central.base.errors import RecordedRefusalError
from central.base.outbox import OutboxEntry
from central.base.settings import Settings

# What `Store.read` yields; the doors name it by this, as they know no tables.
ReadSession = Session


class UnitOfWork:
    """A writing transaction: `with UnitOfWork(engine, clock) as uow: ...` commits once at its end.

    Leaving with an exception rolls everything back, except for RecordedRefusalError, which commits first.
    `now_ms` is read once at the start, so that everything in one transaction bears the same time.
    """

    def __init__(self, engine: Engine, clock: Clock, bus: Bus | None = None) -> None:
        self._engine = engine
        self._bus = bus or SilentBus()
        self._nudges: dict[tuple[str, bytes], None] = {}
        self._after_commit: list[Callable[[], None]] = []
        self.clock = clock
        self.now_ms = 0
        self.session: Session

    def __enter__(self) -> UnitOfWork:
        self.session = Session(db.writer_engine(self._engine), expire_on_commit=False)
        self.session.connection()  # take the write lock now, so that time and reads are behind it
        self.now_ms = self.clock.now_ms()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None and not issubclass(kind, RecordedRefusalError):
                self.session.rollback()
                return
            self.session.commit()
        finally:
            self.session.close()
        for callback in self._after_commit:
            callback()
        for subject, payload in self._nudges:
            self._bus.nudge(subject, payload)

    @property
    def connection(self) -> Connection:
        """The transaction's Core connection, for `exec_driver_sql` with many rows."""
        return self.session.connection()

    def emit(self, kind: str, court_code: str, payload: dict[str, Any]) -> None:
        """Write an event for the screens of `court_code` and its superiors, in this very transaction."""
        entry = OutboxEntry(kind=kind, court_code=court_code, payload=payload, created_ms=self.now_ms)
        self.session.add(entry)
        self.nudge(OUTBOX_SUBJECT)

    def nudge(self, subject: str, payload: bytes = b"") -> None:
        """Nudge `subject` with `payload` once after the commit."""
        self._nudges[subject, payload] = None

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the commit has succeeded; for caches that must not know what was rolled back."""
        self._after_commit.append(callback)


class Store:
    """The database as the doors see it: `store.write()` is a UnitOfWork, `store.read()` a reading session."""

    def __init__(self, engine: Engine, clock: Clock | None = None, bus: Bus | None = None) -> None:
        self.engine = engine
        self.clock = clock or SystemClock()
        self.bus: Bus = bus or SilentBus()

    def write(self) -> UnitOfWork:
        """Return a writing transaction, to be used with `with`."""
        return UnitOfWork(self.engine, self.clock, self.bus)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one consistent state and writes nothing."""
        with Session(db.reader_engine(self.engine), expire_on_commit=False) as session:
            yield session

    def measure_size(self) -> int:
        """Return how many bytes the database takes."""
        with self.engine.connect() as connection:
            return db.measure_size(connection)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_store(settings: Settings, *, clock: Clock | None = None, bus: Bus | None = None) -> Store:
    """Open the configured database; the schema is brought up to date by `central.base.schema.migrate`."""
    return Store(db.create_engine(db.database_url(settings)), clock, bus)
