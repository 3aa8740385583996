"""What the recorder must know of an H.264 elementary stream in Annex-B form (ITU-T H.264, annex B and 7.3)."""

from __future__ import annotations

from typing import Final

IDR: Final = 5
SPS: Final = 7
PPS: Final = 8
_START: Final = b"\x00\x00\x01"
_LONG_START: Final = b"\x00\x00\x00\x01"


class NotH264Error(ValueError):
    """Bytes that should begin an H.264 picture do not."""


def split_nals(data: bytes) -> list[bytes]:
    """NAL units of an Annex-B access unit, without start codes or trailing zeros."""
    nals = []
    at = data.find(_START)
    while at >= 0:
        begin = at + 3
        at = data.find(_START, begin)
        nal = data[begin:] if at < 0 else data[begin:at]
        nals.append(nal.rstrip(b"\x00"))
    return [nal for nal in nals if nal]


def has_nal(data: bytes, kind: int) -> bool:
    """Whether an access unit holds a NAL unit of ``kind``; stops at the first slice of a picture."""
    at = data.find(_START)
    while 0 <= at < len(data) - 3:
        found = data[at + 3] & 0x1F
        if found == kind:
            return True
        if found in (1, IDR):
            return False
        at = data.find(_START, at + 3)
    return False


def with_parameter_sets(data: bytes, parameter_sets: bytes) -> bytes:
    """A key frame that can be decoded alone: ``parameter_sets`` (Annex B) put before it when it has none."""
    return data if has_nal(data, SPS) else parameter_sets + data


def parameter_sets(data: bytes) -> list[bytes]:
    """The SPS and PPS before the first slice of an access unit, in their order; the slices are not searched."""
    found = []
    at = data.find(_START)
    while 0 <= at < len(data) - 3 and data[at + 3] & 0x1F not in (1, IDR):
        begin, at = at + 3, data.find(_START, at + 3)
        if data[begin] & 0x1F in (SPS, PPS):
            found.append((data[begin:] if at < 0 else data[begin:at]).rstrip(b"\x00"))
    return found


def codec_text(key_frame: bytes) -> str:
    """RFC 6381 codec text such as ``avc1.42C01F``, from the frame's own SPS; raise NotH264Error without one."""
    for nal in parameter_sets(key_frame):
        if nal[0] & 0x1F == SPS and len(nal) >= 4:
            return f"avc1.{nal[1]:02X}{nal[2]:02X}{nal[3]:02X}"
    raise NotH264Error("The key frame carries no SPS; the source must repeat it with every key frame.")


def annex_b_parameter_sets(extradata: bytes) -> bytes:
    """SPS and PPS of a stream's extradata as Annex B, whether it is Annex B already or an avcC box (ISO 14496-15)."""
    if extradata.startswith((_START, _LONG_START)):
        return extradata
    if len(extradata) < 7 or extradata[0] != 1:
        return b""
    out = bytearray()
    at = 5
    for mask in (0x1F, 0xFF):
        if at >= len(extradata):
            break
        count = extradata[at] & mask
        at += 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            out += _LONG_START + extradata[at + 2 : at + 2 + size]
            at += 2 + size
    return bytes(out)
