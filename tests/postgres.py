"""A real PostgreSQL server for tests and measurements (`demo.postgres`), which waits for no disk."""

from __future__ import annotations

from collections.abc import Mapping

from demo.postgres import USER
from demo.postgres import PostgresServer as DurableServer

__all__ = ["USER", "PostgresServer"]

# Nothing here outlives the test, so nothing waits for a disk.
_HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer(DurableServer):
    """Use with `with`; `options` are settings of postgresql.conf laid over those of tests."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        super().__init__({**_HASTY, **(options or {})})
