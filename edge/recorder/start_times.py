"""How long the kit took from its start to the first picture of a recording: state ``recorder_boot``."""

from __future__ import annotations

import time
from pathlib import Path

from edge.recorder.moment import read_clocks
from edge.spool import Spool

_CLOCK_TICK_S = 0.01  # of /proc/PID/stat


class StartTimes:
    """Written once per process, all in ms since boot.

    ``kit_ms``: the manager began (None without one); ``started_ms``: this process, or its turn if it waited in
    reserve; ``first_frame_ms``: a recording had its first picture.
    """

    def __init__(self, spool: Spool, started_ms: int) -> None:
        self._spool = spool
        self._started_ms = started_ms
        self._noted = False

    def note(self, *, recording: bool) -> None:
        """Call it at every turn of the loop; the first that finds a recording under way counts."""
        if self._noted or not recording:
            return
        self._noted = True
        kit = self._spool.state.get("kit_started")
        same_boot = isinstance(kit, dict) and kit.get("boot") == self._spool.boot
        self._spool.state.set(
            "recorder_boot",
            {
                "boot": self._spool.boot,
                "kit_ms": kit.get("mono_ms") if same_boot else None,
                "started_ms": self._started_ms,
                "first_frame_ms": read_clocks().monotonic_ms,
            },
        )


def read_process_start_ms() -> int:
    """When the kernel started this process, in ms since boot (proc(5), field 22 of stat), interpreter included."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    ticks_s = int(fields[19]) * _CLOCK_TICK_S
    # Ticks count from CLOCK_BOOTTIME; a namespace of its own clock would shift both alike.
    return min(round(ticks_s * 1000), round(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000))
