"""WebSocket frames (RFC 6455, 5.2) as the relay meets them thousands of times a second. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # a machine without the compiled part: the same, only slower
    from websockets.utils import apply_mask

BINARY: Final = 0x82
"""First byte of a binary message in one piece, without extensions."""
_MASKED: Final = 0x80
_SHORT, _LONG = 126, 127
_MASK_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Found:
    """Where a frame's body begins and ends; strange when a server must refuse it: unmasked or too long."""

    body: int
    end: int
    is_strange: bool = False


def find_frame(data: bytearray, at: int, max_bytes: int) -> Found | None:
    """The frame that begins at ``at``; None while its head is not here. Its end may not be here yet."""
    if len(data) - at < 2:
        return None
    head, size = at + 2, data[at + 1] & 0x7F
    is_masked = bool(data[at + 1] & _MASKED)
    if size >= _SHORT:
        head += 2 if size == _SHORT else 8
        if len(data) < head:
            return None
        size = int.from_bytes(data[at + 2 : head], "big")
    body = head + _MASK_BYTES
    return Found(body, body + size, is_strange=not is_masked or size > max_bytes)


def unmask(data: bytearray, body: int, end: int) -> bytes:
    """The clear body of a whole frame, as `find_frame` found it."""
    return apply_mask(bytes(data[body:end]), bytes(data[body - _MASK_BYTES : body]))


def frame_binary(message: bytes) -> bytes:
    """A message as a server sends it: one frame, not masked."""
    size = len(message)
    if size < _SHORT:
        return bytes((BINARY, size)) + message
    if size <= 0xFFFF:
        return bytes((BINARY, _SHORT)) + size.to_bytes(2, "big") + message
    return bytes((BINARY, _LONG)) + size.to_bytes(8, "big") + message
