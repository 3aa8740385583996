"""What a kit says of its own condition: warnings with hysteresis, at once when they are urgent, small."""

from __future__ import annotations

import errno
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from contract import messages
from contract.health import WARNINGS, Health
from edge.options import HealthSettings
from edge.reach.trusted_time import TrustedTime
from edge.settings import Settings, build_settings
from edge.spool import Spool
from edge.uplink.health import HealthReporter, Sensors, find_sensors
from edge.uplink.health_rules import DAY_MS, Readings, judge_health

LIMITS = HealthSettings()


@pytest.mark.parametrize(
    ("readings", "codes"),
    [
        (Readings(), []),
        (Readings(battery_pct=20, power="battery"), ["battery_low"]),
        (Readings(battery_pct=9.9, power="battery"), ["battery_critical"]),
        (Readings(battery_pct=5, power="charging"), []),
        (Readings(temp_c=80.0), ["too_hot"]),
        (Readings(temp_c=71.0, throttle=("under_voltage", "throttled")), ["hot", "under_voltage", "throttled"]),
        (Readings(card="slow", storage="low"), ["card_slow", "storage_low"]),
        (Readings(card="ok", storage="ok"), []),
        (Readings(wear_pct=110), ["card_worn_out"]),
        (Readings(oldest_age_ms=3_600_000), ["queue_old"]),
        (Readings(clock_source="none"), ["clock_unsure"]),
        (Readings(clock_source="rtc", clock_error_ms=10_000), ["clock_unsure"]),
        (Readings(certificate_left_ms=30 * DAY_MS), ["certificate_ending"]),
        (
            Readings(memory_pct=95, upload_trouble=True, faults=1, set_aside=True, restarted=True),
            ["memory_low", "upload_trouble", "segments_damaged", "spool_set_aside", "restarts"],
        ),
    ],
)
def test_when_a_warning_begins(readings: Readings, codes: list[str]) -> None:
    assert judge_health(readings, LIMITS) == codes


@pytest.mark.parametrize("code", ["battery_low", "battery_critical", "hot", "too_hot", "memory_low"])
def test_a_value_that_trembles_at_its_limit_does_not_warn_again_and_again(code: str) -> None:
    field, limit, step = {
        "battery_low": ("battery_pct", 20, 1),
        "battery_critical": ("battery_pct", 10, 1),
        "hot": ("temp_c", 70, -1),
        "too_hot": ("temp_c", 80, -1),
        "memory_low": ("memory_pct", 90, -1),
    }[code]
    beyond, back = Readings(**{field: limit + step}), Readings(**{field: limit + 6 * step})
    assert code not in judge_health(beyond, LIMITS)
    assert code in judge_health(beyond, LIMITS, frozenset({code}))
    assert code not in judge_health(back, LIMITS, frozenset({code}))


class Machine:
    """A board whose sensors read what the test says; no such board was at hand."""

    def __init__(self) -> None:
        self.battery, self.temp, self.throttle = 80.0, 41.0, list[str]()

    def sensors(self) -> Sensors:
        return Sensors(
            temperature=lambda: self.temp,
            battery=lambda: self.battery,
            power=lambda: "battery",
            memory=lambda: 40.0,
            throttle=lambda: self.throttle,
            wear=lambda: 30.0,
        )


