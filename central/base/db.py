"""The database engine; everything SQLite-specific about connections lives here.

SQLite is opened in WAL mode with `synchronous=FULL`: what was committed survives a power cut. Writers begin
with BEGIN IMMEDIATE, so that two writers queue (busy_timeout) instead of failing on upgrade; readers run beside.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy import create_engine as create_sql_engine
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError

from central.base.settings import Settings

BUSY_TIMEOUT_MS = 10_000
_WRITER_LOCK = 0x7A78  # any number that nobody else takes in this database
_PRAGMAS = (
    # Measured on the trail at 10,000 fixes/s: 8 KiB pages and rarer checkpoints cost a quarter less CPU than 4 KiB.
    "PRAGMA page_size=8192",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=4000",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-16384",
    "PRAGMA temp_store=MEMORY",
)


def database_url(settings: Settings) -> str:
    """Return the configured address, or the SQLite file in the data folder."""
    return settings.database_url or f"sqlite:///{Path(settings.data_dir).resolve() / 'centre.db'}"


def create_engine(url: str) -> Engine:
    """Open an engine for `url`; for SQLite with the pragmas above and explicit transactions."""
    address = make_url(url)
    is_sqlite = address.get_backend_name() == "sqlite"
    if is_sqlite and address.database:
        Path(address.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_sql_engine(
        url,
        connect_args={"check_same_thread": False} if is_sqlite else {},
        # What people typed, identity numbers among it, belongs in no log.
        hide_parameters=True,
        # A pages process reads from a pool of some 40 threads; none may wait for another's connection.
        pool_size=10,
        max_overflow=40,
    )
    if is_sqlite:
        event.listen(engine, "connect", _prepare_connection)
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "begin", _begin_writing)
        event.listen(engine, "handle_error", _forget_values)
    return engine


def measure_size(connection: Connection) -> int:
    """Return how many bytes the database takes on its disk, without what its log has not given back."""
    if connection.dialect.name == "sqlite":
        pages = connection.exec_driver_sql("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        return int(pages.scalar_one())
    return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


def writer_engine(engine: Engine) -> Engine:
    """Return a view of `engine` (same pool) whose transactions take the write lock at once."""
    return engine.execution_options(zhixing_writer=True)


def reader_engine(engine: Engine) -> Engine:
    """Return a view of `engine` (same pool) whose transactions see one state, however many queries they make."""
    if engine.dialect.name == "sqlite":
        return engine  # every transaction does
    return engine.execution_options(isolation_level="REPEATABLE READ")


def _prepare_connection(connection: sqlite3.Connection, _record: Any) -> None:
    # sqlite3 must not open transactions by itself, or BEGIN IMMEDIATE below would come too late.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_writing(connection: Connection) -> None:
    """PostgreSQL: one writer at a time, as with SQLite; the audit chain and the outbox ids rest on it."""
    if connection.get_execution_options().get("zhixing_writer", False):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {BUSY_TIMEOUT_MS}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")


def _forget_values(context: ExceptionContext) -> None:
    """PostgreSQL quotes whole rows in DETAIL, and in data errors (class 22) the value itself: keep neither."""
    error: Any = context.original_exception
    state = getattr(error, "sqlstate", None)
    if state is None:
        return  # the driver's own words, without values
    place = error.diag.constraint_name or error.diag.column_name or error.diag.table_name
    text = "the value does not fit" if state.startswith("22") else error.diag.message_primary
    error.args = (f"{text} (SQLSTATE {state}{f', {place}' if place else ''})",)
    if isinstance(context.sqlalchemy_exception, DBAPIError):
        kind = type(error)
        context.sqlalchemy_exception.args = (f"({kind.__module__}.{kind.__name__}) {error}",)


def _begin(connection: Connection) -> None:
    is_writer = connection.get_execution_options().get("zhixing_writer", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")
