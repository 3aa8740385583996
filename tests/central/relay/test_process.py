"""The relay's process: it does not go on without a part of it that looks at rights, register or record."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from central.base.settings import Settings
from central.relay import process


async def _fail() -> None:
    raise KeyError("a row that nobody expected")


async def _end_well() -> None:
    return


def test_a_part_that_fails_ends_everything_and_one_that_is_stopped_nothing() -> None:
    ended: list[str] = []
    relay: Any = SimpleNamespace(end_all=lambda: ended.append("connections"))
    server: Any = SimpleNamespace(should_exit=False)

    async def run() -> None:
        stopped = asyncio.create_task(asyncio.Event().wait())
        well = asyncio.create_task(_end_well())
        await asyncio.sleep(0)
        stopped.cancel()
        await asyncio.wait({stopped, well})
        for work in (stopped, well):
            process._end_when_broken(relay, [server], work)
        assert (ended, server.should_exit) == ([], False)
        failing = asyncio.create_task(_fail())
        await asyncio.wait({failing})
        process._end_when_broken(relay, [server], failing)

    asyncio.run(run())
    assert (ended, server.should_exit) == (["connections"], True)


def test_what_was_loaded_is_not_looked_through_for_cycles_while_pictures_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.unfreeze()  # whatever another test of this process left
    threshold = gc.get_threshold()
    found: list[tuple[int, int]] = []

    async def serve(_settings: Any, _store: Any) -> None:
        found.append((gc.get_freeze_count(), gc.get_threshold()[0]))

    monkeypatch.setattr(process, "serve", serve)
    try:
        process.main(Settings(data_dir=str(tmp_path)))
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
    [(frozen, allocations)] = found
    assert frozen > 10_000
    assert allocations >= 50_000
