"""How a kit says it is: one report, newest wins. Sizes in bytes, degrees Celsius, percent, ms since 1970 UTC."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

_Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
_Seq = Annotated[int, Meta(ge=0, le=2**53 - 1)]
_Note = Annotated[str, Meta(max_length=500)]
_Short = Annotated[str, Meta(max_length=64)]
_Percent = Annotated[float, Meta(ge=0, le=100)]

# Thresholds that a kit can say it has passed, worst first within each matter. The edge judges them
# (`edge.uplink.health_rules`), with hysteresis; officer's page and centre have words for each.
WARNINGS: Final = (
    "battery_critical",
    "battery_low",
    "too_hot",
    "hot",
    "under_voltage",
    "throttled",
    "card_failing",
    "card_read_only",
    "card_slow",
    "card_worn_out",
    "card_worn",
    "storage_full",
    "storage_critical",
    "storage_low",
    "memory_low",
    "queue_old",
    "upload_trouble",
    "segments_damaged",
    "spool_set_aside",
    "restarts",
    "clock_unsure",
    "certificate_ending",
)


class Health(Struct, frozen=True, omit_defaults=True):
    """How a kit is. What it cannot measure it leaves out; what was added later has a default.

    ``utc_ms`` is the time the kit believes at this report, to ``clock_error_ms`` and by ``clock_source``: its wall
    clock may say another. ``memory_pct`` is memory in use; ``card_wear_pct`` how much of its life a flash card that
    tells (JEDEC eMMC) has spent at most; ``throttle`` what a Pi's firmware has against its power or heat now;
    ``warnings`` are codes of WARNINGS that hold; ``note`` is for people.
    """

    recording: bool
    duty: bool
    queue_outbox: _Seq
    queue_segments: _Seq
    free_bytes: _Seq
    vault_bytes: _Seq
    uptime_s: _Seq
    version: _Short
    recording_id: _Hex32 | None = None
    source: _Short = ""
    gps: _Short = ""
    clock: _Short = ""
    temp_c: Annotated[float, Meta(ge=-90, le=200)] | None = None
    battery_pct: Annotated[float, Meta(ge=0, le=100)] | None = None
    note: _Note = ""
    power: Literal["", "battery", "charging", "external"] = ""
    memory_pct: _Percent | None = None
    card_wear_pct: Annotated[float, Meta(ge=0, le=200)] | None = None
    card: Literal["", "ok", "slow", "read_only", "failing"] = ""
    storage: Literal["", "ok", "low", "critical", "full"] = ""
    queue_oldest_ms: Annotated[int, Meta(ge=0, le=7_258_118_400_000)] | None = None
    clock_source: Literal["", "gps", "ntp", "centre", "rtc", "none"] = ""
    clock_error_ms: _Seq | None = None
    utc_ms: Annotated[int, Meta(ge=0, le=7_258_118_400_000)] | None = None
    metered: bool = False
    locked: bool = False
    task: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    certificate_until_ms: Annotated[int, Meta(ge=0, le=7_258_118_400_000)] | None = None
    boot: _Hex32 | None = None
    throttle: Annotated[list[_Short], Meta(max_length=8)] = []
    warnings: Annotated[list[_Short], Meta(max_length=32)] = []
