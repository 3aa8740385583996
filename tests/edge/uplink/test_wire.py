"""One connection to the door, on real sockets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from pathlib import Path

import pytest

from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.uplink import wire as wire_module
from edge.uplink.pace import Speed
from edge.uplink.wire import Wire
from tests.fakes.small_authority import SmallAuthority

AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")


class Deaf:
    """A server that shakes hands and then reads nothing until it is told to."""

    def __init__(self, folder: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self._server = socket.create_server(("localhost", 0))
        self.port = int(self._server.getsockname()[1])
        self.ready, self.may_read = threading.Event(), threading.Event()
        self.received = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._server, self._context.wrap_socket(self._server.accept()[0], server_side=True) as connection:
            self.ready.set()
            self.may_read.wait(20)
            with contextlib.suppress(OSError):
                while data := connection.recv(65_536):
                    self.received += len(data)

    def read_to_the_end(self) -> int:
        self.may_read.set()
        self._thread.join(20)
        return self.received


def test_what_was_under_way_when_it_was_closed_is_not_sent_on(
    world: SmallAuthority, identity: Identity, trusted_time: TrustedTime
) -> None:
    """Else the kernel would send it again in the next light, before the connection that is to come."""
    server = Deaf(world.serve("deaf"))
    context = identity.make_tls_context(trusted_time)
    wire = Wire("localhost", server.port, context, timeout_s=0.5, speed=Speed(), max_answer_bytes=1000)
    assert server.ready.wait(10)
    with pytest.raises(TimeoutError):
        wire.send_head("PUT", bytes(20_000_000))
    assert wire.is_open(), "and all that came is read: else the kernel resets it by itself"
    counts = wire._read_counts()
    assert counts.outstanding > 100_000, "the kernel has taken more than the other side"
    wire.close()
    assert 0 < server.read_to_the_end() <= counts.acked


def test_where_packets_are_lost_the_connection_takes_that_for_rain(
    world: SmallAuthority, identity: Identity, trusted_time: TrustedTime
) -> None:
    server = Deaf(world.serve("deaf"))
    speed = Speed()
    context = identity.make_tls_context(trusted_time)
    wire = Wire("localhost", server.port, context, timeout_s=0.5, speed=speed, max_answer_bytes=1000)

    def control() -> bytes:
        return wire._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")

    assert control() == b"cubic"
    lossy = bytearray(192)
    struct.pack_into("I", lossy, 100, 30)  # repeated, of
    struct.pack_into("I", lossy, 136, 100)  # so many sent
    told = wire_module._Counts.read(bytes(lossy), 0)
    assert told.is_lossy and not told.is_clean
    wire._read_counts = lambda: told  # type: ignore[method-assign]
    wire._note_counts()
    assert speed.is_lossy
    assert control() == (b"bbr" if b"bbr" in AVAILABLE.read_bytes().split() else b"cubic")
    struct.pack_into("II", lossy, 132, 0, 2000)
    told = wire_module._Counts.read(bytes(lossy), 0)
    wire._note_counts()
    assert not speed.is_lossy, "the next connection begins without"
    wire.close()
    server.read_to_the_end()
