"""How kits' health is shown: the limits of the settings, and small curves of a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from central.base.settings import Settings
from central.devices.health import HISTORY_HOURS, HOUR_MS, HealthLimits

WIDTH, HEIGHT = 120, 24


@dataclass(frozen=True)
class Curve:
    """One value over the last day as SVG paths; an hour without a report is a hole, not a line."""

    paths: tuple[str, ...]
    least: float
    most: float


def limits_of(settings: Settings) -> HealthLimits:
    """The limits as they are set."""
    return HealthLimits(
        battery_warn_pct=settings.health_battery_warn_pct,
        battery_bad_pct=settings.health_battery_bad_pct,
        temp_warn_c=settings.health_temp_warn_c,
        temp_bad_c=settings.health_temp_bad_c,
        memory_warn_pct=settings.health_memory_warn_pct,
        wear_warn_pct=settings.health_wear_warn_pct,
        segments_warn=settings.health_segments_warn,
        clock_error_warn_ms=settings.health_clock_error_warn_s * 1000,
        certificate_warn_days=settings.health_certificate_warn_days,
    )


def draw_curve(points: Sequence[tuple[int, float | None]], now_ms: int) -> Curve | None:
    """Draw (hour in ms, value); None with fewer than two values."""
    known = [(hour_ms, value) for hour_ms, value in points if value is not None]
    if len(known) < 2:
        return None
    least, most = min(value for _, value in known), max(value for _, value in known)
    first_ms = now_ms - now_ms % HOUR_MS - (HISTORY_HOURS - 1) * HOUR_MS
    paths: list[list[str]] = []
    before_ms: int | None = None
    for hour_ms, value in known:
        x = (hour_ms - first_ms) / HOUR_MS * WIDTH / (HISTORY_HOURS - 1)
        y = HEIGHT - 2 - (value - least) / (most - least or 1) * (HEIGHT - 4)
        if before_ms is None or hour_ms - before_ms > HOUR_MS:
            paths.append([f"M{x:.1f} {y:.1f}h.1"])
        else:
            paths[-1].append(f"L{x:.1f} {y:.1f}")
        before_ms = hour_ms
    return Curve(tuple("".join(path) for path in paths), least, most)
