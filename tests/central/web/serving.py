"""The pages on a free port, in a thread of their own."""

from __future__ import annotations

import threading

import uvicorn
from fastapi import FastAPI
from starlette.routing import BaseRoute

from central.base.bus import LocalBus
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.live.hub import Hub
from central.web.app import create_app
from central.web.process import PagesServer, hub_lifespan
from tests.waiting import wait_until

RECHECK_S = 0.3
_ROUTES: list[BaseRoute] = []


class Server:
    """Hub, application and web server as the pages' process runs them, without a broker."""

    def __init__(
        self, settings: Settings, store: Store, bus: LocalBus, port: int = 0, *, host: str = "127.0.0.1"
    ) -> None:
        self._host = host
        self.hub = Hub(store, recheck_s=RECHECK_S)
        bus.listeners.append(self.hub.listen)
        app = create_app(settings, store, self.hub)
        share_routes(app)
        app.router.lifespan_context = hub_lifespan(self.hub)
        config = uvicorn.Config(app, host=host, port=port, ws="none", log_config=None, timeout_graceful_shutdown=2)
        self._server = PagesServer(config, app.state.context)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> str:
        """Return the address once it answers."""
        self._thread.start()
        wait_until(lambda: self._server.started, 15, "the pages' server")
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://{self._host}:{port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()


def share_routes(app: FastAPI) -> None:
    """Give `app` the routes of this process's first application: they hold no state, and to work one's own out takes
    FastAPI a third of all the time that the tests of the pages need. Whatever differs is in `app.state` and around.
    """
    if not _ROUTES:
        _ROUTES.extend(app.router.routes)
    app.router.routes[:] = _ROUTES
