"""Whether coordinates can be those of a court's seat. Pure; WGS-84 degrees.

Maps on sale in China are shifted by some hundred metres (GCJ-02): no check can see that, so the pages say it.
"""

from __future__ import annotations

import math
from typing import ClassVar, Final

from central.base.errors import InvalidInputError

# The country's extent with a margin, degrees: south, north, west, east.
SOUTH, NORTH, WEST, EAST = 3.0, 54.0, 73.0, 136.0
# A court moves within its town or to the next; it does not leave its division.
MAX_MOVE_KM: Final = 100.0
# No court lies farther from the one above it: Kashgar and Ngari are some 1,100 km from their high courts.
MAX_FROM_SUPERIOR_KM: Final = 1500.0
_EARTH_KM: Final = 6371.0


class CoordinateFormatError(InvalidInputError):
    """What was typed is no number of degrees."""

    code: ClassVar[str] = "coordinate_format"


class SeatSwappedError(InvalidInputError):
    """Latitude and longitude stand in each other's field."""

    code: ClassVar[str] = "seat_swapped"


class SeatOutsideError(InvalidInputError):
    """The place lies outside the country."""

    code: ClassVar[str] = "seat_outside"


class SeatTooFarError(InvalidInputError):
    """The place is too far from where it must be near."""

    code: ClassVar[str] = "seat_too_far"


def parse_degrees(text: str) -> float:
    """Return degrees typed as 25.592; raises CoordinateFormatError."""
    try:
        degrees = float(text.strip())
    except ValueError:
        degrees = math.nan
    if not math.isfinite(degrees):
        raise CoordinateFormatError(
            f"{text[:20]!r} is no coordinate: write degrees with decimals, such as 25.592 and 100.230."
        )
    return degrees


def check_seat(lat: float, lon: float) -> tuple[float, float]:
    """Return (lat, lon) rounded to 0.000001 degree (0.1 m).

    Raises CoordinateFormatError, SeatSwappedError or SeatOutsideError.
    """
    if not (math.isfinite(lat) and math.isfinite(lon)):
        raise CoordinateFormatError("Latitude and longitude must be numbers, such as 25.592 and 100.230.")
    if _is_inside(lon, lat):
        raise SeatSwappedError(f"Latitude {lat:g} and longitude {lon:g} look exchanged: latitude comes first.")
    if not _is_inside(lat, lon):
        raise SeatOutsideError(
            f"{lat:g}, {lon:g} lies outside China: latitude runs from 3 to 54, longitude from 73 to 136; correct it.",
            lat=f"{lat:g}",
            lon=f"{lon:g}",
        )
    return round(lat, 6), round(lon, 6)


def check_distance(one: tuple[float, float], other: tuple[float, float], limit_km: float) -> None:
    """Raise SeatTooFarError when two (lat, lon) are more than `limit_km` apart."""
    apart_km = distance_km(one, other)
    if apart_km > limit_km:
        raise SeatTooFarError(
            f"This is {apart_km:.0f} km away where at most {limit_km:.0f} km are plausible: check both coordinates.",
            km=round(apart_km),
            limit=round(limit_km),
        )


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the great-circle distance of two (lat, lon), km (haversine formula)."""
    lat1, lon1, lat2, lon2 = (math.radians(degrees) for degrees in (*one, *other))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def _is_inside(lat: float, lon: float) -> bool:
    return SOUTH <= lat <= NORTH and WEST <= lon <= EAST
