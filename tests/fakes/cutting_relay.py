"""A TCP relay between a kit and the centre that cuts each connection after so many bytes, loudly or silently."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Iterable, Iterator


class CuttingRelay:
    """`cuts`: bytes from the kit after which the 1st, 2nd, ... connection is cut; later ones stay whole.

    `is_silent`: nothing passes any more, and the centre is not told, as when a car drives into a tunnel; the
    kit's side is closed, for it notices by itself only after seconds.
    """

    def __init__(self, port: int, cuts: Iterable[int] = (), *, is_silent: bool = False) -> None:
        self.cuts: Iterator[int] = iter(cuts)
        self.is_silent = is_silent
        self.connections = 0
        self.bytes_up = 0
        self._target = port
        self._kept: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
        for kept in self._kept:
            kept.close()

    def _serve(self) -> None:
        while True:
            try:
                kit, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            centre = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._carry, args=(kit, centre, next(self.cuts, None)), daemon=True).start()

    def _carry(self, kit: socket.socket, centre: socket.socket, cut: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([kit, centre], [], [])
                for side in ready:
                    data = side.recv(16 * 1024)
                    if not data:
                        raise OSError
                    if side is kit:
                        data = data[: cut - passed] if cut is not None else data
                        passed += len(data)
                        self.bytes_up += len(data)
                    (centre if side is kit else kit).sendall(data)
                    if cut is not None and passed >= cut:
                        raise OSError
        _reset(kit)
        if self.is_silent and cut is not None:
            self._kept.append(centre)
        else:
            _reset(centre)


def _reset(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        side.close()
