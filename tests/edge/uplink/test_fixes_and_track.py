"""Positions: what counts as one, whose time is suspect, and tracks made by others."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.uplink.fixes import AHEAD, BEHIND, ROLLOVER, build_fix, judge_time
from edge.uplink.track import TrackError, TrackSource
from edge.uplink.track_files import load_track, parse_gpx, parse_nmea
from tests.foreign_media import get_nmea_log

DAY_MS = 86_400_000


def ms(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("lat", "lon"),
    [(0.0, 0.0), (25.6, 0.0), (0.0, 100.2), (math.nan, 100.2), (91.0, 100.2), (25.6, 181.0), (None, 1.0), ("a", 1.0)],
)
def test_no_position_is_no_fix(lat: float, lon: float) -> None:
    assert build_fix(lat=lat, lon=lon) is None


def test_impossible_side_facts_are_left_out() -> None:
    fix = build_fix(lat=25.6, lon=100.2, speed_mps=-1.0, course_deg=400.0, alt_m=math.nan, accuracy_m=3.5)
    assert fix is not None
    assert (fix.speed_mps, fix.course_deg, fix.alt_m, fix.accuracy_m) == (None, None, None, 3.5)


@pytest.mark.parametrize(
    ("fix_ms", "now_ms", "told"),
    [
        (ms(2026, 11, 23), ms(2026, 11, 23), ""),
        (ms(2026, 11, 23), None, ""),
        (ms(2026, 11, 22), None, ""),
        (ms(2007, 4, 9), ms(2026, 11, 23), ROLLOVER),
        (ms(2007, 4, 9), None, ROLLOVER),
        (ms(1987, 8, 24), ms(2026, 11, 23), ROLLOVER),
        (ms(2020, 1, 1), ms(2026, 11, 23), BEHIND),
        (ms(2030, 1, 1), ms(2026, 11, 23), AHEAD),
        (ms(2030, 1, 1), None, ""),
        (ms(1999, 8, 22), None, BEHIND),
        (ms(1999, 1, 1), ms(2026, 11, 23), BEHIND),
        (ms(2080, 1, 1), None, AHEAD),
        (ms(2080, 1, 1), ms(2026, 11, 23), AHEAD),
    ],
)
def test_receivers_time_is_judged(fix_ms: int, now_ms: int | None, told: str) -> None:
    assert judge_time(fix_ms, floor_ms=ms(2026, 11, 22), now_ms=now_ms) == told


def sentence(body: str) -> str:
    total = 0
    for char in body:
        total ^= ord(char)
    return f"${body}*{total:02X}"


def test_nmea_reads_what_is_valid_and_passes_over_the_rest() -> None:
    good = sentence("GPRMC,120000.00,A,2536.0000,N,10015.6000,E,10.0,90.0,010524,,,A")
    lines = [
        sentence("GPGGA,120000.00,2536.0000,N,10015.6000,E,1,08,0.9,1990.5,M,,M,,"),
        good,
        good.replace("2536", "2537"),  # checksum no longer fits
        sentence("GPRMC,120001.00,V,2536.0000,N,10015.6000,E,10.0,90.0,010524,,,N"),
        sentence("GNRMC,120002.00,A,2536.0600,S,10015.6000,W,,,010524,,,A"),
        sentence("GPRMC,1200"),
        "noise",
        "$GPRMC*zz",
        "\\s:logger\\" + sentence("GPRMC,120003.00,A,2536.1200,N,10015.6000,E,1.0,1.0,010524,,,A"),
    ]
    points = parse_nmea("\r\n".join(lines))
    assert [round(point.lat, 4) for point in points] == [25.6, -25.601, 25.602]
    assert points[0].alt_m == 1990.5
    assert points[0].speed_mps == pytest.approx(5.144, abs=0.001)
    assert points[0].at_s == datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()
    assert points[1].lon < 0 and math.isnan(points[1].speed_mps)


def test_nmea_without_dates_runs_over_midnight() -> None:
    lines = [
        sentence("IIVTG,224.44,T,224.44,M,10.0,N,,,D"),
        sentence("GPGLL,6005.071,N,02332.346,E,235959,A,D"),
        sentence("GPGLL,6005.072,N,02332.346,E,000001,A,D"),
        sentence("GPGLL,6005.073,N,02332.346,E,000002,V,D"),
    ]
    points = parse_nmea("\n".join(lines))
    assert [point.at_s for point in points] == [86_399.0, 86_401.0]
    assert points[0].course_deg == 224.44 and points[0].speed_mps == pytest.approx(5.144, abs=0.001)


GPX10 = b"""<?xml version="1.0"?><gpx version="1.0" xmlns="http://www.topografix.com/GPX/1/0"><trk><trkseg>
<trkpt lat="25.600" lon="100.26"><ele>1990</ele><time>2024-05-01T08:00:00+08:00</time><speed>1.5</speed></trkpt>
<trkpt lat="25.601" lon="100.26"><time>2024-05-01T00:00:10Z</time></trkpt>
<trkpt lat="x" lon="100.26"/></trkseg></trk></gpx>"""


def test_gpx_of_both_versions() -> None:
    points = parse_gpx(GPX10)
    assert [point.lat for point in points] == [25.6, 25.601]
    assert points[1].at_s - points[0].at_s == 10
    assert points[0].speed_mps == 1.5 and math.isnan(points[1].alt_m)


def test_gpx_without_times_is_walked_a_point_a_second() -> None:
    data = b'<gpx><rte><rtept lat="1" lon="2"/><rtept lat="3" lon="4"/></rte></gpx>'
    assert [point.at_s for point in parse_gpx(data)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<gpx><trk>", "XML is broken"),
        (b'<!DOCTYPE gpx [<!ENTITY a SYSTEM "file:///etc/passwd">]><gpx>&a;</gpx>', "DOCTYPE"),
        (b"<gpx></gpx>", "no position"),
        (b"\x00\x01\x02 binary", "no position"),
    ],
)
def test_unusable_tracks_are_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "track"
    path.write_bytes(data)
    with pytest.raises(TrackError, match=why):
        load_track(path)
    with pytest.raises(TrackError, match="cannot be read"):
        load_track(tmp_path / "absent")


def test_replay_glides_and_turns_back(tmp_path: Path) -> None:
    path = tmp_path / "track.gpx"
    path.write_bytes(GPX10)
    now = [100.0]
    source = TrackSource(load_track(path), speed=2.0, monotonic_s=lambda: now[0], clock_ms=lambda: 1_700_000_000_000)
    now[0] += 2.5
    half = source.read().fix
    now[0] += 5.0
    back = source.read().fix
    assert half is not None and back is not None
    assert half.lat == pytest.approx(25.6005) and back.lat == pytest.approx(25.6005)
    assert (half.course_deg, back.course_deg) == (0.0, 180.0)
    assert half.fix_ms == 1_700_000_000_000 and half.source == "track" and half.mode == 2


def test_replay_without_loop_ends(tmp_path: Path) -> None:
    path = tmp_path / "track.gpx"
    path.write_bytes(GPX10)
    now = [0.0]
    source = TrackSource(load_track(path), loop=False, monotonic_s=lambda: now[0])
    assert source.read().fix is not None
    now[0] = 11.0
    assert source.read().fix is None and source.read().status == "the track has ended"


def test_a_log_that_no_one_here_made() -> None:
    track = load_track(get_nmea_log())
    assert len(track) > 100 and track.length_s > 60
    source = TrackSource(track)
    fix = source.read().fix
    assert fix is not None and abs(fix.lat) > 1 and fix.source == "track"
