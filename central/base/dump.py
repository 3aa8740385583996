"""Every table as portable rows: what one database held in one moment can be put into another of either kind.

A row is a list of None, int, float, str and bytes in the order of the table's columns: truth values are 0 and 1, days
ISO texts, JSON its text. Rows travel in parts of some MiB: a gzip of a CBOR sequence (RFC 8742) of row lists.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cbor2
from sqlalchemy import Connection, inspect
from sqlalchemy.types import JSON, Boolean, Date

PART_BYTES: Final = 4 * 1024 * 1024
"""Of CBOR before it is compressed; a part is held in memory whole."""
_ROWS: Final = 1000
_VERSION_TABLE: Final = "alembic_version"


@dataclass(frozen=True)
class Table:
    """A table's name and its columns; `parent` is (column, parent column) where rows name other rows of the table."""

    name: str
    columns: tuple[str, ...]
    reading: tuple[str, ...]
    """Each column as it is selected."""
    parent: tuple[str, str] | None = None


def list_tables(connection: Connection) -> list[Table]:
    """Return every table but Alembic's own, those that others refer to first."""
    inspector = inspect(connection)
    names = [name for name, _keys in inspector.get_sorted_table_and_fkc_names() if name and name != _VERSION_TABLE]
    is_sqlite = connection.dialect.name == "sqlite"
    tables = []
    for name in names:
        columns = inspector.get_columns(name)
        own = [key for key in inspector.get_foreign_keys(name) if key["referred_table"] == name]
        parent = (own[0]["constrained_columns"][0], own[0]["referred_columns"][0]) if own else None
        reading = tuple(_select(column["name"], column["type"], is_sqlite) for column in columns)
        tables.append(Table(name, tuple(column["name"] for column in columns), reading, parent))
    return tables


def _select(name: str, kind: Any, is_sqlite: bool) -> str:
    quoted = f'"{name}"'
    if is_sqlite:
        return quoted
    if isinstance(kind, Boolean):
        return f"{quoted}::int"
    return f"{quoted}::text" if isinstance(kind, Date | JSON) else quoted


def read_parts(connection: Connection, table: Table) -> Iterator[tuple[int, bytes]]:
    """Yield (rows, part) until the table ends; little is in memory at a time."""
    buffer, count = io.BytesIO(), 0
    for rows in _read_rows(connection, table):
        buffer.write(cbor2.dumps(rows))
        count += len(rows)
        if buffer.tell() >= PART_BYTES:
            yield count, _pack(buffer)
            buffer, count = io.BytesIO(), 0
    if count:
        yield count, _pack(buffer)


def _pack(buffer: io.BytesIO) -> bytes:
    return gzip.compress(buffer.getvalue(), compresslevel=1, mtime=0)


def _read_rows(connection: Connection, table: Table) -> Iterator[list[list[Any]]]:
    query = f'SELECT {", ".join(table.reading)} FROM "{table.name}"'  # noqa: S608 - names are the database's own
    streaming = connection.execution_options(stream_results=True, max_row_buffer=_ROWS)
    result = streaming.exec_driver_sql(query)
    if table.parent:
        yield _parents_first(table, [list(row) for row in result])
        return
    for rows in result.partitions(_ROWS):
        yield [list(row) for row in rows]


def _parents_first(table: Table, rows: list[list[Any]]) -> list[list[Any]]:
    """Order a small table whose rows name each other, so that each comes after the one it names."""
    child, key = (table.columns.index(name) for name in table.parent or ("", ""))
    there: set[Any] = {None}
    ordered: list[list[Any]] = []
    waiting = rows
    while waiting:
        ready = [row for row in waiting if row[child] in there]
        if not ready:  # a circle, which the database itself would have refused
            return ordered + waiting
        ordered += ready
        there |= {row[key] for row in ready}
        waiting = [row for row in waiting if row[child] not in there or row[key] not in there]
    return ordered


def read_sequences(connection: Connection) -> dict[str, int]:
    """Return the number each table gave last, where that is remembered: numbers never come back."""
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
        return {name: seq for name, seq in found if seq}
    last = {}
    for table, _column, sequence in _pg_sequences(connection):
        value, is_called = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {sequence}").one()  # noqa: S608
        if is_called:
            last[table] = value
    return last


def write_rows(connection: Connection, name: str, columns: Sequence[str], part: bytes) -> int:
    """Insert a part into table `name`; returns how many rows it held."""
    stream = io.BytesIO(gzip.decompress(part))
    size, total = stream.getbuffer().nbytes, 0
    names = ", ".join(f'"{column}"' for column in columns)
    while stream.tell() < size:
        rows = cbor2.load(stream)
        total += len(rows)
        if connection.dialect.name == "sqlite":
            marks = ", ".join("?" * len(columns))
            insert = f'INSERT INTO "{name}" ({names}) VALUES ({marks})'  # noqa: S608
            connection.exec_driver_sql(insert, [tuple(row) for row in rows])
        else:
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(f'COPY "{name}" ({names}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
    return total


def write_sequences(connection: Connection, last: dict[str, int]) -> None:
    """Let every table go on numbering after `last`, and after the rows it has."""
    if connection.dialect.name == "sqlite":
        for name, seq in last.items():
            connection.exec_driver_sql("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (seq, name))
            connection.exec_driver_sql(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? WHERE ? IN (SELECT name FROM sqlite_master "
                "WHERE sql LIKE '%AUTOINCREMENT%') AND ? NOT IN (SELECT name FROM sqlite_sequence)",
                (name, seq, name, name),
            )
        return
    for table, column, sequence in _pg_sequences(connection):
        held = connection.exec_driver_sql(f'SELECT max("{column}") FROM "{table}"').scalar_one()  # noqa: S608
        newest = max(held or 0, last.get(table, 0))
        if newest:
            connection.exec_driver_sql("SELECT setval(%s::regclass, %s)", (sequence, newest))


def _pg_sequences(connection: Connection) -> list[tuple[str, str, str]]:
    """Return (table, column, sequence) of every column that numbers itself."""
    found = connection.exec_driver_sql(
        "SELECT c.relname, a.attname, pg_get_serial_sequence(quote_ident(c.relname), a.attname) "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND a.attnum > 0 "
        "AND NOT a.attisdropped AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL"
    )
    return [(table, column, sequence) for table, column, sequence in found]
