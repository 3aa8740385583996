"""The process of a bad link: packets from one TUN device to the other, late, lost or not at all.

``link_process.py /run/netns/A:dev /run/netns/B:dev``; a line of JSON on standard input changes something, each is
answered by a line with the counters. Ends at the end of standard input. Standard library alone: it starts quickly.

``{"capture": "FILE"}`` writes the heads of all packets that are carried to a file as tcpdump reads it (raw IP; the
time is the monotonic clock's, at which the rate has let the packet go); ``{"capture": ""}`` ends that.
"""

import ctypes
import fcntl
import json
import os
import random
import select
import struct
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, BinaryIO

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_PACKET = 65536
_LONGEST_WAIT_S = 0.1
_HEAD_BYTES = 80  # IPv4 and TCP with every option, and the header of a first TLS record
_RAW_IP = 101  # LINKTYPE_RAW of pcap


def open_tun(end: str) -> int:
    """Make a TUN device in the namespace of ``path:device``; its descriptor works from any namespace."""
    path, device = end.rsplit(":", 1)
    with Path(path).open("rb") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
    return fd


class Direction:
    """Packets from `source` to `target`, in order."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target = source, target
        self.shape: dict[str, float] = {}
        self.dark = False
        self.capture: BinaryIO | None = None
        self.count = dict.fromkeys(("packets", "bytes", "carried_bytes", "lost", "overflowed", "darkened"), 0)
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0  # when the rate lets the next packet go

    def take(self, now: float) -> None:
        """Take what the source has and decide its fate."""
        while True:
            try:
                packet = os.read(self.source, _PACKET)
            except (BlockingIOError, OSError):  # nothing more, or the device is down
                return
            self.count["packets"] += 1
            self.count["bytes"] += len(packet)
            if self.dark:
                self.count["darkened"] += 1
            elif random.random() < self.shape["loss"]:
                self.count["lost"] += 1
            else:
                self._queue(packet, now)

    def _queue(self, packet: bytes, now: float) -> None:
        start, bytes_s = max(now, self._free_at), self.shape["kbit_s"] * 125
        if bytes_s > 0:
            if (start - now) * bytes_s > self.shape["queue_kb"] * 1000:
                self.count["overflowed"] += 1
                return
            start += len(packet) / bytes_s
        self._free_at = start
        if self.capture is not None:
            head = packet[:_HEAD_BYTES]
            whole, part = divmod(start, 1)
            self.capture.write(struct.pack("<IIII", int(whole), int(part * 1e6), len(head), len(packet)) + head)
        due = start + (self.shape["delay_ms"] + random.random() * self.shape["jitter_ms"]) / 1000
        last = self._under_way[-1][0] if self._under_way else 0.0
        self._under_way.append((max(due, last), packet))

    def give(self, now: float) -> float:
        """Hand over what is due; seconds until the next."""
        while self._under_way and self._under_way[0][0] <= now:
            packet = self._under_way.popleft()[1]
            try:
                os.write(self.target, packet)
                self.count["carried_bytes"] += len(packet)
            except OSError:  # the device at the other end is down
                self.count["darkened"] += 1
        return self._under_way[0][0] - now if self._under_way else _LONGEST_WAIT_S

    def darken(self, dark: bool) -> None:
        """Let nothing pass, or let it pass again; what was under way is gone."""
        if dark and not self.dark:
            self.count["darkened"] += len(self._under_way)
            self._under_way.clear()
            self._free_at = 0.0
        self.dark = dark


class Link:
    """Both directions and the order of light and darkness."""

    def __init__(self, near: int, far: int) -> None:
        self.up, self.down = Direction(near, far), Direction(far, near)
        self._flap_s, self._flip_at = 0.0, 0.0

    def change(self, changes: dict[str, Any]) -> None:
        """Apply a line of changes."""
        now = time.monotonic()
        for name, direction in (("up", self.up), ("down", self.down)):
            direction.shape = changes.get(name, direction.shape)
        if "flap_s" in changes:
            self._flap_s, self._flip_at = changes["flap_s"], now
        if "dark" in changes:
            self._darken(changes["dark"])
        if "capture" in changes:
            self._capture(changes["capture"])

    def describe(self) -> dict[str, Any]:
        """Counters and state."""
        return {"dark": self.up.dark, "up": self.up.count, "down": self.down.count}

    def turn(self) -> float:
        """Move what is due; seconds until something is due again."""
        now = time.monotonic()
        if self._flap_s and now >= self._flip_at:
            self._flip_at = now + self._flap_s
            self._darken(not self.up.dark)
        for direction in (self.up, self.down):
            direction.take(now)
        return max(0.0, min(direction.give(time.monotonic()) for direction in (self.up, self.down)))

    def _capture(self, path: str) -> None:
        if self.up.capture is not None:
            self.up.capture.close()
        file = Path(path).open("wb") if path else None  # noqa: SIM115 -- until the next order
        if file is not None:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _RAW_IP))
        self.up.capture = self.down.capture = file

    def _darken(self, dark: bool) -> None:
        self.up.darken(dark)
        self.down.darken(dark)


def main() -> None:
    """Carry packets until standard input ends."""
    near, far = (open_tun(end) for end in sys.argv[1:3])
    link, commands = Link(near, far), b""
    perfect = {"delay_ms": 0.0, "jitter_ms": 0.0, "loss": 0.0, "kbit_s": 0.0, "queue_kb": 32.0}
    link.change({"up": perfect, "down": perfect})
    print(json.dumps({"ready": True}), flush=True)
    wait_s = 0.0
    while True:
        ready, _, _ = select.select([near, far, 0], [], [], min(wait_s, _LONGEST_WAIT_S))
        if 0 in ready:
            told = os.read(0, 65536)
            if not told:
                return
            *lines, commands = (commands + told).split(b"\n")
            for line in lines:
                link.change(json.loads(line))
                print(json.dumps(link.describe()), flush=True)
        wait_s = link.turn()


if __name__ == "__main__":
    main()
