"""A small world for what calls the centre: authority and a kit's data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.reach.identity import Identity
from tests.fakes.small_authority import SmallAuthority


@pytest.fixture
def world(tmp_path: Path) -> SmallAuthority:
    return SmallAuthority.found(tmp_path / "authority")


@pytest.fixture
def identity(world: SmallAuthority) -> Identity:
    return Identity(world.enrol("dl-2901-01"))
