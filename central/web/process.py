"""The pages' process: hub, application and web server in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial

import uvicorn
from fastapi import FastAPI

from central.base.bus import NatsBus, connect_nats
from central.base.settings import Settings
from central.base.unit_of_work import Store, open_store
from central.live.hub import Hub
from central.web.app import create_app
from central.web.context import Context

log = logging.getLogger(__name__)

# How soon a screen whose log-in was revoked loses its stream.
RECHECK_S = 3.0
GRACEFUL_S = 2
RESTARTING = "restarting"
BROKER_RETRY_S = 1.0


class PagesServer(uvicorn.Server):
    """Ends the event streams first when it goes down; the screens come back to the next process by themselves."""

    def __init__(self, config: uvicorn.Config, context: Context) -> None:
        super().__init__(config)
        self._context = context

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell every screen, then stop."""
        for subscription in list(self._context.streams):
            subscription.close(RESTARTING)
        await super().shutdown(sockets)


def main(settings: Settings) -> None:
    """Serve the pages until SIGINT or SIGTERM."""
    store = open_store(settings)
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(serve(settings, store))
    finally:
        store.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def serve(settings: Settings, store: Store) -> None:
    """Run hub and server in this loop until told to stop."""
    hub = Hub(store, recheck_s=RECHECK_S)
    app = create_app(settings, store, hub)
    app.router.lifespan_context = hub_lifespan(hub, partial(_join_broker, settings, store, hub))
    config = uvicorn.Config(
        app,
        host=settings.web_host,
        port=settings.web_port,
        ssl_certfile=settings.web_tls_cert or None,
        ssl_keyfile=settings.web_tls_key or None,
        http="httptools",
        ws="none",
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_S,
        log_config=None,
    )
    server = PagesServer(config, app.state.context)
    await server.serve()


def hub_lifespan(
    hub: Hub, *beside: Callable[[], Coroutine[None, None, None]]
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    """Return a lifespan that runs the hub, and what stands beside it, as long as the application serves."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(hub.run()), *(asyncio.create_task(task()) for task in beside)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return lifespan


async def _join_broker(settings: Settings, store: Store, hub: Hub) -> None:
    """Connect to the broker for nudges and live positions; the pages serve from the database meanwhile."""
    from nats.errors import Error as NatsError

    told = False
    while True:
        try:
            client = await connect_nats(settings, name="web")
            break
        except (OSError, NatsError) as error:
            if not told:
                log.warning("The broker cannot be reached yet (%s); live positions follow when it can.", error)
                told = True
            await asyncio.sleep(BROKER_RETRY_S)
    store.bus = NatsBus(client, asyncio.get_running_loop())
    try:
        await hub.attach(client)
        log.info("Joined the broker.")
        await asyncio.Event().wait()
    finally:
        await client.close()
