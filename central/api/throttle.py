"""How often one caller may ask: a token bucket a caller. Pure but for the clock it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from central.base.clock import Clock

MAX_CALLERS: Final = 10_000


@dataclass
class Throttle:
    """Buckets of `burst` requests that fill again at `rate_per_s`; those that are full are forgotten."""

    rate_per_s: float
    burst: int
    clock: Clock
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, caller: str) -> float:
        """Take one request of `caller`; returns 0, or the seconds until there is one again (and takes none)."""
        now_s = self.clock.monotonic_s()
        with self._lock:
            level, at_s = self._buckets.get(caller, (float(self.burst), now_s))
            level = min(self.burst, level + (now_s - at_s) * self.rate_per_s)
            if level < 1:
                return (1 - level) / self.rate_per_s
            if caller not in self._buckets and len(self._buckets) >= MAX_CALLERS:
                self._forget_full(now_s)
            self._buckets[caller] = (level - 1, now_s)
        return 0.0

    def _forget_full(self, now_s: float) -> None:
        filled_s = self.burst / self.rate_per_s
        self._buckets = {caller: held for caller, held in self._buckets.items() if now_s - held[1] < filled_s}
        if len(self._buckets) >= MAX_CALLERS:
            self._buckets.clear()  # more callers at once than can be told apart: begin anew


@dataclass
class Places:
    """How many requests of one caller may wait at the same time (long polls)."""

    limit: int
    _taken: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def hold(self, caller: str) -> Iterator[bool]:
        """Yield whether a place was free; it is given back at the end. For one event loop."""
        is_free = self._taken[caller] < self.limit
        if is_free:
            self._taken[caller] += 1
        try:
            yield is_free
        finally:
            if is_free:
                self._taken[caller] -= 1
                if not self._taken[caller]:
                    del self._taken[caller]
