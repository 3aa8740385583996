"""A founded authority, and a caller of its server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning import authority
from provisioning.authority import Authority
from tests.provisioning.kit_side import PASSPHRASE, Caller, MovingClock, serving, tls_of


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def desk(tmp_path: Path, clock: MovingClock) -> Authority:
    return authority.create(
        tmp_path / "authority",
        centre_folder=tmp_path / "centre",
        escrow_file=tmp_path / "escrow.age",
        passphrase=PASSPHRASE,
        hosts=["127.0.0.1", "authority.example"],
        est_url="https://127.0.0.1:8443",
        clock=clock,
        work_factor=10,
    )


@pytest.fixture
def caller(desk: Authority) -> Iterator[Caller]:
    with serving(desk) as server:
        yield Caller(server.port, tls_of(desk))
