import multiprocessing
import re
import stat

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from central.base import db, schema
from central.base.settings import Settings

pytestmark = pytest.mark.both_databases


def differences(url: str) -> list[object]:
    engine = db.create_engine(url)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return list(compare_metadata(context, SQLModel.metadata))
    finally:
        engine.dispose()


@pytest.fixture
def empty_url(backend, tmp_path, request):
    if backend == "postgresql":
        return request.getfixturevalue("empty_pg_url")
    return f"sqlite:///{tmp_path / 'data' / 'centre.db'}"


def test_an_empty_database_is_brought_to_the_models(tmp_path, empty_url):
    settings = Settings(data_dir=str(tmp_path / "data"), database_url=empty_url)
    revision = schema.migrate(settings)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    url = db.database_url(settings)
    assert schema.current_revision(url) == revision
    assert differences(url) == []
    assert schema.migrate(settings) == revision


def test_every_room_with_tables_is_known_to_the_migrations():
    rooms = {f"{path.parent.name}.models" for path in schema.MIGRATIONS.parent.glob("*/models.py")}
    assert rooms <= set(re.findall(r'"([a-z_]+\.[a-z_]+)"', (schema.MIGRATIONS / "env.py").read_text()))
    assert "evidence.models" in rooms


def test_a_missing_column_would_be_seen(empty_url):
    url = empty_url
    schema.migrate_url(url)
    engine = db.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE kit DROP COLUMN officer")
    engine.dispose()
    assert [difference[0] for difference in differences(url)] == ["add_column"]


def test_every_revision_can_be_taken_back_and_applied_again(empty_url):
    from alembic import command

    schema.migrate_url(empty_url)
    command.downgrade(schema.alembic_config(empty_url), "base")
    engine = db.create_engine(empty_url)
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    engine.dispose()
    schema.migrate_url(empty_url)
    assert differences(empty_url) == []


def _migrate(data_dir: str, url: str) -> None:
    schema.migrate(Settings(data_dir=data_dir, database_url=url))


def test_processes_starting_together_migrate_once(tmp_path, empty_url):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_migrate, args=(str(tmp_path), empty_url)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert differences(empty_url) == []


GUARDED = [
    "UPDATE audit_entry SET actor = 'x'",
    "DELETE FROM audit_entry",
    "UPDATE audit_head SET at_ms = 1",
    "DELETE FROM audit_head",
]


@pytest.mark.parametrize("statement", [*GUARDED, "TRUNCATE audit_entry", "TRUNCATE audit_head"])
def test_the_database_itself_guards_the_audit_rows(store, backend, statement):
    from central.audit import service as audit

    if statement.startswith("TRUNCATE") and backend == "sqlite":
        statement = GUARDED[1]  # SQLite has no such word
    with store.write() as uow:
        audit.append(uow, actor="user:a", court_code="云29", action="courts:user:add", subject="b")
        audit.write_head(uow, Ed25519PrivateKey.generate())
    with pytest.raises(DBAPIError, match="never changed or deleted"), store.write() as uow:
        uow.connection.exec_driver_sql(statement)
