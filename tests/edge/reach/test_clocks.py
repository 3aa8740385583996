"""Which clock is right: trust in order, impossible times refused, disputes named, errors that grow with age."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.reach.clocks import BEFORE_FLOOR, DRIFT_PPM, LEAP, MOVED, Belief, Reading, Source, age, judge
from edge.uplink.clock_sources import GPS_LATENCY_MS, SatelliteClock, read_ntp, read_rtc
from edge.uplink.fixes import ROLLOVER

UTC = 1_795_500_000_000
FLOOR = UTC - 30 * 86_400_000
YEAR = 365 * 86_400_000
ERRORS: dict[Source, int] = {"centre": 100, "gps": 750, "ntp": 50, "rtc": 60_000}


def reading(source: Source, off_ms: int = 0, *, aged_ms: int = 0, doubt: str = "") -> Reading:
    return Reading(source, UTC + off_ms, ERRORS[source], -aged_ms, doubt)


def believe(*readings: Reading, floor_ms: int = FLOOR) -> Belief:
    return judge(readings, now_ms=0, floor_ms=floor_ms, tolerance_ms=5_000)


def disputes(belief: Belief) -> dict[str, str]:
    return {dispute.source: dispute.why for dispute in belief.disputes}


class TestJudge:
    def test_agreeing_sources_give_the_most_exact(self) -> None:
        belief = believe(reading("rtc", 20_000), reading("gps", 400), reading("ntp", 20), reading("centre", -30))
        assert (belief.source, belief.offset_ms, belief.error_ms, belief.disputes) == ("ntp", UTC + 20, 50, ())

    @pytest.mark.parametrize(
        ("wrong", "right"), [("gps", "centre"), ("ntp", "centre"), ("rtc", "centre"), ("ntp", "gps"), ("rtc", "ntp")]
    )
    @pytest.mark.parametrize("off_ms", [-20_000_000, 3_600_000, 9 * YEAR])
    def test_the_less_trusted_one_is_named_and_not_believed(self, wrong: Source, right: Source, off_ms: int) -> None:
        floor_ms = UTC - YEAR if off_ms > 0 else UTC - 86_400_000
        belief = believe(reading(wrong, off_ms), reading(right), floor_ms=floor_ms)
        assert (belief.source, belief.offset_ms) == (right, UTC)
        assert disputes(belief) == {wrong: MOVED}

    @pytest.mark.parametrize("source", ["gps", "ntp", "rtc"])
    def test_a_time_that_has_passed_is_no_time(self, source: Source) -> None:
        belief = believe(reading(source, -20 * YEAR))
        assert (belief.source, belief.offset_ms, belief.error_ms) == ("none", None, None)
        assert disputes(belief) == {source: BEFORE_FLOOR}
        assert believe(reading(source, -20 * YEAR), reading("ntp" if source != "ntp" else "gps")).source != "none"

    def test_a_receiver_past_its_rollover_leads_nothing(self) -> None:
        belief = believe(reading("gps", -1024 * 7 * 86_400_000, doubt=ROLLOVER), reading("rtc"))
        assert (belief.source, disputes(belief)) == ("rtc", {"gps": ROLLOVER})

    @pytest.mark.parametrize("seconds", [18, 7, 6])
    def test_missing_leap_seconds_are_called_by_their_name(self, seconds: int) -> None:
        assert disputes(believe(reading("gps", seconds * 1000 + 120), reading("centre"))) == {"gps": LEAP}

    def test_an_old_word_of_the_centre_gives_way_to_what_agrees_with_it(self) -> None:
        belief = believe(reading("centre", 900, aged_ms=10 * 86_400_000), reading("gps"))
        assert belief.source == "gps" and belief.disputes == ()

    def test_errors_grow_with_age(self) -> None:
        assert age(reading("centre", aged_ms=86_400_000), 0) == 100 + 86_400 * DRIFT_PPM // 1000

    def test_nobody_knows(self) -> None:
        assert believe() == Belief("none", None, None)
        assert believe().tell() == "no clock can be believed"

    def test_it_is_told_in_one_sentence(self) -> None:
        belief = believe(reading("gps", -1024 * 7 * 86_400_000, doubt=ROLLOVER), reading("centre"))
        assert belief.tell() == "centre, ±0.1 s; gps gps_week_rollover (-7168 days)"


class TestSources:
    def test_the_kernels_word_on_ntp(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The kernel is really asked; what it then says of synchrony is this machine's matter, so both are played."""
        real = read_ntp()
        assert real is None or (real.source == "ntp" and 0 < real.error_ms <= 16_000_000)

        class Kernel:
            def __init__(self, _name: object) -> None: ...

            def adjtimex(self, pointer: object) -> int:
                timex = pointer._obj  # type: ignore[attr-defined]
                timex.status, timex.maxerror = status, 34_567
                return 0

        monkeypatch.setattr("edge.uplink.clock_sources.ctypes.CDLL", Kernel)
        status = 0
        assert read_ntp(wall_ms=lambda: UTC + 7, boot_ms=lambda: 7) == Reading("ntp", UTC, 34, 7)
        status = 0x40
        assert read_ntp() is None

    def test_the_battery_clock(self, tmp_path: Path) -> None:
        assert read_rtc(tmp_path) is None
        (tmp_path / "rtc0").mkdir()
        (tmp_path / "rtc0" / "since_epoch").write_text("no number\n")
        assert read_rtc(tmp_path) is None
        (tmp_path / "rtc1").mkdir()
        (tmp_path / "rtc1" / "since_epoch").write_text(f"{UTC // 1000}\n")
        told = read_rtc(tmp_path, boot_ms=lambda: 5_000)
        assert told is not None and told.offset_ms == UTC - 5_000

    def test_satellite_time_is_that_of_the_least_late_fix(self) -> None:
        clock = SatelliteClock()
        assert clock.read() is None
        for second, late_ms in enumerate((900, 200, 1_400, 700)):
            clock.note(UTC + second * 1000 - late_ms, second * 1000, "")
        told = clock.read()
        assert told is not None and told.taken_ms == 3_000
        assert told.offset_ms - told.error_ms <= UTC <= told.offset_ms + told.error_ms
        assert told.error_ms == GPS_LATENCY_MS // 2

    def test_a_receiver_that_sets_its_clock_is_taken_at_its_new_word(self) -> None:
        clock = SatelliteClock()
        clock.note(UTC + 18_000, 0, "")
        clock.note(UTC + 1_000, 1_000, "")
        told = clock.read()
        assert told is not None and abs(told.offset_ms - UTC) <= told.error_ms
        clock.note(UTC - 20 * YEAR, 2_000, ROLLOVER)
        assert (clock.read() or told).doubt == ROLLOVER
