"""Many rows at once, past the object mapper: `executemany` on SQLite, `COPY` on PostgreSQL.

Measured on 250 cases of 17 rows each: COPY costs a fifth of psycopg's pipelined `executemany`.
Values are what both take as they are: int, str, bytes, None; days as ISO text, booleans as 0 or 1, JSON as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

Row = tuple[Any, ...]


def insert_rows(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert `rows` into `table`; names come from the code, never from outside."""
    if not rows:
        return
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(rows))  # noqa: S608
        return
    _copy(connection, f"COPY {table} ({names}) FROM STDIN", rows)


def reserve_ids(connection: Connection, table: str, column: str, count: int) -> int:
    """Return the first of `count` numbers for new rows; the caller holds the write lock of a UnitOfWork."""
    if connection.dialect.name == "sqlite":
        highest = connection.exec_driver_sql(f"SELECT max({column}) FROM {table}").scalar_one()  # noqa: S608
        return int(highest or 0) + 1
    # The column's sequence must not give these numbers again to rows the object mapper inserts.
    sequence = f"pg_get_serial_sequence('{table}', '{column}')"
    first = int(connection.exec_driver_sql(f"SELECT nextval({sequence})").scalar_one())
    if count > 1:
        connection.exec_driver_sql(f"SELECT setval({sequence}, {first + count - 1})")
    return first


def _copy(connection: Connection, statement: str, rows: Iterable[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
