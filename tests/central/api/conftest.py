"""The interface on a free port in a thread of its own; service accounts as an administrator would have made them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from central.api.app import create_app
from central.api.process import ApiServer, configure
from central.api.throttle import Throttle
from central.base import db
from central.base.ids import hash_token
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.people.models import ServiceAccount
from central.people.scopes import SCOPES
from tests.fakes.ports import find_free_port
from tests.waiting import wait_until

DAY_MS = 86_400_000


class Server:
    """Application and web server as the process runs them."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.app = create_app(settings, store)
        self._server = ApiServer(configure(settings, self.app), self.app)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self.url = f"http://127.0.0.1:{settings.api_port}"

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self._server.started, 15, "the interface")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()


@dataclass(frozen=True)
class Account:
    """A service account and its token."""

    name: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


def token_of(name: str) -> str:
    return f"specimen-token-of-{name}"


def add_account(
    store: Store, name: str, court_code: str = "云29", scopes: tuple[str, ...] = SCOPES, *, days: int = 30
) -> Account:
    token = token_of(name)
    with store.write() as uow:
        uow.session.add(
            ServiceAccount(
                name=name, court_code=court_code, scopes=list(scopes), token_hash=hash_token(token),
                created_ms=uow.now_ms, created_by="user:guanli", admitted_ms=uow.now_ms,
                admitted_by="user:anquan", expires_ms=uow.now_ms + days * DAY_MS,
            )
        )  # fmt: skip
    return Account(name, token)


@contextmanager
def serve_copy(migrated_database: Path, folder: Path) -> Iterator[tuple[Server, Store]]:
    """Serve a database of its own by the machine's clock, to be shared by the tests of a module."""
    shutil.copy(migrated_database, folder / "centre.db")
    store = Store(db.create_engine(f"sqlite:///{folder / 'centre.db'}"))
    options = Settings(
        data_dir=str(folder), keys_dir=str(folder / "keys"), api_port=find_free_port(), api_rate_per_s=10_000
    )
    server = Server(options, store)
    server.app.state.context.wrong_tokens = Throttle(1e6, 10**6, store.clock)
    server.start()
    yield server, store
    server.stop()
    store.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=str(tmp_path / "data"),
        keys_dir=str(tmp_path / "keys"),
        api_port=find_free_port(),
        api_rate_per_s=1000,
        log_level="warning",
    )


@pytest.fixture
def server(settings: Settings, store: Store) -> Iterator[Server]:
    server = Server(settings, store)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def court_system(store: Store) -> Account:
    """The case system of the prefecture, with every scope."""
    return add_account(store, "court-system")


@pytest.fixture
def open_client(server: Server) -> Iterator[Callable[..., httpx.Client]]:
    """Makes clients; without an account they show no token."""
    clients: list[httpx.Client] = []

    def make(account: Account | None = None) -> httpx.Client:
        headers = account.headers if account else {}
        clients.append(httpx.Client(base_url=server.url + "/api/v1", headers=headers, timeout=40))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(open_client: Callable[..., httpx.Client], court_system: Account) -> httpx.Client:
    """The case system's client."""
    return open_client(court_system)


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """Assert that `answer` is this problem, complete in both languages; returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert problem["type"] == f"urn:zhixing:problem:{code}"
    assert problem["status"] == status
    assert str(problem["detail"]).endswith((".", ")"))
    assert any("一" <= letter <= "鿿" for letter in str(problem["detail_zh"]))
    return problem
