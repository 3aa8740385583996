"""Reads the boxes of an MP4 file (ISO 14496-12): an eye independent of the library that wrote it."""

import struct
from collections.abc import Iterator

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"}


def walk(data: bytes, start: int = 0, end: int | None = None, path: str = "") -> Iterator[tuple[str, bytes]]:
    """(path, payload) of every box, in file order."""
    end = len(data) if end is None else end
    while start < end:
        size, kind = struct.unpack_from(">I4s", data, start)
        name = path + kind.decode()
        yield name, data[start + 8 : start + size]
        if kind in _CONTAINERS:
            yield from walk(data, start + 8, start + size, name + "/")
        start += size


def names(data: bytes) -> list[str]:
    """Top-level boxes in file order."""
    return [name for name, _ in walk(data) if "/" not in name]


def decode_times(data: bytes, track: int) -> list[int]:
    """tfdt of each fragment of a track, in its timescale."""
    times: list[int] = []
    current = 0
    for name, payload in walk(data):
        if name == "moof/traf/tfhd":
            current = int.from_bytes(payload[4:8], "big")
        elif name == "moof/traf/tfdt" and current == track:
            times.append(int.from_bytes(payload[4:12] if payload[0] == 1 else payload[4:8], "big"))
    return times


def sample_durations(data: bytes, track: int) -> int:
    """Sum of the durations of all samples of a track, in its timescale."""
    total, current, default = 0, 0, 0
    for name, payload in walk(data):
        if name == "moof/traf/tfhd":
            current, default = int.from_bytes(payload[4:8], "big"), 0
            flags, at = int.from_bytes(payload[1:4], "big"), 8
            for flag, size in ((1, 8), (2, 4)):
                at += size if flags & flag else 0
            if flags & 8:
                default = int.from_bytes(payload[at : at + 4], "big")
        elif name == "moof/traf/trun" and current == track:
            flags, count = int.from_bytes(payload[1:4], "big"), int.from_bytes(payload[4:8], "big")
            at = 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
            step = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
            for sample in range(count):
                place = at + sample * step
                total += int.from_bytes(payload[place : place + 4], "big") if flags & 0x100 else default
    return total


def avc_configuration(data: bytes) -> bytes:
    """The avcC record of the first picture track."""
    at = data.index(b"avcC")
    size = int.from_bytes(data[at - 4 : at], "big")
    return data[at + 4 : at - 4 + size]
