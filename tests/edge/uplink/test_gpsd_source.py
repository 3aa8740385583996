"""Position from gpsd: a real one over UDP, and servers that behave as badly as the field does."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from edge.uplink.gpsd_source import GpsdSource
from tests.fakes.nmea_receiver import Receiver
from tests.fakes.small_broker import find_free_port
from tests.waiting import wait_until

GPSD = "/usr/sbin/gpsd"  # Debian's; an ordinary user's PATH does not lead there


@pytest.fixture
def ports() -> tuple[int, int]:
    return find_free_port(), find_free_port()


@pytest.fixture
def gpsd_process(ports: tuple[int, int]) -> Iterator[subprocess.Popen[bytes]]:
    command = [GPSD, "-N", "-n", "-S", str(ports[0]), f"udp://127.0.0.1:{ports[1]}"]
    process = subprocess.Popen(command)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def receiver(ports: tuple[int, int]) -> Iterator[Receiver]:
    receiver = Receiver(ports[1], datetime.now(UTC))
    yield receiver
    receiver.close()


@pytest.fixture
def source(ports: tuple[int, int]) -> Iterator[GpsdSource]:
    source = GpsdSource("127.0.0.1", ports[0], stale_s=2.0, timeout_s=1.0)
    yield source
    source.close()


def read_until_fix(source: GpsdSource, receiver: Receiver) -> object:
    def step() -> object:
        receiver.tell()
        return source.read().fix

    return wait_until(step, 20, "a fix from gpsd")


@pytest.mark.system
def test_real_gpsd_gives_a_fix(gpsd_process: subprocess.Popen[bytes], source: GpsdSource, receiver: Receiver) -> None:
    read_until_fix(source, receiver)
    receiver.tell()
    fix = source.read().fix
    assert fix is not None
    assert fix.lat == pytest.approx(25.6) and fix.lon == pytest.approx(100.26)
    assert fix.source == "gpsd" and fix.mode == 3 and fix.alt_m is not None
    assert fix.fix_ms is not None
    assert abs(fix.fix_ms - int(receiver.now.timestamp() * 1000)) <= 2_000


@pytest.mark.system
def test_real_gpsd_whose_receiver_falls_silent_is_stale(
    gpsd_process: subprocess.Popen[bytes], source: GpsdSource, receiver: Receiver
) -> None:
    read_until_fix(source, receiver)
    wait_until(lambda: source.read().status == "stale", 10, "the old fix is not repeated")
    assert source.read().fix is None
    read_until_fix(source, receiver)


@pytest.mark.system
def test_real_gpsd_without_a_fix_gives_no_zero_island(
    gpsd_process: subprocess.Popen[bytes], source: GpsdSource, receiver: Receiver
) -> None:
    def step() -> bool:
        receiver.tell(valid=False)
        reading = source.read()
        assert reading.fix is None
        return reading.status == "no fix"

    wait_until(step, 20, "gpsd says that there is no fix")


@pytest.mark.system
def test_gpsd_that_stops_and_comes_back(
    gpsd_process: subprocess.Popen[bytes], source: GpsdSource, receiver: Receiver, ports: tuple[int, int]
) -> None:
    read_until_fix(source, receiver)
    gpsd_process.kill()
    gpsd_process.wait()
    wait_until(lambda: source.read().status.startswith("gpsd "), 10)
    again = subprocess.Popen(["gpsd", "-N", "-n", "-S", str(ports[0]), f"udp://127.0.0.1:{ports[1]}"])
    try:
        read_until_fix(source, receiver)
    finally:
        again.kill()
        again.wait()


class FakeServer:
    """Accepts connections and lets a function talk to each."""

    def __init__(self, port: int, talk: list[bytes], *, answer: bytes = b"") -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._talk, self._answer = talk, answer
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        held = []
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            self.connections += 1
            held.append(connection)
            for line in self._talk:
                connection.sendall(line)
            while self._answer and (asked := connection.recv(4096)):
                if b"POLL" in asked:
                    connection.sendall(self._answer)
        for connection in held:
            connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


VERSION = b'{"class":"VERSION","release":"3.22"}\n'


@pytest.mark.parametrize(
    ("talk", "answer", "status"),
    [
        ([], b"", "gpsd unreachable"),
        ([b"220 mail.example ESMTP\r\n"], b"", "gpsd unreachable"),
        ([b'{"class":"TPV"}\n'], b"", "gpsd unreachable"),
        ([VERSION], b"", "gpsd silent"),
        ([VERSION, b"x" * 200_000], b"", "gpsd silent"),
        ([VERSION], b'{"class":"POLL","active":0}\n', "no receiver"),
        ([VERSION], b'{"class":"POLL","active":1,"tpv":[],"sky":[]}\n', "no receiver"),
    ],
)
def test_servers_that_are_no_working_gpsd(
    ports: tuple[int, int], source: GpsdSource, talk: list[bytes], answer: bytes, status: str
) -> None:
    server = FakeServer(ports[0], talk, answer=answer)
    try:
        reading = source.read()
        assert reading.fix is None
        assert reading.status.startswith(status)
    finally:
        source.close()
        server.close()


def test_nobody_listening_is_tried_again_with_growing_pauses(ports: tuple[int, int]) -> None:
    now = [0.0]
    source = GpsdSource("127.0.0.1", ports[0], monotonic_s=lambda: now[0])
    assert source.read().status.startswith("gpsd unreachable")
    server = FakeServer(ports[0], [VERSION], answer=b'{"class":"POLL","active":0}\n')
    try:
        assert source.read().status.startswith("gpsd unreachable"), "not before the pause is over"
        assert server.connections == 0
        now[0] += 1.1
        assert source.read().status == "no receiver"
    finally:
        source.close()
        server.close()
