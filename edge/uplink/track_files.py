"""Tracks as NMEA 0183 logs and GPX 1.0/1.1 files.

Files made by others are read as they come: NMEA lines with a wrong or missing checksum are passed over,
a track without times is walked one point a second. A GPX with a document type is refused, for it could
pull in other files.
"""

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from xml.parsers import expat  # no entity is ever expanded: a document type is refused

from edge.uplink.track import UNKNOWN, Point, Track, TrackError

MAX_FILE_BYTES = 64 * 1024 * 1024
_KNOT_MPS = 1852 / 3600
_HALF_DAY_S = 43_200.0


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
        self._height_m = self._speed_mps = self._course_deg = UNKNOWN

    def take(self, kind: str, fields: list[str]) -> None:
        if kind == "RMC" and fields[2] == "A":
            day, month, year = int(fields[9][0:2]), int(fields[9][2:4]), int(fields[9][4:6])
            century = 1900 if year >= 80 else 2000
            at = datetime(century + year, month, day, tzinfo=UTC)
            self._speed_mps = float(fields[7]) * _KNOT_MPS if fields[7] else UNKNOWN
            self._course_deg = float(fields[8]) if fields[8] else UNKNOWN
            self._add(fields[1], fields[3:7], day_s=at.timestamp())
        elif kind == "GGA" and fields[6] not in ("", "0"):
            self._height_m = float(fields[9]) if fields[9] else UNKNOWN
            self._add(fields[1], fields[2:6])
        elif kind == "GLL" and fields[6] == "A":
            self._add(fields[5], fields[1:5])
        elif kind == "VTG":
            self._course_deg = float(fields[1]) if fields[1] else UNKNOWN
            self._speed_mps = float(fields[5]) * _KNOT_MPS if fields[5] else UNKNOWN

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
        return float(text) if text else UNKNOWN
    except ValueError:
        return UNKNOWN
