"""Time, injected. Stored times are integer milliseconds since 1970 UTC, named `*_ms`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the centre reads time from."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        return time.monotonic()


def utc_now(clock: Clock) -> datetime:
    """Return the clock's time as an aware UTC datetime."""
    return from_ms(clock.now_ms())


def from_ms(at_ms: int) -> datetime:
    """Return milliseconds since 1970 as an aware UTC datetime."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
