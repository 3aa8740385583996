"""Waiting after a failure: doubling, capped, with jitter so that a whole county does not return at once."""

import random
from collections.abc import Callable


class Backoff:
    """`next_s()` after each failure, `reset()` after a success."""

    def __init__(
        self, *, first_s: float = 1.0, cap_s: float = 60.0, draw: Callable[[], float] = random.random
    ) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._draw = draw
        self._failures = 0

    def next_s(self, *, at_least_s: float = 0.0) -> float:
        """Half of the step for certain, the other half by chance."""
        step = min(self._cap_s, self._first_s * float(1 << min(self._failures, 16)))
        self._failures += 1
        return max(at_least_s, step / 2) + self._draw() * step / 2

    def reset(self) -> None:
        """The next failure waits the first step again."""
        self._failures = 0
