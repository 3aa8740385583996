"""The machine's own sensors, read from the kernel: heat and charge."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_THERMAL: Final = Path("/sys/class/thermal")
_POWER: Final = Path("/sys/class/power_supply")


def read_temperature(folder: Path = _THERMAL) -> float | None:
    """The hottest zone in degrees Celsius, or None where the machine has no sensor."""
    values = [_read_number(path) for path in sorted(folder.glob("thermal_zone*/temp"))]
    known = [value / 1000 for value in values if value is not None and -90_000 <= value <= 200_000]
    return max(known, default=None)


def read_battery(folder: Path = _POWER) -> float | None:
    """The charge in percent, or None where there is no battery."""
    values = [_read_number(path) for path in sorted(folder.glob("*/capacity"))]
    return next((value for value in values if value is not None and 0 <= value <= 100), None)


def is_charging(folder: Path = _POWER) -> bool:
    """Whether any battery says that it is being charged."""
    return any(_read_text(path) in ("Charging", "Full") for path in folder.glob("*/status"))


def _read_number(path: Path) -> float | None:
    try:
        return float(_read_text(path))
    except ValueError:
        return None


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
