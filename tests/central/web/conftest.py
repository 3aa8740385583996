"""The real application over a real database, driven by HTTP; users log in with passwords."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from central.base import db
from central.base.bus import LocalBus
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.devices.rules import ItemKey, KitRef
from central.flows.sos import receive_alarm
from central.people import service as people
from contract.messages import Alarm, Fix
from tests.cast import CAST, PASSWORD, cheap_hashes
from tests.central.web.serving import Server
from tests.fakes.clocks import FakeClock

USERS = CAST | {"linxian": ("样例邻县值班员", "duty_operator", "云2922")}
HTML = {"accept": "text/html"}
PATIENCE_S = 60  # on a busy machine a page may take its time


@pytest.fixture(scope="session")
def peopled_database(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The empty centre with its users."""
    path = tmp_path_factory.mktemp("people") / "centre.db"
    shutil.copy(migrated_database, path)
    store = Store(db.create_engine(f"sqlite:///{path}"), FakeClock())
    with cheap_hashes(), store.write() as uow:
        for login, (name, role, court) in USERS.items():
            people.add_user(
                uow, login=login, name=name, role=role, court_code=court, password=PASSWORD, by="system:test"
            )
    store.close()
    return path


@pytest.fixture
def database(peopled_database: Path, tmp_path: Path) -> Path:
    path = tmp_path / "centre.db"
    shutil.copy(peopled_database, path)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folders = {f"{name}_dir": str(tmp_path / name) for name in ("data", "keys", "handover")}
    return Settings(second_factor="optional", **folders)


@pytest.fixture
def address(settings: Settings, store: Store, bus: LocalBus) -> Iterator[str]:
    """Where the pages are served."""
    server = Server(settings, store, bus)
    yield server.start()
    server.stop()


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """A browser that nobody has logged in with."""
    with httpx.Client(base_url=address, headers=HTML, timeout=PATIENCE_S) as client:
        yield client


def csrf_of(client: httpx.Client, path: str = "/login") -> str:
    """Read the proof from a page, as a browser would."""
    found = re.search(r'<meta name="csrf" content="([^"]+)"', client.get(path, follow_redirects=True).text)
    assert found
    return found[1]


def enter(client: httpx.Client, login: str, password: str = PASSWORD) -> int:
    """Fill in the log-in form; returns the status."""
    form = {"login": login, "password": password, "csrf": csrf_of(client)}
    return client.post("/login", data=form).status_code


@pytest.fixture
def log_in(address: str) -> Iterator[Callable[[str], httpx.Client]]:
    """Give a browser in which this person is logged in."""
    opened: list[httpx.Client] = []

    def enter_as(login: str) -> httpx.Client:
        client = httpx.Client(base_url=address, headers=HTML, timeout=PATIENCE_S)
        opened.append(client)
        assert enter(client, login) == 303
        client.headers["X-CSRF-Token"] = csrf_of(client, "/profile")
        return client

    yield enter_as
    for client in opened:
        client.close()


@pytest.fixture
def raise_sos(store: Store) -> Callable[[KitRef], str]:
    """An SOS arrives from a kit; returns the incident's id."""
    seqs = iter(range(1, 1000))

    def arrive(kit: KitRef) -> str:
        now_ms, seq = store.clock.now_ms(), next(seqs)
        fix = Fix(lat=25.6, lon=100.2, fix_ms=now_ms, accuracy_m=5)
        alarm = Alarm(
            alarm_id=f"{seq:032x}", kind="sos", pressed_ms=now_ms - 800, boot_ms=1, fix=fix, note="<b>急</b>"
        )
        with store.write() as uow:
            outcome = receive_alarm(
                uow, kit, alarm, key=ItemKey(kit.kit_no, 1, seq), digest=bytes(8), at_ms=now_ms, received_ms=now_ms
            )
        assert outcome.incident_id
        return outcome.incident_id

    return arrive
