"""The relay as a process, one per module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.central.relay.stand import Stand, running


@pytest.fixture(scope="module")
def running_stand(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Iterator[Stand]:
    with running(tmp_path_factory.mktemp("relay"), migrated_database) as stand:
        yield stand


@pytest.fixture
def stand(running_stand: Stand) -> Iterator[Stand]:
    """The module's relay; the test's connections and sessions end with it."""
    yield running_stand
    running_stand.clear()
