"""When a kit's condition is worth a warning: thresholds with hysteresis. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from contract.health import WARNINGS
from edge.options import HealthSettings

DAY_MS: Final = 24 * 3600 * 1000
# These are told at once, not with the next report.
URGENT: Final = frozenset(
    {
        "battery_critical",
        "too_hot",
        "under_voltage",
        "card_failing",
        "card_read_only",
        "card_slow",
        "storage_full",
        "storage_critical",
    }
)


@dataclass(frozen=True)
class Readings:
    """What was measured, None or empty where nothing measures it. Percent, degrees Celsius, ms."""

    battery_pct: float | None = None
    power: str = ""
    temp_c: float | None = None
    throttle: tuple[str, ...] = ()
    memory_pct: float | None = None
    wear_pct: float | None = None
    card: str = ""
    storage: str = ""
    oldest_age_ms: int | None = None
    upload_trouble: bool = False
    faults: int = 0
    set_aside: bool = False
    restarted: bool = False
    """Whether a process of the kit had to be started again lately."""
    clock_source: str = ""
    clock_error_ms: int | None = None
    certificate_left_ms: int | None = None


class _Limit(NamedTuple):
    """A warning begins at `limit` and ends only `slack` before it; `falling`: at or below."""

    code: str
    value: float | None
    limit: float
    slack: float
    falling: bool = False

    def holds(self, *, before: bool) -> bool:
        if self.value is None:
            return False
        slack = self.slack if before else 0.0
        if self.falling:
            return self.value <= self.limit + slack
        return self.value >= self.limit - slack


def judge_health(readings: Readings, limits: HealthSettings, before: frozenset[str] = frozenset()) -> list[str]:
    """The codes that hold now, in the order of WARNINGS; `before`: those that held until now."""
    found = {limit.code for limit in _list_limits(readings, limits) if limit.holds(before=limit.code in before)}
    found |= _find_facts(readings)
    for worse, milder in (
        ("battery_critical", "battery_low"),
        ("too_hot", "hot"),
        ("card_worn_out", "card_worn"),
    ):
        if worse in found:
            found.discard(milder)
    return [code for code in WARNINGS if code in found]


def _list_limits(readings: Readings, limits: HealthSettings) -> list[_Limit]:
    # What is being charged needs nobody.
    battery = None if readings.power == "charging" else readings.battery_pct
    days = None if readings.certificate_left_ms is None else readings.certificate_left_ms / DAY_MS
    age_min = None if readings.oldest_age_ms is None else readings.oldest_age_ms / 60_000
    error_s = None if readings.clock_error_ms is None else readings.clock_error_ms / 1000
    return [
        _Limit("battery_low", battery, limits.battery_low_pct, 3, falling=True),
        _Limit("battery_critical", battery, limits.battery_critical_pct, 2, falling=True),
        _Limit("hot", readings.temp_c, limits.hot_c, 4),
        _Limit("too_hot", readings.temp_c, limits.too_hot_c, 4),
        _Limit("memory_low", readings.memory_pct, limits.memory_pct, 5),
        _Limit("card_worn", readings.wear_pct, limits.wear_pct, 0),
        _Limit("card_worn_out", readings.wear_pct, 100, 0),
        _Limit("queue_old", age_min, limits.queue_minutes, 0),
        _Limit("clock_unsure", error_s, limits.clock_error_s, limits.clock_error_s / 5),
        _Limit("certificate_ending", days, limits.certificate_days, 0, falling=True),
    ]


def _find_facts(readings: Readings) -> set[str]:
    facts = {
        "under_voltage": "under_voltage" in readings.throttle,
        "throttled": bool({"throttled", "frequency_capped", "soft_temperature_limit"} & {*readings.throttle}),
        f"card_{readings.card}": readings.card not in ("", "ok"),
        f"storage_{readings.storage}": readings.storage not in ("", "ok"),
        "upload_trouble": readings.upload_trouble,
        "segments_damaged": readings.faults > 0,
        "spool_set_aside": readings.set_aside,
        "restarts": readings.restarted,
        "clock_unsure": readings.clock_source == "none",
    }
    return {code for code, holds in facts.items() if holds}
