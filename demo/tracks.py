"""Patrol tracks for the demo's kits: closed loops around a county seat, written as GPX 1.1.

The places are the county seats of Dali; the loops on them are invented. A track is an honest GPX file, read by the
kit's own track source, so that nothing in the kit knows that it is in a demo.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

_EARTH_M_PER_DEG: Final = 111_320.0
_HARMONICS: Final = 4


@dataclass(frozen=True)
class Loop:
    """A closed patrol around (lat, lon), WGS-84 degrees, of mean radius ``radius_m``, driven at ``speed_mps``."""

    lat: float
    lon: float
    radius_m: float
    speed_mps: float
    seed: int


def make_points(loop: Loop) -> list[tuple[float, float]]:
    """(lat, lon) at one point a second, once around; the last point meets the first."""
    dice = random.Random(loop.seed)  # noqa: S311 -- a shape, not a secret
    waves = [(dice.uniform(0.05, 0.22) / order, dice.uniform(0, math.tau)) for order in range(1, _HARMONICS + 1)]
    steps = max(60, round(math.tau * loop.radius_m / loop.speed_mps))
    points = []
    for step in range(steps + 1):
        angle = math.tau * step / steps
        swell = 1 + sum(size * math.sin(order * angle + turn) for order, (size, turn) in enumerate(waves, 1))
        north, east = loop.radius_m * swell * math.cos(angle), loop.radius_m * swell * math.sin(angle)
        points.append(_offset(loop, north, east))
    return points


def write_gpx(path: Path, loop: Loop, name: str) -> None:
    """Write the loop as a GPX 1.1 track with one point a second."""
    rows = [
        f'<trkpt lat="{lat:.6f}" lon="{lon:.6f}"><time>{_clock(second)}</time></trkpt>'
        for second, (lat, lon) in enumerate(make_points(loop))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gpx version="1.1" creator="zhixing-demo" xmlns="http://www.topografix.com/GPX/1/1">\n'
        f"<trk><name>{escape(name)}</name><trkseg>\n" + "\n".join(rows) + "\n</trkseg></trk></gpx>\n",
        encoding="utf-8",
    )


def _offset(loop: Loop, north_m: float, east_m: float) -> tuple[float, float]:
    lat = loop.lat + north_m / _EARTH_M_PER_DEG
    return lat, loop.lon + east_m / (_EARTH_M_PER_DEG * math.cos(math.radians(loop.lat)))


def _clock(second: int) -> str:
    minutes, seconds = divmod(second, 60)
    hours, minutes = divmod(minutes, 60)
    return f"2026-01-05T{hours:02d}:{minutes:02d}:{seconds:02d}Z"
