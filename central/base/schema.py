"""The database's schema, brought up to date at start by Alembic under a lock."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from central.base import db
from central.base.settings import Settings

# Alembic is 12 MB that every process of the centre would carry, and one needs: it is imported where it is used.
if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def alembic_config(url: str) -> Config:
    """Return Alembic's configuration for the packaged migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["database_url"] = url
    return config


def migrate(settings: Settings) -> str:
    """Bring the configured database to the newest revision and return that revision.

    Several processes may call this at once: a file lock in the data folder lets one work.
    """
    with _lock(Path(settings.data_dir) / "migrate.lock"):
        return migrate_url(db.database_url(settings))


def migrate_url(url: str) -> str:
    """Bring the database at `url` to the newest revision and return that revision."""
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config(url)
    newest = ScriptDirectory.from_config(config).get_current_head() or ""
    if current_revision(url) != newest:
        command.upgrade(config, "head")
    return newest


def current_revision(url: str) -> str | None:
    """Return the revision the database at `url` is at, None when it is empty."""
    from alembic.runtime.migration import MigrationContext

    engine = db.create_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
