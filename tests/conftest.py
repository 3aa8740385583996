"""How the suite is shared between two workers (`pytest -n 2`, as `make test` runs it); alone it runs as ever."""

from __future__ import annotations

import gc
from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whole files at a time, what lives by the clock on one worker alone."""
    from tests.two_ends import TwoEnds

    return TwoEnds(config, log)


def pytest_collection_finish() -> None:
    """What all tests stand on lasts to the end: the collector need not walk it again and again."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """A worker, which has others beside it, takes turns with them."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        from tests.by_the_clock import Turns, TurnTaking

        config.pluginmanager.register(TurnTaking(Turns(worker["testrunuid"])))
