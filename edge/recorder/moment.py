"""The two clocks of a kit, read together: wall time, which may be wrong or step, and monotonic time since boot."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

STEP_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Moment:
    """``wall_ms`` since the epoch, ``monotonic_ms`` since boot, both of the same instant."""

    wall_ms: int
    monotonic_ms: int


Clock = Callable[[], Moment]


def read_clocks() -> Moment:
    """Both clocks of this machine, now."""
    return Moment(time.time_ns() // 1_000_000, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)


class StepWatch:
    """Notices when the wall clock was set: it then leaves the monotonic clock by more than a second.

    The offset is followed slowly, so that a crystal's drift or a gentle correction is no step.
    """

    def __init__(self, first: Moment) -> None:
        self._offset_ms = float(first.wall_ms - first.monotonic_ms)

    def check(self, now: Moment) -> int:
        """By how many ms the wall clock was stepped since the last call; 0 when it was not."""
        offset_ms = now.wall_ms - now.monotonic_ms
        step_ms = offset_ms - self._offset_ms
        if abs(step_ms) >= STEP_MS:
            self._offset_ms = offset_ms
            return round(step_ms)
        self._offset_ms += step_ms * 0.1
        return 0
