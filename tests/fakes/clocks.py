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
