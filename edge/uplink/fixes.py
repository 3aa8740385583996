"""From a receiver's numbers to a position the contract accepts, with every doubt stated."""

import math
from typing import Any

import msgspec

from contract.messages import Fix

DAY_MS = 86_400_000
# GPS counts weeks in ten bits: an old receiver falls back by 1024 weeks at each turn.
ROLLOVER_MS = 1024 * 7 * DAY_MS
ROLLOVER = "gps_week_rollover"
BEHIND = "receiver_time_behind"
# The floor is at least the last time the kit ran; its certificate would have ended long before.
LONGEST_SLEEP_MS = 10 * 365 * DAY_MS
AHEAD = "receiver_time_ahead"


def build_fix(**values: Any) -> Fix | None:
    """A Fix of these fields; None when it is no position at all.

    No position: missing, not a number, out of range, or exactly 0 in latitude or longitude, which is what
    libraries give in place of "unknown". An optional field out of its range is left out.
    """
    lat, lon = values.get("lat"), values.get("lon")
    if not _is_number(lat) or not _is_number(lon) or lat == 0.0 or lon == 0.0:
        return None
    fields: dict[str, Any] = {"lat": lat, "lon": lon}
    for name, value in values.items():
        if name in fields or value is None or (isinstance(value, float) and not math.isfinite(value)):
            continue
        if _is_valid({**fields, name: value}):
            fields[name] = value
    return msgspec.convert(fields, Fix) if _is_valid(fields) else None


def judge_time(fix_ms: int, *, floor_ms: int, now_ms: int | None) -> str:
    """Why the receiver's time is suspect, or "" when it is not.

    `floor_ms` surely has passed; `now_ms` is the trusted present, None when unknown.
    """
    if fix_ms >= floor_ms - DAY_MS:
        return AHEAD if fix_ms > (floor_ms + LONGEST_SLEEP_MS if now_ms is None else now_ms + DAY_MS) else ""
    turns = math.ceil((floor_ms - DAY_MS - fix_ms) / ROLLOVER_MS)
    latest = (now_ms if now_ms is not None else floor_ms + 5 * 365 * DAY_MS) + DAY_MS
    return ROLLOVER if fix_ms + turns * ROLLOVER_MS <= latest else BEHIND


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_valid(fields: dict[str, Any]) -> bool:
    try:
        msgspec.convert(fields, Fix)
    except msgspec.ValidationError:
        return False
    return True
