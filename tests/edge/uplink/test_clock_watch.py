"""A kit whose clocks jump, roll over and contradict each other: what it states, what it reports, what it records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import messages
from contract.messages import Alarm, Fix
from edge.options import ClockSettings, StorageSettings
from edge.reach.clocks import Reading
from edge.reach.trusted_time import TrustedTime
from edge.spool import Spool, open_spool
from edge.spool.gps_time import OLDEST_MS, find_gps_ms
from edge.uplink.clock_watch import EVERY_MS, LOOKS_BEFORE_ALARM, ClockWatch, find_belief
from edge.uplink.fixes import ROLLOVER, ROLLOVER_MS
from edge.uplink.gpsd_source import Reading as PositionReading
from edge.uplink.position import PositionReporter
from tests.fakes.clocks import START_MS, KitClock
from tests.fakes.scripted_source import ScriptedSource

DAY_MS = 86_400_000


class Desk:
    """A watch over clocks that the test moves."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.clock = KitClock()
        self.time = TrustedTime(START_MS - 10 * DAY_MS, clock_ms=self.clock.wall_ms, monotonic_ms=self.clock.boot_ms)
        self.ntp_off_ms: int | None = None
        self.rtc_off_ms: int | None = None
        self.watch = ClockWatch(
            spool,
            self.time,
            ClockSettings(),
            read_os_clock=lambda: self._read("ntp", self.ntp_off_ms, 40),
            read_battery_clock=lambda: self._read("rtc", self.rtc_off_ms, 60_000),
            wall_ms=self.clock.wall_ms,
            boot_ms=self.clock.boot_ms,
        )

    def _read(self, source: str, off_ms: int | None, error_ms: int) -> Reading | None:
        now_ms = self.clock.boot_ms()
        offset_ms = self.clock.true_ms() - now_ms
        return None if off_ms is None else Reading(source, offset_ms + off_ms, error_ms, now_ms)  # type: ignore[arg-type]

    def fix(self, off_ms: int = 0, suspect: str = "") -> None:
        self.watch.note_fix(self.clock.true_ms() - 300 + off_ms, suspect)

    def look(self, times: int = 1) -> dict[str, object]:
        for _ in range(times):
            self.clock.run(EVERY_MS)
            self.watch.turn()
        told = self.spool.state.get("clock_status")
        assert isinstance(told, dict)
        return told

    def alarms(self) -> list[str]:
        entries = self.spool.outbox.pending(100, ("alarm",))
        return [messages.decode(entry.body, Alarm).note for entry in entries]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_spool(tmp_path / "spool.db") as spool:
        yield Desk(spool)


def test_it_states_what_is_believed_and_how_far_off_the_wall_clock_is(desk: Desk) -> None:
    desk.clock.set_wall(0)
    desk.fix()
    told = desk.look()
    assert (told["source"], told["disagree"]) == ("gps", [])
    assert told["offset_ms"] == pytest.approx(-START_MS, abs=2_000)
    assert 0 < told["error_ms"] <= 1_000  # type: ignore[operator]


def test_jumps_of_the_wall_clock_change_nothing_that_is_believed(desk: Desk) -> None:
    desk.fix()
    before = desk.look()
    for wall_ms in (0, START_MS + 12 * 365 * DAY_MS, 2_147_483_647_000):
        desk.clock.set_wall(wall_ms)
        after = desk.look()
        assert after["utc_offset_ms"] == before["utc_offset_ms"]
        assert desk.spool.state.get("clock_step")["step_ms"] != 0
    report = find_belief(desk.spool, boot_ms=desk.clock.boot_ms)
    assert abs(report["utc_ms"] - desk.clock.true_ms()) <= report["clock_error_ms"]


def test_a_lasting_dispute_is_reported_once_and_a_new_one_again(desk: Desk) -> None:
    desk.time.learn_now(desk.clock.true_ms(), round_trip_ms=80)
    desk.ntp_off_ms = 3_600_000
    desk.look(LOOKS_BEFORE_ALARM - 1)
    assert desk.alarms() == [], "it might be over by the next look"
    told = desk.look(10)
    assert told["disagree"] == ["ntp"]
    assert len(desk.alarms()) == 1 and desk.alarms()[0].startswith("clock_dispute: centre, ±")
    desk.ntp_off_ms = 0
    assert desk.look(2)["disagree"] == []
    desk.rtc_off_ms = -DAY_MS
    desk.look(LOOKS_BEFORE_ALARM)
    assert len(desk.alarms()) == 2


def test_a_dispute_is_not_reported_anew_after_a_restart(desk: Desk) -> None:
    desk.time.learn_now(desk.clock.true_ms())
    desk.rtc_off_ms = DAY_MS
    desk.look(LOOKS_BEFORE_ALARM)
    again = Desk(desk.spool)
    again.time.learn_now(again.clock.true_ms())
    again.rtc_off_ms = DAY_MS
    again.look(2 * LOOKS_BEFORE_ALARM)
    assert len(desk.alarms()) == 1


@pytest.mark.parametrize(("off_ms", "suspect"), [(-ROLLOVER_MS, ROLLOVER), (-27 * 365 * DAY_MS, ""), (3_600_000, "")])
def test_a_lying_receiver_never_gets_into_evidence(desk: Desk, off_ms: int, suspect: str) -> None:
    desk.time.learn_now(desk.clock.true_ms())
    desk.fix(off_ms, suspect)
    assert desk.look()["disagree"] == ["gps"]
    assert find_gps_ms(desk.spool, desk.clock.boot_ms()) is None


def test_satellite_time_is_there_for_every_record_of_this_boot(desk: Desk) -> None:
    desk.clock.set_wall(0)
    desk.fix()
    desk.look()
    now_ms = desk.clock.boot_ms()
    assert abs((find_gps_ms(desk.spool, now_ms) or 0) - desk.clock.true_ms()) <= 1_000
    assert find_gps_ms(desk.spool, now_ms + OLDEST_MS + EVERY_MS) is None
    desk.spool.boot = "f" * 32
    assert find_gps_ms(desk.spool, now_ms) is None, "another boot counts from zero again"


def test_a_card_is_spared(desk: Desk) -> None:
    desk.fix()
    desk.look()
    before = desk.spool.state.get("clock_status")
    for _ in range(20):
        desk.fix()
        desk.look()
    assert desk.spool.state.get("clock_status") == before, "nothing new in a hundred seconds: nothing written"


def test_only_a_receivers_new_fixes_are_a_clock(desk: Desk) -> None:
    at_ms = desk.clock.true_ms()
    replay = PositionReading(Fix(lat=25.6, lon=100.2, fix_ms=at_ms, source="track"), "replayed track")
    real = PositionReading(Fix(lat=25.6, lon=100.2, fix_ms=at_ms, source="gpsd"), "3D fix")
    source = ScriptedSource(replay, real, real)
    reporter = PositionReporter(desk.spool, source, desk.time, StorageSettings(), desk.watch)
    reporter.turn()
    assert desk.look()["source"] == "none"
    reporter.turn()
    told = desk.look()
    desk.clock.run(60_000)
    reporter.turn()
    assert told["source"] == "gps"
    assert desk.look()["utc_offset_ms"] == told["utc_offset_ms"], "the same fix again tells no time"
