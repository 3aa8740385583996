"""Imports run in this process against a real database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from central.base.keyring import load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.courts.permissions import Actor
from central.imports import files, runner, service
from central.imports.models import ImportJob


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    folders = {f"{name}_dir": str(tmp_path / name) for name in ("data", "keys", "handover")}
    return Settings(**folders)


@pytest.fixture
def queue(store: Store, place: Settings) -> Callable[..., ImportJob]:
    """Upload a file and queue its import."""

    def start(data: bytes, **options: object) -> ImportJob:
        upload = files.receive(place, load_keyring(Path(place.keys_dir)), [data])
        given = {
            "file_name": "案件.csv", "source": "旧系统", "court_code": "云29", "is_dry_run": False, **options,
        }  # fmt: skip
        with store.write() as uow:
            return service.start_import(uow, "system:test", upload, **given)

    return start


@pytest.fixture
def run(store: Store, place: Settings, queue: Callable[..., ImportJob]) -> Callable[..., ImportJob]:
    """Import a file to its end; returns the job as it then stands."""

    def run_whole(data: bytes, **options: object) -> ImportJob:
        job = queue(data, **options)
        runner.run_job(store, place, job.id)
        with store.read() as session:
            return session.get_one(ImportJob, job.id)

    return run_whole


@pytest.fixture
def chief() -> Actor:
    """Bureau chief of the prefecture."""
    return Actor("u8", "juzhang", "样例执行局长", "bureau_chief", "云29")


@pytest.fixture
def neighbour_chief() -> Actor:
    """Bureau chief of another county."""
    return Actor("u9", "linju", "样例邻县局长", "bureau_chief", "云2922")
