"""Reading a kit's own sources of time: the kernel's word on NTP, the battery clock, and the satellites' fixes."""

import ctypes
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.reach.clocks import Reading
from edge.spool.store import read_boot_ms

_RTC: Final = Path("/sys/class/rtc")
_UNSYNCHRONISED: Final = 0x40  # STA_UNSYNC of linux/timex.h
# A battery clock tells whole seconds, and runs off by a minute in five weeks (20 ppm) after it was set.
RTC_ERROR_MS: Final = 60_000
# A receiver's sentence leaves it up to a second after the moment it names, and is then fetched once a second.
GPS_LATENCY_MS: Final = 1_500
_FIXES_KEPT: Final = 60


class _Timex(ctypes.Structure):
    """`struct timex` of linux/timex.h up to the fields that are read; the rest is room for the kernel to write."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def read_ntp(
    *, wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000, boot_ms: Callable[[], int] = read_boot_ms
) -> Reading | None:
    """The wall clock, when the kernel says that something keeps it in step with NTP; else None.

    The error is the kernel's own upper bound (adjtimex(2), maxerror), which grows by 500 ppm without an update.
    """
    timex = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0 or timex.status & _UNSYNCHRONISED:
        return None
    now_ms = boot_ms()
    return Reading("ntp", wall_ms() - now_ms, max(1, timex.maxerror // 1000), now_ms)


def read_rtc(folder: Path = _RTC, *, boot_ms: Callable[[], int] = read_boot_ms) -> Reading | None:
    """The first battery clock, or None where the board has none."""
    for path in sorted(folder.glob("rtc*/since_epoch")):
        try:
            at_ms = int(path.read_text()) * 1000
        except (OSError, ValueError):
            continue
        now_ms = boot_ms()
        return Reading("rtc", at_ms - now_ms, RTC_ERROR_MS, now_ms)
    return None


class SatelliteClock:
    """Time from the receiver's fixes: a fix comes late but never early, so the least late of a minute counts."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=_FIXES_KEPT)
        self._doubt = ""

    def note(self, fix_ms: int, boot_ms: int, doubt: str) -> None:
        """A new fix of that time was fetched at `boot_ms` since boot; `doubt` says why its time is suspect."""
        if doubt != self._doubt:
            self._seen.clear()
            self._doubt = doubt
        offset_ms = fix_ms - boot_ms
        if self._seen and abs(offset_ms - self._seen[-1][0]) > 2 * GPS_LATENCY_MS:
            self._seen.clear()  # the receiver has set its own clock: what it said before is void
        self._seen.append((offset_ms, boot_ms))

    def read(self) -> Reading | None:
        """The reading as of the newest fix; None before there was one."""
        if not self._seen:
            return None
        half_ms = GPS_LATENCY_MS // 2
        latest_ms = self._seen[-1][1]
        return Reading("gps", max(offset for offset, _ in self._seen) + half_ms, half_ms, latest_ms, self._doubt)
