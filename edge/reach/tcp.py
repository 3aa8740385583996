"""How the kit's connections behave over rain and tunnels: options of Linux's TCP, and what it tells of itself.

Left to itself TCP doubles its pauses through a dark spot and then waits as long again in the light, and a connection
whose other end is gone lives on for a quarter of an hour. See docs/decisions/0024.
"""

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import termios
import time
from typing import Any

# Nothing acknowledged for this long: the connection is given up and made anew. Long enough for eight tries over a
# link that loses every third packet, short enough that the centre is never wrong about this kit for ten seconds.
GIVE_UP_S = 12.0
RETRY_AT_MOST_S = 3.0
CALL_AGAIN_S = 0.5
_THIN_LINEAR_TIMEOUTS = 16  # linux/tcp.h: while few packets are on their way, pauses do not double
_RTO_MAX_MS = 44  # linux/tcp.h, since 6.15
_INFO_RTT = slice(68, 72)  # struct tcp_info, tcpi_rtt in µs


def connect(host: str, port: int, timeout_s: float, *, is_dark: bool = False) -> socket.socket:
    """Connect and set the options below; raises OSError. The socket keeps `timeout_s` for reads and writes.

    `is_dark`: nobody answered last time. Two calls then go out, half a second apart, and the first that is answered
    counts: the kernel repeats a call once a second, so that the light is found twice as soon.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM) if is_dark else []
    if len(addresses) == 1:
        family, _, _, _, address = addresses[0]
        connection = _call_twice(family, address, timeout_s)
    else:
        connection = socket.create_connection((host, port), timeout_s)
    make_stubborn(connection)
    return connection


def _call_twice(family: int, address: Any, timeout_s: float) -> socket.socket:
    calls: list[socket.socket] = []
    began_s = time.monotonic()
    try:
        while (passed_s := time.monotonic() - began_s) < timeout_s:
            if len(calls) < 2 and passed_s >= CALL_AGAIN_S * len(calls):
                calls.append(_call(family, address))
            wait_s = CALL_AGAIN_S - passed_s if len(calls) < 2 else timeout_s - passed_s
            _, answered, _ = select.select([], calls, [], max(0.0, wait_s))
            if answered:
                _raise_failure(answered[0].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                calls.remove(answered[0])
                answered[0].settimeout(timeout_s)
                return answered[0]
        raise TimeoutError("timed out")
    finally:
        for call in calls:
            call.close()


def _call(family: int, address: Any) -> socket.socket:
    call = socket.socket(family, socket.SOCK_STREAM)
    call.setblocking(False)
    error = call.connect_ex(address)
    if error not in (0, errno.EINPROGRESS):
        call.close()
        _raise_failure(error)
    return call


def _raise_failure(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))


def make_stubborn(connection: socket.socket) -> None:
    """Try often, give up in time, tolerate loss. What this kernel does not know is left out."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(GIVE_UP_S * 1000))
    for option, value in ((_THIN_LINEAR_TIMEOUTS, 1), (_RTO_MAX_MS, int(RETRY_AT_MOST_S * 1000))):
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    # Takes loss for rain and not for a full queue; needs the module tcp_bbr and, without root, leave to use it.
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"bbr")


def unacknowledged_bytes(connection: socket.socket | None) -> int:
    """Bytes given to the kernel that the other end has not acknowledged; 0 for a closed connection."""
    try:
        if connection is None or connection.fileno() < 0:
            return 0
        told = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    except (OSError, ValueError):
        return 0
    return int(struct.unpack("i", told)[0])


def round_trip_ms(connection: socket.socket | None) -> int | None:
    """The smoothed round trip as the kernel measures it; None when it has not."""
    try:
        if connection is None or connection.fileno() < 0:
            return None
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    except (OSError, ValueError):
        return None
    return int.from_bytes(info[_INFO_RTT], "little") // 1000 or None
