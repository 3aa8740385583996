"""Load generator: many kits over mutual TLS on plain sockets, one fix a message, every receipt counted.

It speaks just enough MQTT 3.1.1 to be cheap, so that it is not what is measured. Run as a process of its own:
``python -m bench.load PLAN.json`` reads a :class:`Plan` and prints one :class:`Result` as JSON.
"""

from __future__ import annotations

import select
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

_MQTT_PUBLISH: Final = 0x30
_TICK_S: Final = 0.005


class Plan(msgspec.Struct, kw_only=True):
    """Which kits send how much for how long; certificates lie in ``folder`` as ``<kit>.crt`` and ``<kit>.key``."""

    host: str
    port: int
    folder: str
    kits: list[str]
    rate: float
    seconds: float
    settle_s: float = 5.0
    first_seq: int = 1
    spool: str = "0" * 32


class Result(msgspec.Struct, kw_only=True):
    """What was sent and what was receipted; ``cpu_s`` is the generator's own."""

    sent: int
    receipted: int
    connect_s: float
    send_s: float
    cpu_s: float
    reached_rate: float


class LoadKit:
    """One connection of one kit."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.kit_id = plan.kits[number]
        self.spool = f"{number:08x}" + plan.spool[8:]
        self.seq = plan.first_seq
        self.sent = 0
        self.received = bytearray()
        folder = Path(plan.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(str(folder / "root.crt"))
        context.load_cert_chain(str(folder / f"{self.kit_id}.crt"), str(folder / f"{self.kit_id}.key"))
        raw = socket.create_connection((plan.host, plan.port), timeout=20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw)
        self._shake_hands()
        topic = f"kits/{self.kit_id}/up/position".encode()
        self._head = len(topic).to_bytes(2, "big") + topic
        self._body = (
            b'{"v":1,"spool":"%s","boot":"%s","items":[{"seq":%%d,"at_ms":%%d,"body":'
            b'{"lat":25.60%%04d,"lon":100.20%%04d,"fix_ms":%%d,"mode":3,"speed_mps":8.1,"course_deg":91.5,"source":"gpsd"}}]}'
        ) % (self.spool.encode(), b"b" * 32)

    def _shake_hands(self) -> None:
        client = self.kit_id.encode()
        connect = b"\0\4MQTT\4\2\0\x78" + len(client).to_bytes(2, "big") + client
        self.socket.sendall(b"\x10" + _length(len(connect)) + connect)
        answer = self._read_exactly(4)
        if answer[:2] != b"\x20\x02" or answer[3] != 0:
            raise ConnectionError(f"the broker refused {self.kit_id}: {answer.hex()}")
        topic = f"cmd/{self.kit_id}/receipt".encode()
        subscribe = b"\0\1" + len(topic).to_bytes(2, "big") + topic + b"\0"
        self.socket.sendall(b"\x82" + _length(len(subscribe)) + subscribe)
        self._read_exactly(5)
        self.socket.setblocking(False)

    def _read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionError(f"the broker closed the connection of {self.kit_id}")
            data += part
        return data

    def send_fix(self) -> None:
        """Publish one fix, QoS 0."""
        now_ms, wiggle = time.time_ns() // 1_000_000, self.seq % 10_000
        packet = self._head + self._body % (self.seq, now_ms, wiggle, wiggle, now_ms)
        data = b"\x30" + _length(len(packet)) + packet
        while data:
            try:
                data = data[self.socket.send(data) :]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                select.select([], [self.socket], [], 1)
        self.seq += 1
        self.sent += 1

    def drain(self) -> None:
        """Take in whatever has come, without reading it."""
        try:
            while data := self.socket.recv(65536):
                self.received += data
        except (ssl.SSLWantReadError, BlockingIOError):
            return

    def count_receipted(self) -> int:
        """How many of the own sequence numbers the centre's receipts cover."""
        covered: set[int] = set()
        at, data = 0, bytes(self.received)
        while at < len(data):
            size, start = _read_length(data, at + 1)
            if data[at] & 0xF0 == _MQTT_PUBLISH:
                topic_bytes = int.from_bytes(data[start : start + 2], "big")
                receipt = msgspec.json.decode(data[start + 2 + topic_bytes : start + size])
                if receipt["spool"] == self.spool:
                    for low, high in receipt["ranges"]:
                        covered.update(range(low, high + 1))
            at = start + size
        return len(covered & set(range(self.seq - self.sent, self.seq)))


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, low = divmod(size, 128)
        out.append(low | (128 if size else 0))
        if not size:
            return bytes(out)


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    size, shift = 0, 0
    while True:
        size |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 128:
            return size, at


def _send_all(plan: Plan, kits: list[LoadKit], poller: select.epoll) -> float:
    by_handle = {kit.socket.fileno(): kit for kit in kits}
    started, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < plan.seconds:
        due = int(elapsed * plan.rate)
        while sent < due:
            kits[sent % len(kits)].send_fix()
            sent += 1
        for handle, _ in poller.poll(_TICK_S):
            by_handle[handle].drain()
    return time.monotonic() - started


def run_load(plan: Plan) -> Result:
    """Connect, send at the planned rate, wait for the receipts, count them."""
    began = time.monotonic()
    kits = [LoadKit(plan, number) for number in range(len(plan.kits))]
    connect_s = time.monotonic() - began
    poller = select.epoll()
    for kit in kits:
        poller.register(kit.socket.fileno(), select.EPOLLIN)
    print("connected", flush=True)
    sys.stdin.readline()  # whoever measures reads the counters now, then says go
    cpu = time.process_time()
    send_s = _send_all(plan, kits, poller)
    cpu_s = time.process_time() - cpu
    sent = sum(kit.sent for kit in kits)
    deadline = time.monotonic() + plan.settle_s
    receipted = 0
    while receipted < sent and time.monotonic() < deadline:
        time.sleep(0.25)
        for kit in kits:
            kit.drain()
        receipted = sum(kit.count_receipted() for kit in kits)
    for kit in kits:
        kit.socket.close()
    return Result(
        sent=sent,
        receipted=receipted,
        connect_s=connect_s,
        send_s=send_s,
        cpu_s=cpu_s,
        reached_rate=sent / send_s,
    )


if __name__ == "__main__":
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    print(msgspec.json.encode(run_load(plan)).decode(), flush=True)
