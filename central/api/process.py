"""The process of `/api/v1`: application and web server in one event loop."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from central.api.app import create_app
from central.base.settings import Settings
from central.base.unit_of_work import open_store
from central.cases.catalogue import install_catalogue

GRACEFUL_S = 3


class ApiServer(uvicorn.Server):
    """Ends the long polls first when it goes down; their callers come back with the same cursor."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer those that wait, then stop."""
        self._app.state.context.closing.set()
        await super().shutdown(sockets)


def main(settings: Settings) -> None:
    """Serve the interface until SIGINT or SIGTERM."""
    install_catalogue(settings.case_catalogue)
    store = open_store(settings)
    try:
        app = create_app(settings, store)
        ApiServer(configure(settings, app), app).run()
    finally:
        store.close()


def configure(settings: Settings, app: FastAPI) -> uvicorn.Config:
    """Return how the server listens."""
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        ssl_certfile=settings.api_tls_cert or None,
        ssl_keyfile=settings.api_tls_key or None,
        http="httptools",
        ws="none",
        lifespan="off",
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACEFUL_S,
        log_config=None,
    )
