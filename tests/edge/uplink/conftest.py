"""A small world for a kit's uplink: authority, broker, data folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.spool import Spool, open_spool
from tests.fakes.small_authority import SmallAuthority
from tests.fakes.small_broker import SmallBroker

KIT = "dl-2901-01"


@pytest.fixture
def world(tmp_path: Path) -> SmallAuthority:
    return SmallAuthority.found(tmp_path / "authority")


@pytest.fixture
def kit_dir(world: SmallAuthority) -> Path:
    return world.enrol(KIT)


@pytest.fixture
def broker(world: SmallAuthority, tmp_path: Path) -> Iterator[SmallBroker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = SmallBroker(folder, world.serve("broker-keys"))
    yield broker
    broker.stop()


@pytest.fixture
def spool(kit_dir: Path) -> Iterator[Spool]:
    with open_spool(kit_dir / "spool.db") as spool:
        yield spool


@pytest.fixture
def identity(kit_dir: Path) -> Identity:
    return Identity(kit_dir)


@pytest.fixture
def trusted_time(identity: Identity) -> TrustedTime:
    return TrustedTime(identity.floor_ms())
