"""What a segment's container holds: a small CBOR header, then the picture and sound as fragmented MP4.

The header travels encrypted, so that place and time of a recording are no more readable than its picture.
Layout: 4 bytes big-endian length of the header, the header, the fMP4 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from contract.signing import CodecError, dumps, loads

SALT_BYTES: Final = 32
MAX_HEADER_BYTES: Final = 16 * 1024
DEFAULT_MIME: Final = 'video/mp4; codecs="avc1.42C01F"'


class SegmentError(ValueError):
    """A decrypted segment does not have the layout it should have."""


@dataclass(frozen=True, kw_only=True)
class SegmentHeader:
    """Times in ms since the epoch (wall) and since boot (monotonic); ``fix`` as in ``messages.Fix``.

    ``salt`` blinds the digest of the clear segment in the chain record until the segment is disclosed.
    ``facts`` names people and matters (``case_no``, ``officer``, ``task``, ``title``, ``category``, ``by``): only
    here, under the encryption, for the chain's records are read on the way.
    """

    recording_id: bytes
    seq: int
    salt: bytes
    started_ms: int
    monotonic_ms: int
    duration_ms: int
    mime: str = DEFAULT_MIME
    fix: dict[str, Any] | None = None
    gps_ms: int | None = None
    facts: dict[str, Any] | None = None


def pack_header(header: SegmentHeader) -> bytes:
    """Length and header; the fMP4 bytes follow it."""
    fields = {
        "v": 1,
        "rid": header.recording_id,
        "seq": header.seq,
        "salt": header.salt,
        "started_ms": header.started_ms,
        "monotonic_ms": header.monotonic_ms,
        "duration_ms": header.duration_ms,
        "mime": header.mime,
        "fix": header.fix,
        "gps_ms": header.gps_ms,
    }
    if header.facts:
        fields["facts"] = header.facts
    body = dumps(fields)
    return len(body).to_bytes(4, "big") + body


def split_plaintext(data: bytes) -> tuple[SegmentHeader, bytes]:
    """Header and fMP4 bytes of a decrypted segment; raise SegmentError otherwise."""
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 or not 0 < size <= MAX_HEADER_BYTES or len(data) < 4 + size:
        raise SegmentError("The decrypted segment has no readable header.")
    try:
        fields = loads(data[4 : 4 + size])
        header = SegmentHeader(
            recording_id=fields["rid"],
            seq=fields["seq"],
            salt=fields["salt"],
            started_ms=fields["started_ms"],
            monotonic_ms=fields["monotonic_ms"],
            duration_ms=fields["duration_ms"],
            mime=fields["mime"],
            fix=fields["fix"],
            gps_ms=fields["gps_ms"],
            facts=fields.get("facts"),
        )
    except (CodecError, KeyError, TypeError) as error:
        raise SegmentError(f"The header of the decrypted segment is malformed: {error}.") from error
    if len(header.salt) != SALT_BYTES or len(header.recording_id) != 16:
        raise SegmentError("The header of the decrypted segment has a field of wrong length.")
    return header, data[4 + size :]
