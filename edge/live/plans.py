"""What is shown on which stream: passed on as recorded, encoded anew smaller, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from contract.live import LOW, MAIN

# From this rate on a picture of that height is worth it; below the last one it is small and slow.
LADDER: Final = ((2500, 1080), (900, 720), (450, 540), (180, 360), (0, 240))
SLOW_BELOW_KBPS: Final = 150
SLOW_FPS: Final = 8.0
LOW_HEIGHT: Final = 360
LOW_WIDTH: Final = 640
LOW_FPS: Final = 15.0
LOW_SHARE: Final = 0.4
MIN_KBPS: Final = 32
# A recorded picture that wanders a little above the rate is still passed on; x264 would wander, too.
SLACK: Final = 1.1


@dataclass(frozen=True, slots=True)
class Plan:
    """One stream encoded anew: at most so large, so often and so much (kbit/s)."""

    kbps: int
    width: int
    height: int
    fps: float


PASS: Final = Plan(0, 0, 0, 0.0)
"""Passed on as it was recorded."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the camera gives; sizes 0 while unknown."""

    kbps: float
    width: int
    height: int
    fps: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What the link and the rules leave: ``kbps`` for all streams; ``paused``: no picture at all for now."""

    kbps: float
    low_kbps: int
    metered_kbps: int
    is_metered: bool = False
    is_thin: bool = False
    paused: bool = False


def choose_plans(wanted: Collection[int], recorded: Recorded, limits: Limits) -> dict[int, Plan]:
    """The plan of each stream that is to flow.

    Metered: at most ``metered_kbps`` together; a person who selected MAIN gets it within that.
    """
    if limits.paused or limits.is_thin or not wanted:
        return {}
    budget = min(limits.kbps, limits.metered_kbps) if limits.is_metered else limits.kbps
    plans: dict[int, Plan] = {}
    if LOW in wanted:
        share = budget if MAIN not in wanted else budget * LOW_SHARE
        plans[LOW] = _plan_low(recorded, min(limits.low_kbps, share))
        budget -= min(limits.low_kbps, share)
    if MAIN in wanted:
        plans[MAIN] = _plan_main(recorded, budget)
    return plans


def _plan_main(recorded: Recorded, kbps: float) -> Plan:
    if recorded.kbps and recorded.kbps <= kbps * SLACK:
        return PASS
    height = next(height for least, height in LADDER if kbps >= least)
    return _fit(recorded, kbps, height, height * 16 // 9, SLOW_FPS if kbps < SLOW_BELOW_KBPS else 60.0)


def _plan_low(recorded: Recorded, kbps: float) -> Plan:
    is_small = 0 < recorded.height <= LOW_HEIGHT and recorded.width <= LOW_WIDTH
    if is_small and recorded.kbps and recorded.kbps <= kbps * SLACK:
        return PASS
    height = LOW_HEIGHT if kbps >= 120 else 240
    fps = SLOW_FPS if kbps < SLOW_BELOW_KBPS else LOW_FPS
    return _fit(recorded, kbps, height, height * 16 // 9, fps)


def _fit(recorded: Recorded, kbps: float, height: int, width: int, fps: float) -> Plan:
    if recorded.height and recorded.width:
        scale = min(1.0, height / recorded.height, width / recorded.width)
        width, height = _even(recorded.width * scale), _even(recorded.height * scale)
    # In steps, so that a rate that wanders does not make a new encoder each second.
    return Plan(max(MIN_KBPS, int(kbps) // 16 * 16), width, height, min(fps, recorded.fps or fps))


def _even(value: float) -> int:
    return max(2, round(value / 2) * 2)
