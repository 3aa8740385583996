"""How a kit's own words on its health are judged: limits, tones, old reports, which kit needs somebody. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from central.devices.rules import DAY_MS, doubts_clock

Tone = Literal["ok", "warn", "bad", "off"]

# A kit reports every ten seconds unless it is told otherwise; what is older says how it was, not how it is.
OLD_MS: Final = 120_000
HOUR_MS: Final = 3_600_000
HISTORY_HOURS: Final = 24
ROWS: Final = (
    "battery",
    "temperature",
    "supply",
    "memory",
    "storage",
    "card",
    "wear",
    "messages",
    "segments",
    "clock",
    "certificate",
    "programs",
)
# The kit's own warnings (contract.health.WARNINGS): which value each is about, and how grave it is.
OF_WARNING: Final[dict[str, tuple[str, Tone]]] = {
    "battery_critical": ("battery", "bad"),
    "battery_low": ("battery", "warn"),
    "too_hot": ("temperature", "bad"),
    "hot": ("temperature", "warn"),
    "under_voltage": ("supply", "bad"),
    "throttled": ("supply", "warn"),
    "card_failing": ("card", "bad"),
    "card_read_only": ("card", "bad"),
    "card_slow": ("card", "warn"),
    "card_worn_out": ("wear", "bad"),
    "card_worn": ("wear", "warn"),
    "storage_full": ("storage", "bad"),
    "storage_critical": ("storage", "bad"),
    "storage_low": ("storage", "warn"),
    "memory_low": ("memory", "warn"),
    "queue_old": ("messages", "warn"),
    "upload_trouble": ("segments", "warn"),
    "segments_damaged": ("segments", "bad"),
    "spool_set_aside": ("programs", "warn"),
    "restarts": ("programs", "warn"),
    "clock_unsure": ("clock", "warn"),
    "certificate_ending": ("certificate", "warn"),
}
_GRAVITY: Final[dict[Tone, int]] = {"bad": 3, "warn": 2, "ok": 1, "off": 0}


@dataclass(frozen=True)
class HealthLimits:
    """From where on the centre finds a value worth a look, whatever the kit itself thinks."""

    battery_warn_pct: float = 30
    battery_bad_pct: float = 10
    temp_warn_c: float = 70
    temp_bad_c: float = 80
    memory_warn_pct: float = 90
    wear_warn_pct: float = 80
    segments_warn: int = 300
    clock_error_warn_ms: int = 10_000
    certificate_warn_days: int = 30


class Reading(NamedTuple):
    """One value of a report: how it is, and why (codes of warnings)."""

    name: str
    tone: Tone
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class HealthView:
    """A judged report. `age_ms` is None when there was none yet; an old one tells nothing about now."""

    readings: tuple[Reading, ...]
    age_ms: int | None

    @property
    def is_old(self) -> bool:
        """Whether it is too old to say how the kit is now."""
        return self.age_ms is None or self.age_ms > OLD_MS

    @property
    def tone(self) -> Tone:
        """The gravest of all; "off" without a report."""
        return max((reading.tone for reading in self.readings), key=_GRAVITY.__getitem__, default="off")

    @property
    def codes(self) -> tuple[str, ...]:
        """Every warning, the gravest first."""
        grave = sorted(self.readings, key=lambda reading: -_GRAVITY[reading.tone])
        return tuple(code for reading in grave for code in reading.codes)

    @property
    def needs_attention(self) -> bool:
        """Whether somebody should look."""
        return self.tone in ("warn", "bad")

    def rank(self) -> tuple[int, int, bool]:
        """Sorts the worst to the front: gravity, how much is wrong, present before old."""
        wrong = sum(reading.tone in ("warn", "bad") for reading in self.readings)
        return -_GRAVITY[self.tone], -wrong, self.is_old

    def find(self, name: str) -> Reading:
        """The reading of that name; "off" when there is none."""
        return next((reading for reading in self.readings if reading.name == name), Reading(name, "off"))


def judge_health(
    health: Mapping[str, Any] | None,
    *,
    now_ms: int,
    received_ms: int | None,
    limits: HealthLimits,
    clock_offset_ms: int | None = None,
) -> HealthView:
    """Judge the newest report (`contract.health.Health` as a plain dict), received at `received_ms`."""
    if not health or received_ms is None:
        return HealthView((), None)
    found: dict[str, dict[str, Tone]] = {}
    for code in (str(code) for code in health.get("warnings") or ()):
        name, tone = OF_WARNING.get(code, ("programs", "warn"))
        found.setdefault(name, {})[code] = tone
    for name, code, tone in _list_excesses(health, received_ms, limits, clock_offset_ms):
        # The kit's own graver word on the same value stays.
        if tone not in found.setdefault(name, {}).values() and "bad" not in found[name].values():
            found[name] = {code: tone}
    readings = tuple(_read(name, health, found.get(name, {})) for name in ROWS)
    return HealthView(readings, max(0, now_ms - received_ms))


def _read(name: str, health: Mapping[str, Any], found: Mapping[str, Tone]) -> Reading:
    if found:
        return Reading(name, max(found.values(), key=_GRAVITY.__getitem__), tuple(found))
    return Reading(name, "ok" if _is_measured(name, health) else "off")


def _is_measured(name: str, health: Mapping[str, Any]) -> bool:
    field = {
        "battery": "battery_pct",
        "temperature": "temp_c",
        "memory": "memory_pct",
        "storage": "free_bytes",
        "card": "card",
        "wear": "card_wear_pct",
        "clock": "clock_source",
        "certificate": "certificate_until_ms",
    }.get(name)
    return field is None or health.get(field) not in (None, "")


def _list_excesses(
    health: Mapping[str, Any], received_ms: int, limits: HealthLimits, clock_offset_ms: int | None
) -> list[tuple[str, str, Tone]]:
    until_ms = health.get("certificate_until_ms")
    days = None if until_ms is None else (until_ms - received_ms) / DAY_MS
    battery = None if health.get("power") == "charging" else health.get("battery_pct")
    temp, memory, wear = health.get("temp_c"), health.get("memory_pct"), health.get("card_wear_pct")
    error_ms = health.get("clock_error_ms")
    excesses: list[tuple[bool, str, str, Tone]] = [
        (_below(battery, limits.battery_bad_pct), "battery", "battery_critical", "bad"),
        (_below(battery, limits.battery_warn_pct), "battery", "battery_low", "warn"),
        (_above(temp, limits.temp_bad_c), "temperature", "too_hot", "bad"),
        (_above(temp, limits.temp_warn_c), "temperature", "hot", "warn"),
        (_above(memory, limits.memory_warn_pct), "memory", "memory_low", "warn"),
        (_above(wear, 100), "wear", "card_worn_out", "bad"),
        (_above(wear, limits.wear_warn_pct), "wear", "card_worn", "warn"),
        (_above(health.get("queue_segments"), limits.segments_warn), "segments", "segments_many", "warn"),
        (_above(error_ms, limits.clock_error_warn_ms), "clock", "clock_unsure", "warn"),
        (clock_offset_ms is not None and doubts_clock(clock_offset_ms), "clock", "clock_wrong", "warn"),
        (_below(days, 0), "certificate", "certificate_ended", "bad"),
        (_below(days, limits.certificate_warn_days), "certificate", "certificate_ending", "warn"),
    ]
    return [(name, code, tone) for holds, name, code, tone in excesses if holds]


def _below(value: float | None, limit: float) -> bool:
    return value is not None and value <= limit


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value >= limit
