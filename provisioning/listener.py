"""A threading HTTPS server that no slow, silent or numerous client can hold up.

The TLS handshake happens in the connection's own thread; every connection has one deadline for everything;
beyond a number of open connections requests are told to come back, beyond twice that they are closed unheard.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

DEADLINE_S: Final = 20.0
MAX_SERVED: Final = 32
MAX_CONNECTIONS: Final = 64

log = logging.getLogger("provisioning.listener")


class TlsListener(ThreadingHTTPServer):
    """Serves `handler` over TLS; bind to port 0 to let the system choose."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseHTTPRequestHandler],
        tls: ssl.SSLContext,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._tls = tls
        self._deadline_s = deadline_s
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, handler)

    @property
    def port(self) -> int:
        """The port bound to."""
        return int(self.server_address[1])

    def is_overloaded(self) -> bool:
        """Whether more connections are open than are served at once."""
        with self._lock:
            return len(self._open) > MAX_SERVED

    def server_bind(self) -> None:
        """Bind without asking the name service for our own name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; the handshake happens in the connection's own thread."""
        connection, address = self.socket.accept()
        connection.settimeout(self._deadline_s)
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve in a thread, or close at once when too many connections are open."""
        with self._lock:
            crowded = len(self._open) >= MAX_CONNECTIONS
            if not crowded:
                self._open[request] = time.monotonic() + self._deadline_s
        if crowded:
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close one connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Between requests: cut connections past their deadline."""
        now_s = time.monotonic()
        with self._lock:
            late = [connection for connection, deadline_s in self._open.items() if deadline_s < now_s]
        for connection in late:
            _cut(connection)

    def server_close(self) -> None:
        """Stop listening and cut what is open."""
        super().server_close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _cut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that vanish or do not speak TLS are news, not failures."""
        error = sys.exception()
        if isinstance(error, OSError):
            log.info("%s: connection ended: %s", client_address[0], error)
        else:
            log.error("%s: request failed", client_address[0], exc_info=error)


def _cut(connection: socket.socket) -> None:
    try:
        # Not SSLSocket.shutdown: it would pull the TLS state from under the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError as error:
        log.debug("connection was gone: %s", error)
