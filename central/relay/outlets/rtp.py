"""H.264 in RTP (RFC 3550, RFC 6184 packetization mode 1) and its description (RFC 8866). Pure."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

H264: Final = 96
"""Payload type (dynamic)."""
MAX_PAYLOAD: Final = 1200
"""Bytes a packet carries: below every path's MTU, with room for SRTP and tunnels."""
_HEADER: Final = struct.Struct(">BBHII")
_START: Final = b"\x00\x00\x01"
_FU_A: Final = 28
_SPS, _PPS, _IDR = 7, 8, 5


def split_units(picture: bytes | memoryview) -> list[memoryview]:
    """The NAL units of an access unit in Annex B form, without their start codes; [] when there is none."""
    data, view = bytes(picture), memoryview(picture)
    begins: list[tuple[int, int]] = []
    at = data.find(_START)
    while at >= 0:
        begins.append((at, at + 3))
        at = data.find(_START, at + 3)
    units = []
    for place, (_, begin) in enumerate(begins):
        end = begins[place + 1][0] if place + 1 < len(begins) else len(data)
        while end > begin and data[end - 1] == 0:  # zero bytes belong to the next start code
            end -= 1
        if end > begin:
            units.append(view[begin:end])
    return units


def find_parameters(units: Sequence[memoryview]) -> tuple[bytes, bytes] | None:
    """Sequence and picture parameter set among the units, or None."""
    sps = next((bytes(unit) for unit in units if unit[0] & 31 == _SPS), None)
    pps = next((bytes(unit) for unit in units if unit[0] & 31 == _PPS), None)
    return (sps, pps) if sps and pps else None


@dataclass
class Packer:
    """Numbers one stream's packets. `ssrc`, `seq` and `offset` begin at random values (RFC 3550, 5.1)."""

    ssrc: int
    seq: int = 0
    offset: int = 0
    payload_type: int = H264
    packets: int = field(default=0, init=False)
    octets: int = field(default=0, init=False)

    def pack(self, units: Sequence[memoryview], time_us: int) -> list[bytes]:
        """The packets of one access unit captured at `time_us` (90 kHz clock); the last one is marked."""
        payloads = [payload for unit in units for payload in _fragment(unit)]
        stamp = self.stamp(time_us)
        packets = []
        for place, payload in enumerate(payloads):
            mark = 0x80 if place == len(payloads) - 1 else 0
            packets.append(_HEADER.pack(0x80, mark | self.payload_type, self.seq, stamp, self.ssrc) + payload)
            self.seq = (self.seq + 1) & 0xFFFF
            self.octets += len(payload)
        self.packets += len(packets)
        return packets

    def stamp(self, time_us: int) -> int:
        """The media clock at that moment."""
        return (time_us * 9 // 100 + self.offset) & 0xFFFFFFFF

    def report(self, time_us: int) -> bytes:
        """A sender report (RFC 3550, 6.4.1) and the name CNAME wants: ties the media clock to UTC."""
        seconds, rest = divmod(time_us, 1_000_000)
        ntp = (seconds + 2_208_988_800) & 0xFFFFFFFF, (rest << 32) // 1_000_000
        counts = self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF
        report = struct.pack(">BBHIIIIII", 0x80, 200, 6, self.ssrc, *ntp, self.stamp(time_us), *counts)
        name = b"\x01\x07zhixing\x00\x00\x00"  # padded to 32 bits, ended by a null item
        return report + struct.pack(">BBHI", 0x81, 202, 1 + len(name) // 4, self.ssrc) + name


def _fragment(unit: memoryview) -> Iterator[bytes]:
    """A unit as it is, or in pieces of type FU-A (RFC 6184, 5.8)."""
    if len(unit) <= MAX_PAYLOAD:
        yield bytes(unit)
        return
    indicator, kind = (unit[0] & 0xE0) | _FU_A, unit[0] & 31
    body, step = unit[1:], MAX_PAYLOAD - 2
    for begin in range(0, len(body), step):
        start = 0x80 if begin == 0 else 0
        end = 0x40 if begin + step >= len(body) else 0
        yield bytes((indicator, start | end | kind)) + bytes(body[begin : begin + step])


def describe(sps: bytes, pps: bytes, *, host: str, title: str, session: int) -> str:
    """The session description of one picture; parameter sets out of band too, for systems that want them there."""
    family = "IP6" if ":" in host else "IP4"
    sets = ",".join(base64.b64encode(part).decode() for part in (sps, pps))
    lines = (
        "v=0",
        f"o=- {session} 1 IN {family} {host}",
        f"s={title}",
        f"c=IN {family} {'::' if family == 'IP6' else '0.0.0.0'}",  # noqa: S104 -- no address yet
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {H264}",
        f"a=rtpmap:{H264} H264/90000",
        f"a=fmtp:{H264} packetization-mode=1;profile-level-id={sps[1:4].hex()};sprop-parameter-sets={sets}",
        "a=control:trackID=0",
    )
    return "\r\n".join(lines) + "\r\n"
