"""Who may know where the officer is, and when; and what a position must say about itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contract import messages
from contract.messages import Fix
from edge.options import PositionSettings, StorageSettings
from edge.reach.trusted_time import TrustedTime
from edge.spool import Spool
from edge.spool.last_fix import find_last_fix
from edge.uplink.fixes import ROLLOVER
from edge.uplink.gpsd_source import GpsdSource, Reading
from edge.uplink.position import NoSource, PositionReporter, open_source
from edge.uplink.track import TrackError, TrackSource
from tests.fakes.scripted_source import ScriptedSource

NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


def make_fix(fix_ms: int = NOW_MS, lat: float = 25.6) -> Reading:
    return Reading(Fix(lat=lat, lon=100.26, fix_ms=fix_ms), "3D fix")


NO_FIX = Reading(None, "no fix")


def make_reporter(spool: Spool, time: TrustedTime, *readings: Reading) -> PositionReporter:
    return PositionReporter(spool, ScriptedSource(*readings), time, StorageSettings())


def sent(spool: Spool) -> list[Fix]:
    return [messages.decode(entry.body, Fix) for entry in spool.outbox.pending(100, ("position",))]


def test_on_duty_every_new_fix_is_reported_once(spool: Spool, trusted_time: TrustedTime) -> None:
    spool.state.set("duty", True)
    first, second = make_fix(NOW_MS, 25.6), make_fix(NOW_MS + 1000, 25.7)
    reporter = make_reporter(spool, trusted_time, first, first, NO_FIX, second)
    assert [reporter.turn() for _ in range(5)] == [True, False, False, True, False]
    assert [fix.lat for fix in sent(spool)] == [25.6, 25.7]
    assert spool.state.get("gps_status") == "3D fix"


@pytest.mark.parametrize(
    ("sos", "reported"),
    [
        (None, False),
        ({"alarm_id": "a" * 32, "acked": False, "withdrawn": False}, True),
        ({"alarm_id": "a" * 32, "acked": True, "withdrawn": False}, False),
        ({"alarm_id": "a" * 32, "acked": False, "withdrawn": True}, False),
    ],
)
def test_off_duty_only_an_open_sos_tells_the_place(
    spool: Spool, trusted_time: TrustedTime, sos: object, reported: bool
) -> None:
    spool.state.set("sos", sos)
    assert make_reporter(spool, trusted_time, make_fix()).turn() is reported
    known = find_last_fix(spool)
    assert known is not None and known.lat == 25.6, "alarms and evidence carry it all the same"


def test_a_lost_fix_leaves_the_last_one_with_its_age(spool: Spool, trusted_time: TrustedTime) -> None:
    reporter = make_reporter(spool, trusted_time, make_fix(), NO_FIX)
    reporter.turn()
    reporter.turn()
    assert spool.state.get("gps_status") == "no fix"
    told = spool.state.get("last_fix")
    assert told["boot"] == spool.boot and told["monotonic_ms"] > 0


def test_a_receiver_past_its_week_rollover_is_stated_as_suspect(spool: Spool, trusted_time: TrustedTime) -> None:
    spool.state.set("duty", True)
    behind = NOW_MS - 1024 * 7 * 86_400_000
    make_reporter(spool, trusted_time, make_fix(behind)).turn()
    (fix,) = sent(spool)
    assert (fix.suspect, fix.fix_ms) == (ROLLOVER, behind)


def test_sources_by_settings(tmp_path: Path) -> None:
    assert isinstance(open_source(PositionSettings(source="none")), NoSource)
    assert open_source(PositionSettings(source="none")).read().fix is None
    assert isinstance(open_source(PositionSettings(source="gpsd")), GpsdSource)
    path = tmp_path / "track.gpx"
    path.write_text('<gpx><rte><rtept lat="1" lon="2"/></rte></gpx>')
    assert isinstance(open_source(PositionSettings(source="track", track=str(path))), TrackSource)
    with pytest.raises(TrackError):
        open_source(PositionSettings(source="track", track=str(tmp_path / "absent")))
