"""What the kit asks of the kernel's TCP, on real sockets; over a real bad link in tests/journeys/test_link.py."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from edge.uplink import tcp
from edge.uplink.link import is_darkness
from tests.waiting import wait_until


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = tcp.connect("127.0.0.1", server.getsockname()[1], 5)
        far, _ = server.accept()
        with near, far:
            yield near, far


def test_it_gives_up_in_time_and_tries_often(pair: tuple[socket.socket, socket.socket]) -> None:
    near, _ = pair
    assert near.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == tcp.GIVE_UP_S * 1000
    assert near.getsockopt(socket.IPPROTO_TCP, tcp._THIN_LINEAR_TIMEOUTS) == 1
    assert near.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_what_has_not_arrived_is_counted(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    near.sendall(b"x" * 1000)
    assert far.recv(2000)
    wait_until(lambda: tcp.unacknowledged_bytes(near) == 0)
    near.setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while True:
            sent += near.send(b"x" * 65_536)
    assert 0 < tcp.unacknowledged_bytes(near) <= sent
    rtt_ms = tcp.round_trip_ms(near)
    assert rtt_ms is None or rtt_ms < 1000
    near.close()
    assert tcp.unacknowledged_bytes(near) == 0 and tcp.round_trip_ms(near) is None
    assert tcp.unacknowledged_bytes(None) == 0


@pytest.mark.parametrize(
    ("error", "is_dark"),
    [
        (TimeoutError(), True),
        (OSError(113, "No route to host"), True),
        (socket.gaierror(-3, "Temporary failure in name resolution"), True),
        (ConnectionResetError(), True),
        (ConnectionRefusedError(), False),
        (ssl.SSLCertVerificationError(), False),
        (ValueError("no host"), False),
    ],
)
def test_who_is_there_and_refuses_is_called_less_often(error: Exception, *, is_dark: bool) -> None:
    assert is_darkness(error) is is_dark
