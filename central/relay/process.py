"""The relay's process: two listeners, one for kits and one for people, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import signal
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

from central.base.bus import LIVE_SUBJECT, NatsBus, connect_nats
from central.base.settings import Settings
from central.base.unit_of_work import Store, open_store
from central.relay.inside import InsidePictures
from central.relay.kits import KitsDoor
from central.relay.outlets.janus import make_gateway
from central.relay.outlets.opening import make_outlet, start_outlet
from central.relay.people import PeopleDoor
from central.relay.protocol import LiveProtocol
from central.relay.record import SessionRecorder
from central.relay.relay import Relay, make_relay
from central.sync.door_protocol import TimedProtocol
from contract.live import MAX_FRAME_BYTES

log = logging.getLogger(__name__)

GRACEFUL_S: Final = 2
PING_S: Final = 10.0


class QuietServer(uvicorn.Server):
    """A server that leaves signals to the process: there are two of them in it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def main(settings: Settings) -> None:
    """Relay until SIGINT or SIGTERM."""
    store = open_store(settings)
    # Passes over all that was loaded took 0.35 % of a core, 85 ms of it at once, with every picture waiting (0046).
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(serve(settings, store))
    finally:
        store.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def serve(settings: Settings, store: Store) -> None:
    """Run both listeners and what stands beside them until told to stop."""
    recorder = SessionRecorder(store, settings)
    relay = make_relay(settings, store, recorder)
    relay.gateway = make_gateway(settings)
    await relay.refresh()
    kits = await asyncio.to_thread(KitsDoor, relay)
    servers = [
        QuietServer(configure_kits(kits, settings)),
        QuietServer(configure_people(PeopleDoor(relay), settings)),
    ]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _end, relay, servers)
    recorder.start()
    works = [
        asyncio.create_task(work)
        for work in (
            relay.follow_rights(),
            relay.keep_time(),
            relay.keep_ledger(),
            kits.follow_register(),
            _join_bus(relay),
        )
    ]
    outlet = make_outlet(settings, store, InsidePictures(relay.exchange))
    needed = works[:-1]  # without the broker sessions are found by looking
    for work in needed:
        work.add_done_callback(functools.partial(_end_when_broken, relay, servers))
    try:
        await start_outlet(outlet, settings)
        await asyncio.gather(*(server.serve() for server in servers))
    finally:
        await outlet.close()
        if relay.gateway is not None:
            await relay.gateway.close()
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        await asyncio.to_thread(relay.ledger.write)
        await asyncio.to_thread(recorder.stop)
    if broken := next((work for work in needed if _is_broken(work)), None):
        raise RuntimeError("a part of the relay failed, see above; it is begun anew") from broken.exception()


def _end(relay: Relay, servers: list[QuietServer]) -> None:
    """Tell everybody that the relay comes back, then stop."""
    relay.end_all()
    for server in servers:
        server.should_exit = True


def _is_broken(work: asyncio.Task[None]) -> bool:
    return work.done() and not work.cancelled() and work.exception() is not None


def _end_when_broken(relay: Relay, servers: list[QuietServer], work: asyncio.Task[None]) -> None:
    """Without the part that looks at rights, the register or the record nobody may be shown anything: all end."""
    if _is_broken(work):
        log.error("relay: a part of it failed, all connections end", exc_info=work.exception())
        _end(relay, servers)


def configure_kits(door: KitsDoor, settings: Settings) -> uvicorn.Config:
    """The kits' listener: TLS with the devices' door's certificate."""
    certificate, key = settings.door_certificate
    return _configure(
        door, settings.live_kit_host, settings.live_kit_port, ssl_certfile=str(certificate), ssl_keyfile=str(key)
    )


def configure_people(door: PeopleDoor, settings: Settings) -> uvicorn.Config:
    """The people's listener: TLS as the pages have it."""
    return _configure(
        door,
        settings.live_host,
        settings.live_port,
        ssl_certfile=settings.web_tls_cert or None,
        ssl_keyfile=settings.web_tls_key or None,
    )


def _configure(app: Any, host: str, port: int, **tls: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=TimedProtocol,
        ws=LiveProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        # Pictures do not get smaller by it; the relay's cost was four times as high with it.
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        lifespan="off",
        log_level="warning",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_S,
        **tls,
    )


async def _join_bus(relay: Relay) -> None:
    """Hear at once of sessions that begin and end; until the broker is there they are found by looking."""
    client = await connect_nats(relay.settings, name="zhixing-relay", error_cb=_note_bus_error)
    relay.store.bus = NatsBus(client, asyncio.get_running_loop())

    async def wake(_message: Any) -> None:
        relay.woken.set()

    try:
        await client.subscribe(LIVE_SUBJECT, cb=wake)
        await asyncio.Event().wait()
    finally:
        await client.close()


async def _note_bus_error(error: Exception) -> None:
    log.debug("relay: bus: %s", error)
