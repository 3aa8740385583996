"""Where each byte of a link and each idle second went, from what a BadLink captured.

Bytes are those of IP packets, as the link's rate counts them. The kit's side of each connection is told apart by the
centre's port. Nothing is decrypted: what the connections carried inside is counted where it is known (bench/link.py).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

_FILE_HEAD: Final = 24
_SYN, _FIN, _RST = 0x02, 0x01, 0x04
_TCP: Final = 6
_HALF: Final = 1 << 31
# Shorter pauses are the grain of the sender's clock, not an empty link.
_PAUSE_S: Final = 0.02


class Packet(NamedTuple):
    """`at_s`: monotonic, when the rate had let it go. `begins`: TCP's number of its first byte of `content`."""

    at_s: float
    up: bool
    port: int
    kit_port: int
    size: int
    content: int
    begins: int
    flags: int


@dataclass
class Account:
    """Bytes of one direction of the connections to one port."""

    packets: int = 0
    bytes: int = 0
    headers: int = 0  # of IP and TCP, of packets with content
    content: int = 0  # carried for the first time: TLS and all within
    repeated: int = 0  # whole packets that were carried before
    bare: int = 0  # whole packets without content: acknowledgements, beginnings, ends
    _ahead: dict[int, int] = field(default_factory=dict)

    def note(self, packet: Packet) -> None:
        """Take a packet in."""
        self.packets += 1
        self.bytes += packet.size
        if not packet.content:
            self.bare += packet.size
            return
        ends = (packet.begins + packet.content) % (1 << 32)
        ahead = self._ahead.get(packet.kit_port, packet.begins)
        fresh = (ends - ahead) % (1 << 32)
        if fresh == 0 or fresh >= _HALF:
            self.repeated += packet.size
            return
        self._ahead[packet.kit_port] = ends
        self.headers += packet.size - packet.content
        self.content += packet.content

    def describe(self) -> dict[str, int]:
        """The counts for a figure's detail."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


def read_packets(file: Path, near: str) -> Iterator[Packet]:
    """The packets of a capture; `near` is the kit's address. What is not TCP has the port 0."""
    data, at = file.read_bytes(), _FILE_HEAD
    address = bytes(map(int, near.split(".")))
    while at + 16 <= len(data):
        whole, micro, kept, size = struct.unpack_from("<IIII", data, at)
        head, at = data[at + 16 : at + 16 + kept], at + 16 + kept
        if len(head) < 40 or head[0] >> 4 != 4 or head[9] != _TCP:
            yield Packet(whole + micro / 1e6, head[12:16] == address, 0, 0, size, 0, 0, 0)
            continue
        up, ip = head[12:16] == address, (head[0] & 15) * 4
        source, target, begins = struct.unpack_from("!HHI", head, ip)
        length = ip + (head[ip + 12] >> 4) * 4
        port, kit_port = (target, source) if up else (source, target)
        yield Packet(whole + micro / 1e6, up, port, kit_port, size, size - length, begins, head[ip + 13])


def write_ledger(
    packets: list[Packet], names: dict[int, str], *, bytes_s: float, began_s: float, ended_s: float
) -> dict[str, Any]:
    """Accounts by direction and connection, idle seconds upwards by phase, and the moments of the beginning.

    `names`: what the centre's ports are called. Seconds count from `began_s`, the mending of the link; a pause is
    given as its length and its end.
    """
    accounts: dict[str, Account] = defaultdict(Account)
    moments: dict[str, float] = {}
    idle: dict[str, float] = defaultdict(float)
    pauses: list[tuple[float, float]] = []
    free_s, flowing = began_s, False
    for packet in packets:
        if not began_s <= packet.at_s <= ended_s:
            continue
        name = names.get(packet.port, "other")
        accounts[f"{'up' if packet.up else 'down'} {name}"].note(packet)
        kind = "call" if packet.flags & _SYN else "end" if packet.flags & (_FIN | _RST) else "content"
        if kind != "content" or packet.content:
            moments.setdefault(f"{'up' if packet.up else 'down'} {name} {kind}", round(packet.at_s - began_s, 2))
        if packet.up:
            pause_s = packet.at_s - packet.size / bytes_s - free_s
            if pause_s > _PAUSE_S:
                idle["while it flows" if flowing else "before it flows"] += pause_s
                pauses.append((round(pause_s, 2), round(packet.at_s - began_s, 2)))
            free_s = packet.at_s
            flowing = flowing or (name == "door" and packet.content > 1000)
    idle["at the end"] += ended_s - free_s
    return {
        "bytes": {name: account.describe() for name, account in sorted(accounts.items())},
        "idle_s": {name: round(value, 2) for name, value in idle.items()},
        "longest_pauses_s": sorted(pauses, reverse=True)[:8],
        "first_s": moments,
    }
