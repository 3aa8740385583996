"""The process of the devices' HTTP door: uvicorn with TLS, watching the register beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from central.base.bus import NatsBus, connect_nats
from central.base.receipt_key import read_receipt_key
from central.base.settings import Settings
from central.base.unit_of_work import Store, open_store
from central.devices import service as devices
from central.evidence.vault import Vault
from central.sync.admission import Gate, read_certificate
from central.sync.door import Door, create_app
from central.sync.door_protocol import TimedProtocol
from central.sync.proof import Nonces, Prover
from central.sync.registry import RegistryWatch

log = logging.getLogger(__name__)

WATCH_EVERY_S: Final = 0.05  # a look at one file; a revocation waits no longer
COUNT_EVERY_S: Final = 0.5
# A kit that lay in a drawer over a long holiday still goes on where it was.
KEEP_PARTS_S: Final = 14 * 86_400
DROP_PARTS_EVERY_S: Final = 3600
GRACEFUL_S: Final = 3
_MAX_CONNECTIONS: Final = 2000


def main(settings: Settings) -> None:
    """Serve the door until SIGINT or SIGTERM."""
    store = open_store(settings)
    try:
        make_server(settings, store).run()
    finally:
        store.close()


def make_server(settings: Settings, store: Store) -> uvicorn.Server:
    """The door's web server, ready to run."""
    door, watch = make_door(settings, store, Nonces(store.clock))
    app = create_app(door)
    app.router.lifespan_context = lifespan_of(door, watch)
    return uvicorn.Server(configure(app, settings, settings.door_host, settings.door_port))


def make_door(settings: Settings, store: Store, nonces: Nonces) -> tuple[Door, RegistryWatch]:
    """The door, and the register it follows."""
    directory = devices.KitDirectory()
    watch = RegistryWatch(settings, store, directory)
    watch.poll()
    gate = Gate(read_certificate(Path(settings.keys_dir) / "kits-ca.crt"), directory)
    vault = Vault(Path(settings.data_dir), min_free_bytes=settings.evidence_min_free_bytes)
    _drop_old_parts(vault)
    door = Door(
        settings=settings,
        store=store,
        vault=vault,
        receipt_key=read_receipt_key(Path(settings.keys_dir)),
        gate=gate,
        prover=Prover(gate, nonces, store.clock),
        nonces=nonces,
    )
    return door, watch


def configure(
    app: FastAPI, settings: Settings, host: str, port: int, *, client_ca: Path | None = None
) -> uvicorn.Config:
    """How a door is served: TLS with the door's certificate; with ``client_ca`` only to whom that vouches for."""
    certificate, key = settings.door_certificate
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        ssl_ca_certs=str(client_ca) if client_ca else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE,
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        http=TimedProtocol,
        ws="none",
        loop="uvloop",
        log_level="warning",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACEFUL_S,
    )


Lifespan = Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]


def lifespan_of(door: Door, watch: RegistryWatch) -> Lifespan:
    """What goes on beside the door for as long as it is open."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        works = [
            asyncio.create_task(work)
            for work in (
                _follow_register(door, watch),
                _keep_house(door, watch),
                _drop_parts(door.vault),
                _join_bus(door),
            )
        ]
        try:
            yield
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            await to_thread.run_sync(_write_refusals, door)

    return lifespan


async def _follow_register(door: Door, watch: RegistryWatch) -> None:
    """Shut revoked kits out at once, in the middle of a body too; no database is waited for."""
    while True:
        await asyncio.sleep(WATCH_EVERY_S)
        if watch.has_changed():
            try:
                door.lines.cut(await to_thread.run_sync(watch.look))
            except OSError as error:
                log.error("door: the register cannot be read: %s", error)


def _drop_old_parts(vault: Vault) -> None:
    left = vault.clear_drafts(before_s=time.time() - KEEP_PARTS_S)
    if left:
        log.info("door: %d half received segments that nobody went on with were removed", left)


async def _drop_parts(vault: Vault) -> None:
    """Give back the room of segments that stopped half-way for good."""
    while True:
        await asyncio.sleep(DROP_PARTS_EVERY_S)
        try:
            await to_thread.run_sync(_drop_old_parts, vault)
        except OSError as error:
            log.error("door: old parts cannot be removed: %s", error)


async def _keep_house(door: Door, watch: RegistryWatch) -> None:
    """Write down the register that is in force, and what was refused."""
    while True:
        await asyncio.sleep(COUNT_EVERY_S)
        if watch.is_due:
            await to_thread.run_sync(watch.apply)
        await to_thread.run_sync(_write_refusals, door)


def _write_refusals(door: Door) -> None:
    if not door.refusals and not door.tally.is_due(door.store.clock.now_ms()):
        return
    found, door.refusals = door.refusals, type(door.refusals)()
    try:
        with door.store.write() as uow:
            for kind, count in found.items():
                devices.add_to_counter(uow, f"door.{kind}", count)
            door.tally.write(uow)
    except OperationalError as error:
        log.warning("door: counts not written yet (%s)", error.orig)
        door.refusals.update(found)


async def _join_bus(door: Door) -> None:
    """Nudge the screens once the broker is there; until then they find changes by polling."""
    client = await connect_nats(door.settings, name="zhixing-door", error_cb=_note_bus_error)
    door.store.bus = NatsBus(client, asyncio.get_running_loop())
    try:
        await asyncio.Event().wait()
    finally:
        await client.close()


async def _note_bus_error(error: Exception) -> None:
    log.debug("door: bus: %s", error)
