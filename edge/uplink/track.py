"""A recorded track, replayed at its own pace from now on; `track_files` reads it."""

import math
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from edge.uplink.fixes import build_fix
from edge.uplink.gpsd_source import Reading

UNKNOWN = math.nan
_DEGREE_M = 111_195.0
# Across a longer silence the track jumps instead of gliding.
MAX_GLIDE_S = 30.0


class TrackError(ValueError):
    """The file holds no usable track; the text says why."""


class Point(NamedTuple):
    """One point: seconds since the track's first point, degrees, metres, m/s, degrees; nan for unknown."""

    at_s: float
    lat: float
    lon: float
    alt_m: float
    speed_mps: float
    course_deg: float


class Track:
    """Points in the order of their time, held compactly."""

    def __init__(self, points: list[Point]) -> None:
        if not points:
            raise TrackError("the file holds no position with a fix")
        first = points[0].at_s
        ordered: list[Point] = []
        for point in points:
            if not ordered or point.at_s > ordered[-1].at_s:
                ordered.append(point)
        self._at_s = array("d", (point.at_s - first for point in ordered))
        self._columns = tuple(array("d", column) for column in zip(*[point[1:] for point in ordered], strict=True))

    def __len__(self) -> int:
        return len(self._at_s)

    @property
    def length_s(self) -> float:
        """From the first point to the last."""
        return self._at_s[-1]

    def find(self, at_s: float) -> Point:
        """The position at `at_s`, gliding between neighbours; the ends hold beyond the ends."""
        index = max(0, bisect_right(self._at_s, at_s) - 1)
        here = self._get(index)
        if index + 1 >= len(self):
            return here
        following = self._get(index + 1)
        span_s = following.at_s - here.at_s
        if span_s > MAX_GLIDE_S:
            return here
        part = (at_s - here.at_s) / span_s
        speed_mps, course_deg = _measure_leg(here, following)
        return Point(
            at_s=at_s,
            lat=here.lat + (following.lat - here.lat) * part,
            lon=here.lon + (following.lon - here.lon) * part,
            alt_m=here.alt_m + (following.alt_m - here.alt_m) * part,
            # A GPX seldom says how fast and where to: two points do.
            speed_mps=speed_mps if math.isnan(here.speed_mps) else here.speed_mps,
            course_deg=course_deg if math.isnan(here.course_deg) else here.course_deg,
        )

    def _get(self, index: int) -> Point:
        return Point(self._at_s[index], *(column[index] for column in self._columns))


def _measure_leg(start: Point, end: Point) -> tuple[float, float]:
    """Speed in m/s and course in degrees from one point to the next, on a locally flat earth."""
    north_m = (end.lat - start.lat) * _DEGREE_M
    east_m = (end.lon - start.lon) * _DEGREE_M * math.cos(math.radians(start.lat))
    course_deg = math.degrees(math.atan2(east_m, north_m)) % 360
    return math.hypot(north_m, east_m) / (end.at_s - start.at_s), course_deg


class TrackSource:
    """Replays a track; with `loop` it is walked there and back, so that nobody leaps across the county."""

    def __init__(
        self,
        track: Track,
        *,
        speed: float = 1.0,
        loop: bool = True,
        start_at_s: float = 0.0,
        monotonic_s: Callable[[], float] = time.monotonic,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._track = track
        self._speed = speed
        self._loop = loop
        self._start_at_s = start_at_s
        self._monotonic_s = monotonic_s
        self._clock_ms = clock_ms
        self._began_s = monotonic_s()

    def read(self) -> Reading:
        """The position now; see PositionSource."""
        at_s = self._start_at_s + (self._monotonic_s() - self._began_s) * self._speed
        back = False
        if self._loop and self._track.length_s > 0:
            at_s %= 2 * self._track.length_s
            back = at_s > self._track.length_s
            at_s = 2 * self._track.length_s - at_s if back else at_s
        elif at_s > self._track.length_s:
            return Reading(None, "the track has ended")
        point = self._track.find(at_s)
        course = (point.course_deg + 180) % 360 if back else point.course_deg
        fix = build_fix(
            lat=point.lat,
            lon=point.lon,
            fix_ms=self._clock_ms(),
            mode=2 if math.isnan(point.alt_m) else 3,
            alt_m=point.alt_m,
            speed_mps=point.speed_mps,
            course_deg=course,
            source="track",
        )
        return Reading(fix, "replayed track")

    def close(self) -> None:
        """Nothing is held open."""
