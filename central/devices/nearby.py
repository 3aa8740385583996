"""Which kits are near a place just now: distances on the globe, and the newest fixes around a point."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from sqlmodel import Session, col, select

from central.devices.models import Kit, KitState
from central.devices.rules import KitRef, trail_time_ms

EARTH_M: Final = 6_371_008.8
# An officer is where his kit said he was for about so long.
FRESH_MS: Final = 60_000
# The intermediate court (中级人民法院) has a character and two digits; the courts under it go on from there.
_TREE_CHARS: Final = 3


class Nearby(NamedTuple):
    """A kit and how far it is, in metres."""

    kit: KitRef
    distance_m: float


def distance_m(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Great-circle distance in metres between two places in degrees WGS-84."""
    a, b = math.radians(lat), math.radians(other_lat)
    half_lat, half_lon = (b - a) / 2, math.radians(other_lon - lon) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(a) * math.cos(b) * math.sin(half_lon) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, chord)))


def shares_tree(court_code: str, other_code: str) -> bool:
    """Whether two courts work under one intermediate court, or one of them is above the other."""
    root = court_code[:_TREE_CHARS]
    return other_code.startswith(root) or root.startswith(other_code)


def list_nearby(
    session: Session, kit: KitRef, *, lat: float, lon: float, radius_m: int, now_ms: int, limit: int = 12
) -> list[Nearby]:
    """Return other kits of the same court tree whose fix of the last minute lies within `radius_m`, nearest first.

    For work inside the centre (no actor): what follows from it is a flow's to audit.
    """
    reach_lat = math.degrees(radius_m / EARTH_M)
    reach_lon = reach_lat / max(0.01, math.cos(math.radians(lat)))
    query = (
        select(Kit, KitState)
        .join(KitState, col(KitState.kit_no) == Kit.kit_no)
        .where(
            Kit.kit_no != kit.kit_no,
            col(Kit.revoked_ms).is_(None),
            col(KitState.lat).between(lat - reach_lat, lat + reach_lat),
            col(KitState.lon).between(lon - reach_lon, lon + reach_lon),
            col(KitState.fix_received_ms) >= now_ms - FRESH_MS,
        )
    )
    found = []
    for row, state in session.exec(query):
        if row.kit_no is None or state.lat is None or state.lon is None:
            continue
        away_m = distance_m(lat, lon, state.lat, state.lon)
        if away_m <= radius_m and shares_tree(kit.court_code, row.court_code) and _is_fresh(state, now_ms):
            found.append(Nearby(KitRef(row.kit_no, row.kit_id, row.court_code), away_m))
    return sorted(found, key=lambda near: near.distance_m)[:limit]


def _is_fresh(state: KitState, now_ms: int) -> bool:
    """A backlog's old fix may have been received a moment ago."""
    if state.fix_received_ms is None or state.fix_at_ms is None:
        return False
    return trail_time_ms(state.fix_ms, state.fix_at_ms, state.fix_received_ms) >= now_ms - FRESH_MS
