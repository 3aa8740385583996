"""Administrators and a judge of the prefecture, their passwords hashed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from central.base.keyring import Keyring, load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.courts.permissions import Actor
from central.people import passwords, queries
from central.people.models import User

PASSWORD = "样例口令-0123456789"
PEOPLE = {
    "guanli": ("样例系统管理员", "system_admin", "云29"),
    "guanli2": ("样例系统管理员乙", "system_admin", "云29"),
    "anquan": ("样例安全管理员", "security_admin", "云29"),
    "anquan2": ("样例安全管理员乙", "security_admin", "云2901"),
    "shenji": ("样例审计管理员", "audit_admin", "云29"),
    "juzhang": ("样例执行局长", "bureau_chief", "云2901"),
    "faguan": ("样例执行法官", "judge", "云2901"),
}


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The hash of PASSWORD; hashing is cheap in tests that are not about it."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", cheap)
    passwords._absent_hash.cache_clear()
    yield cheap.hash(PASSWORD)
    passwords._absent_hash.cache_clear()


@pytest.fixture
def people(store: Store, hashed: str) -> dict[str, Actor]:
    """Everybody of PEOPLE, admitted, as actors."""
    with store.write() as uow:
        rows = [
            User(
                login=login, name=name, role=role, court_code=court, password_hash=hashed, created_ms=1,
                created_by="system:test", admitted_ms=1, admitted_by="system:test", password_ms=1,
            )
            for login, (name, role, court) in PEOPLE.items()
        ]  # fmt: skip
        uow.session.add_all(rows)
    return {row.login: queries.actor_of(row) for row in rows}


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return load_keyring(tmp_path / "keys")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        second_factor="optional", keys_dir=str(tmp_path / "keys"), web_public_url="https://centre.example"
    )


@pytest.fixture
def version_of(store: Store) -> Callable[[str], int]:
    def read(login: str) -> int:
        with store.read() as session:
            return queries.get_user(session, login).version

    return read
