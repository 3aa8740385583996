"""Uplink messages packed for a link that is full: raw DEFLATE (RFC 1951) over words both ends know beforehand.

A message is JSON and begins with ``{``; a packed one begins with a byte that neither JSON nor a sealed frame
(`contract.channel`) begins with, and that names the words. Where frames are sealed, what is sealed is packed. One
fix in its envelope shrinks from some 300 bytes to 130, two hundred from 39 kB to 4 kB. A kit packs only for a centre
that said in a receipt that it can unpack (`messages.TelemetryReceipt.unpacks`).
"""

from __future__ import annotations

import zlib
from typing import Final

# Another dictionary needs another mark: what was packed with this one stays readable.
_MARK: Final = b"\x10"
_WORDS: Final = (
    b'{"record":"","sig":"","kit_time_ms":,"note":"","number":,"state":"received","felt","done","at_ms":'
    b'{"alarm_id":"","kind":"mark","fault","pressed_ms":,"boot_ms":,"recording_id":"","category":"","task":'
    b'"version":"0.3.0","uptime_s":,"duty":true,"recording":false,"battery_pct":,"temp_c":,"disk_free_bytes":,'
    b'"outbox":,"vault":,"warnings":[],"clock_source":"gps","clock_error_ms":,"utc_ms":,"memory_pct":,"oldest_ms":'
    b'"suspect":"","source":"track","mode":2,"lat":0123456789,"lon":1234567890,"fix_ms":17,"alt_m":,"speed_mps":,'
    b'"course_deg":,"accuracy_m":4.0}'
    b'{"spool":"0123456789abcdef","boot":"fedcba9876543210","items":[{"seq":1,"at_ms":17,"body":{"lat":,"lon":'
    b',"fix_ms":17,"alt_m":,"speed_mps":0.,"course_deg":,"accuracy_m":,"source":"track"},"mono_ms":'
    b'},{"seq":1,"at_ms":17,"body":{"lat":}],"v":1}'
)


class PackingError(ValueError):
    """What came cannot be unpacked; the text is the one-line reason."""


def pack(message: bytes) -> bytes:
    """The message packed, or as it is where that is no shorter."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_WORDS)
    packed = _MARK + packer.compress(message) + packer.flush()
    return packed if len(packed) < len(message) else message


def is_packed(data: bytes) -> bool:
    """Whether this is no message yet, but one that `unpack` takes."""
    return data[:1] == _MARK


def unpack(data: bytes, *, max_bytes: int) -> bytes:
    """The message that was packed. Raises PackingError; of one longer than ``max_bytes`` no more is ever made."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_WORDS)
    try:
        message = unpacker.decompress(memoryview(data)[1:], max_bytes + 1)
    except zlib.error as error:
        raise PackingError(f"A packed message cannot be unpacked ({error}).") from error
    if len(message) > max_bytes:
        raise PackingError(f"A packed message is longer than the {max_bytes} bytes allowed.")
    if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise PackingError("A packed message is cut short or followed by something.")
    return message
