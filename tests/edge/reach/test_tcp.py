"""What the kit asks of the kernel's TCP, on real sockets; over a real bad link in tests/journeys/test_link.py."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from edge.reach import tcp
from edge.uplink.link_failures import is_darkness
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


def test_into_the_dark_it_calls_twice_and_takes_who_answers_first() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=5) as server:
        port = server.getsockname()[1]
        with tcp.connect("127.0.0.1", port, 5, is_dark=True) as near, server.accept()[0] as far:
            near.sendall(b"here")
            assert far.recv(10) == b"here" and near.gettimeout() == 5
            assert near.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == tcp.GIVE_UP_S * 1000
    with pytest.raises(ConnectionRefusedError):
        tcp.connect("127.0.0.1", port, 5, is_dark=True)


def test_a_call_that_nobody_answers_is_made_twice_and_given_up_in_time() -> None:
    # Loopback drops what comes for a queue that is full: nobody answers, as in a tunnel.
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        first.connect(("127.0.0.1", port))
        second.setblocking(False)
        second.connect_ex(("127.0.0.1", port))
        calls: list[int] = []
        real = tcp._call

        def note(family: int, address: object) -> socket.socket:
            call = real(family, address)
            calls.append(call.fileno())
            return call

        with pytest.MonkeyPatch.context() as patch, pytest.raises(TimeoutError):
            patch.setattr(tcp, "_call", note)
            tcp.connect("127.0.0.1", port, 1.2, is_dark=True)
        assert len(calls) == 2


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
