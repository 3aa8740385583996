"""A clock that stands still until told to move."""

from __future__ import annotations

START_MS = 1_795_500_000_000  # 2026-11-24


class FakeClock:
    """Fits `central.base.clock.Clock`."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms
        self._monotonic_s = 1000.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, *, ms: int = 0, s: float = 0) -> None:
        """Move both times on."""
        step_ms = ms + round(s * 1000)
        self._now_ms += step_ms
        self._monotonic_s += step_ms / 1000


class KitClock:
    """Both clocks of a kit, and the truth: the wall clock can be set to anything, time since boot only goes on."""

    def __init__(self, *, wall_ms: int = START_MS, true_ms: int = START_MS, since_boot_ms: int = 60_000) -> None:
        self._wall_ms, self._true_ms, self._boot_ms = wall_ms, true_ms, since_boot_ms

    def wall_ms(self) -> int:
        return self._wall_ms

    def boot_ms(self) -> int:
        return self._boot_ms

    def true_ms(self) -> int:
        return self._true_ms

    def run(self, ms: int) -> None:
        """Let time pass."""
        self._wall_ms += ms
        self._true_ms += ms
        self._boot_ms += ms

    def set_wall(self, wall_ms: int) -> None:
        """What a person, NTP or an empty battery does to a clock."""
        self._wall_ms = wall_ms
