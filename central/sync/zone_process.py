"""The zone's door as a process: the outer door for kits and the inner one for the inside, on one event loop.

There is no database here, no key that decrypts and none that receipts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn
import uvloop
from anyio import to_thread

from central.base.clock import SystemClock
from central.base.settings import Settings
from central.devices.service import KitDirectory
from central.sync.admission import Gate, read_certificate
from central.sync.door_process import WATCH_EVERY_S, configure
from central.sync.proof import Nonces, Prover
from central.sync.registry import RegisterFile, ZoneRegister
from central.sync.zone_door import ZoneDoor, create_zone_app
from central.sync.zone_inner import create_inner_app
from central.sync.zone_store import ZoneStore

log = logging.getLogger(__name__)

KEEP_S: Final = 14 * 86_400
LOOK_EVERY_S: Final = 60.0
_HOUR_S: Final = 3600.0


class Follower:
    """Puts the register in force, on the one event loop: when its file has changed, and when it was just brought."""

    def __init__(self, door: ZoneDoor, watch: RegisterFile) -> None:
        self._door, self._watch = door, watch
        self._lock = asyncio.Lock()

    async def look(self) -> None:
        """Shut revoked kits out at once, in the middle of a body too."""
        async with self._lock:
            try:
                if self._watch.has_changed():
                    self._door.lines.cut(await to_thread.run_sync(self._watch.look))
                if self._watch.is_due:
                    await to_thread.run_sync(self._watch.apply)
            except OSError as error:
                log.error("zone: the register cannot be read or kept: %s", error)


class InnerServer(uvicorn.Server):
    """Ends with the outer server, which hears the signals for both."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the other."""
        yield


def main(settings: Settings) -> None:
    """Serve both doors until SIGINT or SIGTERM."""
    outer, inner, works = make_servers(settings)
    uvloop.run(_serve(outer, inner, works))


def make_servers(settings: Settings) -> tuple[uvicorn.Server, InnerServer, tuple[ZoneDoor, RegisterFile]]:
    """The two servers, ready to run, and what must be followed beside them."""
    directory = KitDirectory()
    watch = ZoneRegister(settings, directory)
    watch.poll()
    keys, clock = Path(settings.keys_dir), SystemClock()
    gate, nonces = Gate(read_certificate(keys / "kits-ca.crt"), directory), Nonces(clock)
    store = ZoneStore(
        Path(settings.data_dir),
        max_bytes=settings.zone_hold_max_bytes,
        min_free_bytes=settings.evidence_min_free_bytes,
    )
    door = ZoneDoor(
        settings=settings,
        clock=clock,
        store=store,
        gate=gate,
        prover=Prover(gate, nonces, clock),
        nonces=nonces,
    )
    outer = uvicorn.Server(configure(create_zone_app(door), settings, settings.door_host, settings.door_port))
    inner_config = configure(
        create_inner_app(door),
        settings,
        settings.zone_host,
        settings.zone_port,
        client_ca=keys / "services-ca.crt",
    )
    inner_config.load()
    if inner_config.ssl is not None:
        inner_config.ssl.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the CA is an intermediate: the anchor here
    return outer, InnerServer(inner_config), (door, watch)


async def _serve(outer: uvicorn.Server, inner: InnerServer, works: tuple[ZoneDoor, RegisterFile]) -> None:
    door, watch = works
    follower = Follower(door, watch)
    door.follow = follower.look
    beside = [asyncio.create_task(_follow_register(follower)), asyncio.create_task(_keep_house(door.store))]
    within = asyncio.create_task(inner.serve())
    try:
        await outer.serve()
    finally:
        inner.should_exit = True
        door.inside.held.set()  # the question that stays open is answered now
        await asyncio.gather(within, return_exceptions=True)
        for work in beside:
            work.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _follow_register(follower: Follower) -> None:
    while True:
        await asyncio.sleep(WATCH_EVERY_S)
        await follower.look()


async def _keep_house(store: ZoneStore) -> None:
    """Give back the room of what nobody comes back for; say when room runs out because nobody fetches."""
    dropped_s = -_HOUR_S
    while True:
        try:
            if time.monotonic() - dropped_s >= _HOUR_S:
                dropped_s = time.monotonic()
                await to_thread.run_sync(lambda: store.drop_old(before_s=time.time() - KEEP_S))
            if await to_thread.run_sync(lambda: store.is_nearly_full):
                log.warning(
                    "zone: nearly full: %d requests, %d MB held; see why the inside does not fetch them",
                    store.held_count,
                    store.held_bytes // 1_000_000,
                )
        except OSError as error:
            log.error("zone: the store cannot be looked after: %s", error)
        await asyncio.sleep(LOOK_EVERY_S)
