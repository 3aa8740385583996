"""A real database, migrated once and copied per test; courts seeded, kits registered.

A module marked `both_databases` runs its tests on SQLite and on PostgreSQL, as far as they use a database.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from central.base import db, schema
from central.base.bus import LocalBus
from central.base.unit_of_work import Store
from central.courts import service as courts
from central.courts.permissions import Actor
from central.devices import service as devices
from central.devices.rules import KitRef
from contract.trust import KitEntry, Registry
from tests.fakes.clocks import FakeClock
from tests.postgres import PostgresServer

KITS = {"dl-2901-01": "云2901", "yb-2922-01": "云2922"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test of a module marked `both_databases` each database once."""
    is_marked = metafunc.definition.get_closest_marker("both_databases") is not None
    looks_inside = metafunc.definition.get_closest_marker("sqlite_only") is not None
    if is_marked and not looks_inside and "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    """`sqlite`, or in a module marked `both_databases` also `postgresql`."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests that want one."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> str:
    """Name of a database at the newest revision with the fourteen courts, never opened again."""
    name = postgres.create()
    schema.migrate_url(postgres.url(name))
    store = Store(db.create_engine(postgres.url(name)), FakeClock())
    with store.write() as uow:
        courts.seed_courts(uow)
    store.close()
    return name


@pytest.fixture
def pg_url(postgres: PostgresServer, migrated_postgres: str) -> Iterator[str]:
    """Address of a PostgreSQL database of its own: newest revision, fourteen courts."""
    name = postgres.create(migrated_postgres)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def empty_pg_url(postgres: PostgresServer) -> Iterator[str]:
    """Address of a PostgreSQL database of its own without any table."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file at the newest revision, never opened again."""
    path = tmp_path_factory.mktemp("schema") / "centre.db"
    schema.migrate_url(f"sqlite:///{path}")
    store = Store(db.create_engine(f"sqlite:///{path}"), FakeClock())
    with store.write() as uow:
        courts.seed_courts(uow)
    store.close()
    return path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bus() -> LocalBus:
    return LocalBus()


@pytest.fixture
def database(migrated_database: Path, tmp_path: Path) -> Path:
    path = tmp_path / "centre.db"
    shutil.copy(migrated_database, path)
    return path


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest) -> str:
    """Address of a database of its own with the fourteen courts."""
    if backend == "postgresql":
        return str(request.getfixturevalue("pg_url"))
    return f"sqlite:///{request.getfixturevalue('database')}"


@pytest.fixture
def store(database_url: str, clock: FakeClock, bus: LocalBus) -> Iterator[Store]:
    """A store of its own with the fourteen courts."""
    store = Store(db.create_engine(database_url), clock, bus)
    yield store
    store.close()


@pytest.fixture
def kits(store: Store) -> dict[str, KitRef]:
    """Two kits of two county courts, with one certificate each (serial: `a1`, `b1`)."""
    entries = [
        KitEntry(
            kit_id=kit_id, court_code=court, label="单兵", officer="样例警官甲", serials=[serial], revoked_serials=[]
        )
        for (kit_id, court), serial in zip(KITS.items(), ("a1", "b1"), strict=True)
    ]
    directory = devices.KitDirectory()
    with store.write() as uow:
        devices.apply_registry(uow, Registry(epoch=1, issued_ms=1, kits=entries))
    with store.read() as session:
        directory.reload(session)
    return {ref.kit_id: ref for ref in directory.all()}


@pytest.fixture
def kit(kits: dict[str, KitRef]) -> KitRef:
    return kits["dl-2901-01"]


@pytest.fixture
def operator() -> Actor:
    """Duty operator of Dali city."""
    return Actor("u1", "zhiban", "样例值班员", "duty_operator", "云2901")


@pytest.fixture
def commander() -> Actor:
    """Commander of the prefecture."""
    return Actor("u2", "zhihui", "样例指挥长", "commander", "云29")


@pytest.fixture
def neighbour() -> Actor:
    """Commander of another county."""
    return Actor("u3", "linxian", "样例邻县指挥长", "commander", "云2922")


@pytest.fixture
def administrator() -> Actor:
    """Administrator of the prefecture."""
    return Actor("u4", "guanli", "样例管理员", "system_admin", "云29")
