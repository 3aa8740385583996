"""The road's tunnel: a TCP relay that the test closes and opens again. Closed, nothing passes."""

from __future__ import annotations

import contextlib
import select
import socket
import threading


class Tunnel:
    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._open = True
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def enter(self) -> None:
        """Darkness: every connection is torn, new ones are torn at once."""
        self._open = False
        for pair in list(self._pairs):
            _tear(pair)

    def leave(self) -> None:
        self._open = True

    def close(self) -> None:
        self.enter()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                kit, _ = self._server.accept()
            except OSError:
                return
            if not self._open:
                kit.close()
                continue
            with contextlib.suppress(OSError):
                pair = (kit, socket.create_connection(("127.0.0.1", self._target), timeout=5))
                self._pairs.add(pair)
                threading.Thread(target=self._carry, args=(pair,), daemon=True).start()

    def _carry(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                for side in select.select(pair, [], [])[0]:
                    data = side.recv(16 * 1024)
                    if not data:
                        raise OSError
                    (pair[1] if side is pair[0] else pair[0]).sendall(data)
        self._pairs.discard(pair)
        _tear(pair)
        for side in pair:
            side.close()


def _tear(pair: tuple[socket.socket, socket.socket]) -> None:
    # Shut down, not closed: the carrying thread still selects on them.
    for side in pair:
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