class Bench:
    def __init__(self, spool: Spool, settings: Settings, trusted_time: TrustedTime) -> None:
        self.spool, self.machine, self.now_s = spool, Machine(), 0.0
        self.reporter = HealthReporter(
            spool,
            settings,
            trusted_time,
            describe_certificate=lambda: {"until_ms": time.time_ns() // 1_000_000 + 300 * DAY_MS, "trouble": ""},
            machine=self.machine.sensors(),
            monotonic_s=lambda: self.now_s,
        )

    def go_on(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += max(0.01, min(self.reporter.turn(), until_s - self.now_s))
        self.reporter.turn()

    def reports(self) -> list[Health]:
        return [messages.decode(entry.body, Health) for entry in self.spool.outbox.pending(500, ("health",))]


@pytest.fixture
def settings(kit_dir: Path) -> Settings:
    table = {"kit": {"id": "dl-2901-01"}, "mqtt": {"host": "x"}, "door": {"url": "https://x:1"}}
    return build_settings(table, base=kit_dir)


@pytest.fixture
def bench(spool: Spool, settings: Settings, trusted_time: TrustedTime) -> Bench:
    return Bench(spool, settings, trusted_time)


def test_a_report_every_interval(bench: Bench) -> None:
    bench.go_on(30)
    assert len(bench.reports()) == 4
    report = bench.reports()[-1]
    assert (report.battery_pct, report.power, report.temp_c, report.memory_pct) == (80.0, "battery", 41.0, 40.0)
    assert report.card_wear_pct == 30.0 and report.boot == bench.spool.boot and report.warnings == []
    assert report.certificate_until_ms is not None and report.queue_oldest_ms is not None


@pytest.mark.parametrize("what", ["battery", "heat", "voltage"])
def test_what_is_urgent_is_told_at_once_and_once(bench: Bench, what: str) -> None:
    bench.go_on(1)
    assert len(bench.reports()) == 1
    if what == "battery":
        bench.machine.battery = 9.0
    elif what == "heat":
        bench.machine.temp = 83.0
    else:
        bench.machine.throttle = ["under_voltage"]
    bench.go_on(3)
    code = {"battery": "battery_critical", "heat": "too_hot", "voltage": "under_voltage"}[what]
    assert [report.warnings for report in bench.reports()] == [[], [code]]
    assert bench.spool.state.get("health_warnings") == [code]
    bench.go_on(5)
    assert len(bench.reports()) == 2


def test_a_link_that_begins_or_ceases_to_cost_is_told_at_once(bench: Bench) -> None:
    bench.go_on(1)
    for on in (True, False):
        bench.spool.state.set("metered", {"on": on, "why": "officer", "thin": False})
        bench.go_on(3)
        assert bench.reports()[-1].metered is on
    assert len(bench.reports()) == 3


def test_what_is_not_urgent_waits_for_the_next_report_but_is_on_the_page(bench: Bench) -> None:
    bench.go_on(1)
    bench.machine.battery = 18.0
    bench.go_on(4)
    assert bench.spool.state.get("health_warnings") == ["battery_low"] and len(bench.reports()) == 1
    bench.go_on(6)
    assert [report.warnings for report in bench.reports()] == [[], ["battery_low"]]


def test_hysteresis_outlives_a_restart(
    bench: Bench, spool: Spool, settings: Settings, trusted_time: TrustedTime
) -> None:
    bench.machine.battery = 19.0
    bench.go_on(1)
    again = Bench(spool, settings, trusted_time)
    again.machine.battery = 22.0
    again.go_on(1)
    assert spool.state.get("health_warnings") == ["battery_low"]


def test_a_card_that_refused_everything_is_told_as_soon_as_it_takes_a_report(bench: Bench) -> None:
    bench.go_on(1)
    bench.reporter.note_error(OSError(errno.EROFS, "read-only"))
    bench.go_on(3)
    assert bench.reports()[-1].card == "read_only" and bench.reports()[-1].warnings == ["card_read_only"]
    bench.go_on(620)
    assert bench.reports()[-1].card == "" and bench.reports()[-1].warnings == []
    bench.reporter.note_error(sqlite3.OperationalError("database is locked"))
    bench.go_on(3)
    assert bench.spool.state.get("health_warnings") == []


def test_everything_at_once_still_is_a_small_report(bench: Bench) -> None:
    bench.machine.battery, bench.machine.temp, bench.machine.throttle = 3.0, 84.5, ["under_voltage", "throttled"]
    state = bench.spool.state
    state.set("card", {"state": "slow"})
    state.set("storage_level", {"level": "critical"})
    state.set("upload_status", {"trouble": "装备门拒绝 " * 40})
    state.set("spool_set_aside", "spool.db.damaged")
    state.set("task_current", {"number": 12, "case_no": "（2026）云2901执1号"})
    state.set("lost", {"step": "locked"})
    state.set("metered", {"on": True})
    now_ms = time.time_ns() // 1_000_000
    state.set("children", {name: {"restarts": 9, "at_ms": now_ms} for name in ("recorder", "panel", "control")})
    bench.go_on(1)
    report = bench.reports()[-1]
    assert report.locked and report.metered and report.task == 12 and len(report.warnings) >= 8
    assert len(messages.encode(replace_all(report))) < 1024
    assert "执1号" not in messages.encode(report).decode()  # nothing of the case


def replace_all(report: Health) -> Health:
    """The same with every other field as long as it may come."""
    return msgspec.structs.replace(report, recording_id="c" * 32, clock="off by +999999 s", clock_source="gps")


def test_every_code_the_rules_can_find_is_in_the_contract() -> None:
    worst = Readings(
        battery_pct=1,
        temp_c=99,
        throttle=("under_voltage", "throttled"),
        memory_pct=99,
        wear_pct=110,
        oldest_age_ms=10**9,
        upload_trouble=True,
        faults=1,
        set_aside=True,
        restarted=True,
        clock_source="none",
        certificate_left_ms=0,
    )
    milder = replace(worst, battery_pct=15, temp_c=75, wear_pct=85)
    found: set[str] = {code for readings in (worst, milder) for code in judge_health(readings, LIMITS)}
    for card in ("slow", "read_only", "failing"):
        found.update(judge_health(Readings(card=card), LIMITS))
    for storage in ("low", "critical", "full"):
        found.update(judge_health(Readings(storage=storage), LIMITS))
    assert found == {*WARNINGS}


def test_this_machine_s_own_sensors_can_be_asked(tmp_path: Path) -> None:
    machine = find_sensors(tmp_path)
    assert (
        machine.memory() is not None and machine.throttle() == [] and machine.power() in ("", "external", "battery")
    )
