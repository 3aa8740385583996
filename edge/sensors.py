"""The machine's own sensors, read from the kernel: heat, charge, power, memory, wear of the card, a Pi's complaints.

What a machine does not have is None or empty; nothing is guessed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

Power = Literal["", "battery", "charging", "external"]

_THERMAL: Final = Path("/sys/class/thermal")
_POWER: Final = Path("/sys/class/power_supply")
_BLOCK: Final = Path("/sys/dev/block")
_MEMORY: Final = Path("/proc/meminfo")
_THROTTLED: Final = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
# JEDEC eMMC 5.0 (JESD84-B50) 7.4.39: reserved blocks of which 80 or 90 % are spent, whatever the age says.
_WEAR_BY_RESERVE: Final = {1: 0.0, 2: 80.0, 3: 90.0}
# Bits of the Raspberry Pi firmware's get_throttled that hold now; those of bit 16 on are history.
_THROTTLE_BITS: Final = {0: "under_voltage", 1: "frequency_capped", 2: "throttled", 3: "soft_temperature_limit"}


def read_temperature(folder: Path = _THERMAL) -> float | None:
    """The hottest zone in degrees Celsius, or None where the machine has no sensor."""
    values = [_read_number(path) for path in sorted(folder.glob("thermal_zone*/temp"))]
    known = [value / 1000 for value in values if value is not None and -90_000 <= value <= 200_000]
    return max(known, default=None)


def read_battery(folder: Path = _POWER) -> float | None:
    """The charge in percent of the battery with the least, or None where there is none."""
    values = [_read_number(supply / "capacity") for supply in _list_batteries(folder)]
    return min((value for value in values if value is not None and 0 <= value <= 100), default=None)


def is_charging(folder: Path = _POWER) -> bool:
    """Whether any battery says that it is being charged."""
    return any(_read_text(supply / "status") in ("Charging", "Full") for supply in _list_batteries(folder))


def read_power(folder: Path = _POWER) -> Power:
    """Where the power comes from: "charging" and "external" from outside, "" where nothing tells."""
    statuses = {_read_text(supply / "status") for supply in _list_batteries(folder)}
    if "Charging" in statuses:
        return "charging"
    if "Discharging" in statuses:
        return "battery"
    outside = [path for path in folder.glob("*/online") if _read_text(path.parent / "type") != "Battery"]
    if any(_read_number(path) == 1 for path in outside) or statuses & {"Full", "Not charging"}:
        return "external"
    return ""


def read_memory(file: Path = _MEMORY) -> float | None:
    """Memory in use in percent: what is neither free nor could be given back at once."""
    values: dict[str, float] = {}
    for line in _read_text(file).splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            values[name] = float(rest.split()[0])
    if not values.get("MemTotal") or "MemAvailable" not in values:
        return None
    return round(100 * (1 - values["MemAvailable"] / values["MemTotal"]), 1)


def find_card(folder: Path, block: Path = _BLOCK) -> Path | None:
    """The kernel's folder of the whole disk that `folder` lies on, or None where it has none of its own."""
    try:
        device = folder.stat().st_dev
    except OSError:
        return None
    here = block / f"{os.major(device)}:{os.minor(device)}"
    if not here.exists():
        return None
    here = here.resolve()
    return here.parent if (here / "partition").exists() else here


def read_wear(card: Path | None) -> float | None:
    """How much of its life a card has spent, in percent and at most: up to 110 when it says that it is past it.

    eMMC tells (JESD84-B50 7.4.40: tenths of life, of which each is the upper bound); common SD cards do not: None.
    """
    if card is None:
        return None
    tenths = [_read_hex(word) for word in _read_text(card / "device" / "life_time").split()]
    ages = [10.0 * value for value in tenths if value is not None and 1 <= value <= 11]
    reserve = _WEAR_BY_RESERVE.get(_read_hex(_read_text(card / "device" / "pre_eol_info")) or 0)
    if reserve is not None:
        ages.append(reserve)
    return max(ages, default=None)


def read_throttle(file: Path = _THROTTLED) -> list[str]:
    """What a Raspberry Pi's firmware has against its power or heat now; empty where all is well or nobody tells."""
    value = _read_hex(_read_text(file)) or 0
    return [name for bit, name in _THROTTLE_BITS.items() if value >> bit & 1]


def _list_batteries(folder: Path) -> list[Path]:
    """Power supplies that keep this machine running: not those of a mouse or a headset ("scope" Device)."""
    kinds = ("", "Battery", "UPS")  # without a type: a driver that is younger than its manners
    found = (path.parent for path in sorted({*folder.glob("*/capacity"), *folder.glob("*/status")}))
    batteries = dict.fromkeys(
        path for path in found if _read_text(path / "type") in kinds and _read_text(path / "scope") != "Device"
    )
    return list(batteries)


def _read_number(path: Path) -> float | None:
    try:
        return float(_read_text(path))
    except ValueError:
        return None


def _read_hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None


def _read_text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
