"""Notices that the way to the relay is another one: the connection over the old way is given up at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from typing import Final

log = logging.getLogger("zhixing.live")

_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # RTMGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE
SETTLE_S: Final = 0.1


class NetworkWatch:
    """Calls ``changed`` shortly after the kernel's links, addresses or routes changed (rtnetlink(7))."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._due: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        try:
            netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            netlink.setblocking(False)
            netlink.bind((0, _GROUPS))
        except OSError as error:
            log.warning("live: changes of the network are found by silence alone (%s)", error)
            return
        self._socket = netlink
        self._loop.add_reader(netlink.fileno(), self._read)

    def close(self) -> None:
        """Listen no longer."""
        if self._due is not None:
            self._due.cancel()
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        # What exactly changed is asked of the kernel afterwards; an overflow (ENOBUFS) is a change like any other.
        with contextlib.suppress(BlockingIOError), contextlib.suppress(OSError):
            while self._socket is not None and self._socket.recv(struct.calcsize("I") * 4096):
                pass
        if self._due is None:
            self._due = self._loop.call_later(SETTLE_S, self._tell)

    def _tell(self) -> None:
        self._due = None
        self._changed()
