"""The tests' own bad link is as bad as asked: delay, loss, rate, darkness and flapping measured on real sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bench.link_ledger import read_packets
from tests.network.bad_link import BadLink, LinkShape
from tests.network.namespaces import FOLDER, Namespace, Wire, why_not
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason=why_not() or "root")
PORT = 4000


@pytest.fixture
def field() -> Iterator[Namespace]:
    with Namespace("field") as field:
        yield field


@pytest.fixture
def centre() -> Iterator[Namespace]:
    with Namespace("centre") as centre:
        yield centre


class Echo:
    """Answers every datagram, from inside a namespace."""

    def __init__(self, space: Namespace, address: str) -> None:
        with space.inside():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, PORT))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(2048)
            if data == b"end":
                return
            self._socket.sendto(data, sender)

    def close(self, space: Namespace, address: str) -> None:
        with space.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", (address, PORT))
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def link(field: Namespace, centre: Namespace) -> Iterator[BadLink]:
    with BadLink(field, centre) as link:
        echo = Echo(centre, link.far)
        yield link
        echo.close(centre, link.far)


@pytest.fixture
def caller(field: Namespace, link: BadLink) -> Iterator[socket.socket]:
    with field.inside():
        caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with caller:
        caller.connect((link.far, PORT))
        caller.settimeout(2)
        yield caller


def ask(caller: socket.socket, timeout_s: float = 2.0) -> float | None:
    """Seconds for a round trip, or None when no answer came."""
    caller.settimeout(timeout_s)
    began = time.monotonic()
    caller.send(b"?")
    try:
        caller.recv(100)
    except TimeoutError:
        return None
    return time.monotonic() - began


@pytest.mark.by_the_clock
def test_it_delays_both_ways(link: BadLink, caller: socket.socket) -> None:
    quick = ask(caller)
    link.shape(LinkShape(delay_ms=150))
    slow = ask(caller)
    assert quick is not None
    assert slow is not None
    assert quick < 0.15
    assert 0.3 <= slow < 0.6


def test_it_loses_the_share_asked_for(link: BadLink, caller: socket.socket) -> None:
    link.shape(LinkShape(loss=0.3), LinkShape())
    for _ in range(1000):
        caller.send(b"x")
    wait_until(lambda: link.counters()[0].packets >= 1000)
    up, _ = link.counters()
    assert 230 <= up.lost <= 370
    assert up.carried_bytes < up.bytes


@pytest.mark.by_the_clock
def test_it_holds_to_its_rate_and_its_queue(link: BadLink, caller: socket.socket) -> None:
    link.shape(LinkShape(kbit_s=64, queue_kb=8), LinkShape())
    began = time.monotonic()
    for _ in range(30):
        caller.send(b"x" * 972)  # 1,000 bytes with headers: eight a second, nine in the queue at once
    wait_until(lambda: link.counters()[0].packets >= 30)
    assert link.counters()[0].overflowed >= 20
    wait_until(lambda: link.counters()[0].carried_bytes >= 9000, 5)
    assert 1.0 <= time.monotonic() - began < 2.5


def test_in_darkness_nothing_passes_and_flapping_takes_turns(link: BadLink, caller: socket.socket) -> None:
    link.cut()
    assert ask(caller, 0.3) is None
    link.mend()
    assert ask(caller) is not None
    link.flap(0.4)
    assert link.is_dark()
    wait_until(lambda: not link.is_dark(), 3)
    wait_until(link.is_dark, 3)
    link.mend()
    assert ask(caller) is not None


def test_what_is_carried_can_be_captured_with_the_time_at_which_the_rate_let_it_go(
    link: BadLink, caller: socket.socket, tmp_path: Path
) -> None:
    link.shape(LinkShape(kbit_s=64, queue_kb=64), LinkShape())
    with link.capturing(tmp_path / "link.pcap"):
        for _ in range(5):
            caller.send(b"x" * 972)  # 1,000 bytes with headers
        wait_until(lambda: link.counters()[1].carried_bytes >= 5000, 5)
    assert ask(caller) is not None
    told = [packet for packet in read_packets(tmp_path / "link.pcap", link.near) if packet.size == 1000]
    assert [packet.up for packet in sorted(told)].count(True) == 5 and len(told) == 10
    up = [packet.at_s for packet in told if packet.up]
    assert all(abs(later - sooner - 0.125) < 0.001 for sooner, later in pairwise(up)), "an eighth of a second each"


def test_a_wire_carries_and_the_machine_sees_nothing_of_it(field: Namespace, centre: Namespace) -> None:
    before = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    wire = Wire(field, centre)
    done = field.run([sys.executable, "-c", f"import socket; socket.create_server(('{wire.near}', 1)).close()"])
    assert done.returncode == 0
    with field.inside(), socket.create_server((wire.near, PORT)) as door, centre.inside():
        socket.create_connection((wire.near, PORT), 2).close()
        door.accept()[0].close()
    assert subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout == before


def test_what_a_killed_run_left_is_swept_away() -> None:
    program = (
        "import os, signal, sys, time\n"
        "from tests.network.bad_link import BadLink\n"
        "from tests.network.namespaces import Namespace\n"
        "near, far = Namespace('a').__enter__(), Namespace('b').__enter__()\n"
        "link = BadLink(near, far)\n"
        "left = near.popen(['sleep', '600'])\n"
        "print(os.getpid(), left.pid, link._process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    root = Path(__file__).parents[2]
    run = subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True)
    with run:
        assert run.stdout is not None
        owner, left, link = map(int, run.stdout.readline().split())
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{link}").exists(), what="the link to end with its starter")
    assert (FOLDER / f"zx-{owner}-a").exists()
    with Namespace("next"):
        assert not list(FOLDER.glob(f"zx-{owner}-*"))
        wait_until(lambda: not is_alive(left), what="what ran inside to be ended")


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
