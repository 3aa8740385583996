"""Live markers and signs of life on their way from the intake to the screens, gathered: a few messages a second."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from central.devices.rules import PositionRow


class LivePosition(msgspec.Struct, array_like=True, frozen=True):
    """A marker that has moved. Times in ms, degrees WGS-84."""

    kit_id: str
    court_code: str
    lat: float
    lon: float
    received_ms: int
    fix_ms: int | None
    mode: int
    speed_mps: float | None
    course_deg: float | None
    suspect: str


class Heard(msgspec.Struct, array_like=True, frozen=True):
    """When kits were heard last, ms by kit id; said also when none was: then only that the intake works."""

    now_ms: int
    kits: dict[str, int]


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(list[LivePosition])
_HEARD_DECODER = msgspec.json.Decoder(Heard)


def live_position(kit_id: str, court_code: str, row: PositionRow) -> LivePosition:
    """Return the marker that `row` moves."""
    return LivePosition(
        kit_id,
        court_code,
        row.lat,
        row.lon,
        row.received_ms,
        row.fix_ms,
        row.mode,
        row.speed_mps,
        row.course_deg,
        row.suspect,
    )


def encode_positions(positions: Iterable[LivePosition]) -> bytes:
    """Return the payload for `central.positions`."""
    return _ENCODER.encode(list(positions))


def decode_positions(payload: bytes) -> list[LivePosition]:
    """Read such a payload; raises msgspec.MsgspecError for anything else."""
    return _DECODER.decode(payload)


def encode_heard(heard: Heard) -> bytes:
    """Return the payload for `central.heard`."""
    return _ENCODER.encode(heard)


def decode_heard(payload: bytes) -> Heard:
    """Read such a payload; raises msgspec.MsgspecError for anything else."""
    return _HEARD_DECODER.decode(payload)
