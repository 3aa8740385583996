"""A recorded track, NMEA 0183 or GPX 1.0/1.1, replayed at its own pace from now on.

Files made by others are read as they come: NMEA lines with a wrong or missing checksum are passed over,
a track without times is walked one point a second. A GPX with a document type is refused, for it could
pull in other files.
"""

import contextlib
import math
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat  # no entity is ever expanded: a document type is refused

from edge.uplink.fixes import build_fix
from edge.uplink.gpsd_source import Reading

MAX_FILE_BYTES = 64 * 1024 * 1024
_KNOT_MPS = 1852 / 3600
_HALF_DAY_S = 43_200.0
_UNKNOWN = math.nan
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


def load_track(path: Path) -> Track:
    """Read an NMEA log or a GPX file; raise TrackError."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise TrackError(f"{path} has {size} bytes, more than the {MAX_FILE_BYTES} allowed: cut it")
        data = path.read_bytes()
    except OSError as error:
        raise TrackError(f"{path} cannot be read ({error})") from error
    try:
        is_xml = data.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"<"
        return Track(parse_gpx(data) if is_xml else parse_nmea(data.decode("ascii", "replace")))
    except TrackError as error:
        raise TrackError(f"{path} is no track this kit can replay: {error}") from error


def parse_nmea(text: str) -> list[Point]:
    """Points of RMC, GGA and GLL sentences (any talker), speed and course also of VTG.

    What is invalid is passed over. A log without dates (GLL and GGA tell only the time of day) runs on over
    midnight.
    """
    reader = _NmeaReader()
    for line in text.splitlines():
        fields = _split_sentence(line)
        if fields:
            # Numbers that are none and fields that are missing: the next sentence may be whole.
            with contextlib.suppress(ValueError, IndexError):
                reader.take(fields[0][-3:], fields)
    return reader.points


class _NmeaReader:
    """Sentences of one moment are merged into one point."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._day_s = 0.0
        self._time_s = -1.0
        self._height_m = self._speed_mps = self._course_deg = _UNKNOWN

    def take(self, kind: str, fields: list[str]) -> None:
        if kind == "RMC" and fields[2] == "A":
            day, month, year = int(fields[9][0:2]), int(fields[9][2:4]), int(fields[9][4:6])
            century = 1900 if year >= 80 else 2000
            at = datetime(century + year, month, day, tzinfo=UTC)
            self._speed_mps = float(fields[7]) * _KNOT_MPS if fields[7] else _UNKNOWN
            self._course_deg = float(fields[8]) if fields[8] else _UNKNOWN
            self._add(fields[1], fields[3:7], day_s=at.timestamp())
        elif kind == "GGA" and fields[6] not in ("", "0"):
            self._height_m = float(fields[9]) if fields[9] else _UNKNOWN
            self._add(fields[1], fields[2:6])
        elif kind == "GLL" and fields[6] == "A":
            self._add(fields[5], fields[1:5])
        elif kind == "VTG":
            self._course_deg = float(fields[1]) if fields[1] else _UNKNOWN
            self._speed_mps = float(fields[5]) * _KNOT_MPS if fields[5] else _UNKNOWN

    def _add(self, clock: str, place: list[str], *, day_s: float | None = None) -> None:
        time_s = int(clock[0:2]) * 3600 + int(clock[2:4]) * 60 + float(clock[4:])
        lat, lon = _read_degrees(place[0], place[1], "S"), _read_degrees(place[2], place[3], "W")
        same_moment = bool(self.points) and time_s == self._time_s
        if day_s is not None:
            self._day_s = day_s
        elif time_s < self._time_s - _HALF_DAY_S:
            self._day_s += 2 * _HALF_DAY_S
        self._time_s = time_s
        point = Point(self._day_s + time_s, lat, lon, self._height_m, self._speed_mps, self._course_deg)
        if same_moment:
            self.points[-1] = point
        else:
            self.points.append(point)


def _split_sentence(line: str) -> list[str]:
    """Fields of a sentence with a right checksum; a logger's own prefix before the $ is cut off."""
    start = line.find("$")
    body, star, digits = line[start + 1 :].strip().partition("*")
    if start < 0 or not star:
        return []
    total = 0
    for char in body:
        total ^= ord(char)
    try:
        return body.split(",") if int(digits[:2], 16) == total else []
    except ValueError:
        return []


def _read_degrees(text: str, side: str, negative: str) -> float:
    dot = text.index(".")
    value = float(text[: dot - 2]) + float(text[dot - 2 :]) / 60
    return -value if side == negative else value


def parse_gpx(data: bytes) -> list[Point]:
    """Points of all tracks and routes of a GPX file, in their order; raise TrackError."""
    reader = _GpxReader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.take_text
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise TrackError(f"the XML is broken ({error})") from error
    return reader.points


class _GpxReader:
    def __init__(self) -> None:
        self.points: list[Point] = []
        self._place: tuple[float, float] | None = None
        self._facts: dict[str, str] = {}
        self._text = ""

    def refuse_doctype(self, *_parts: object) -> None:
        raise TrackError("a GPX with a document type is refused: remove the <!DOCTYPE> line")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._text = ""
        if name.rsplit(" ", 1)[-1] in ("trkpt", "rtept"):
            try:
                self._place = (float(attributes["lat"]), float(attributes["lon"]))
            except (KeyError, ValueError):
                self._place = None
            self._facts = {}

    def take_text(self, text: str) -> None:
        self._text += text

    def end(self, name: str) -> None:
        tag = name.rsplit(" ", 1)[-1]
        if tag in ("ele", "time", "speed", "course"):
            self._facts[tag] = self._text.strip()
        elif tag in ("trkpt", "rtept") and self._place is not None:
            self.points.append(self._build_point(*self._place))
            self._place = None

    def _build_point(self, lat: float, lon: float) -> Point:
        last_s = self.points[-1].at_s if self.points else -1.0
        return Point(
            at_s=_read_gpx_time(self._facts.get("time", ""), otherwise=last_s + 1.0),
            lat=lat,
            lon=lon,
            alt_m=_read_number(self._facts.get("ele")),
            speed_mps=_read_number(self._facts.get("speed")),
            course_deg=_read_number(self._facts.get("course")),
        )


def _read_gpx_time(text: str, *, otherwise: float) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return at.replace(tzinfo=at.tzinfo or UTC).timestamp()


def _read_number(text: str | None) -> float:
    try:
        return float(text) if text else _UNKNOWN
    except ValueError:
        return _UNKNOWN
