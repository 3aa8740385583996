"""Where Prometheus reads: ``GET /metrics`` on a port of its own, from threads of the supervising process.

One reading at a time, because each asks the database; without a token only this machine may ask (`base.settings`).
"""

from __future__ import annotations

import hmac
import logging
import socketserver
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import make_wsgi_app
from prometheus_client.registry import Collector

from central.base.settings import Settings, SettingsError

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 10.0
_PLAIN: Final = [("Content-Type", "text/plain; charset=utf-8")]
Start = Callable[[str, list[tuple[str, str]]], Any]


class _Handler(WSGIRequestHandler):
    timeout = TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("metrics: " + format, *args)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class MetricsServer:
    """Serves one collector until `stop()`."""

    def __init__(self, settings: Settings, collector: Collector) -> None:
        """Raises SettingsError when the token cannot be read or the port is taken."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        self._figures = make_wsgi_app(registry)
        self._token = _read_token(settings)
        self._reading = threading.Lock()
        host, port = settings.metrics_host, settings.metrics_port
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Handler)
        except OSError as error:
            raise SettingsError(
                f"metrics_host {host} with metrics_port {port} cannot be used ({error.strerror}): "
                "end the program that holds the port, or set another metrics_port."
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_port)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != "/metrics" or environ.get("REQUEST_METHOD") != "GET":
            start("404 Not Found", _PLAIN)
            return [b"The figures are at GET /metrics.\n"]
        told = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace")
        if self._token and not hmac.compare_digest(told, b"Bearer " + self._token):
            start("401 Unauthorized", [*_PLAIN, ("WWW-Authenticate", "Bearer")])
            return [b"Send the token of metrics_token_file as a bearer token.\n"]
        with self._reading:
            return list(self._figures(environ, start))


def _read_token(settings: Settings) -> bytes:
    if not settings.metrics_token_file:
        return b""
    path = Path(settings.metrics_token_file)
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"metrics_token_file {path} cannot be read ({error.strerror}): correct it.") from error
    if len(token) < 16:
        raise SettingsError(f"metrics_token_file {path} holds fewer than 16 characters: write a longer one.")
    return token
