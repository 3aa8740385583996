"""Lets a test that asserts how long something takes have the machine to itself: `pytest.mark.by_the_clock`.

Two workers share the suite. What a test of the other does just then is not what such a limit is about, and on a
busy machine it would decide who passes. So every test holds one lock shared, a marked one alone, from its set-up
to its tear-down. A turnstile before it keeps the marked one from waiting for more than what goes on just then.
"""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

MARK = "by_the_clock"


class Turns:
    """One per worker; `name` is the same for all workers of a run."""

    def __init__(self, name: str) -> None:
        folder = Path(tempfile.gettempdir())
        self._paths = folder / f"zhixing-{name}.turnstile", folder / f"zhixing-{name}.lock"
        self._turnstile, self._lock = (path.open("w") for path in self._paths)

    @contextlib.contextmanager
    def hold(self, *, alone: bool) -> Iterator[None]:
        """Wait for a turn, beside others or alone, and keep it for the block."""
        with _locked(self._turnstile, fcntl.LOCK_EX):
            fcntl.flock(self._lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files; whoever still has them open is not disturbed."""
        self._turnstile.close()
        self._lock.close()
        for path in self._paths:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(file: IO[str], how: int) -> Iterator[None]:
    fcntl.flock(file, how)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


class TurnTaking:
    """The plugin of a worker."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """From setting up to tearing down; outermost, so that waiting is not of the test's own time."""
        with self._turns.hold(alone=item.get_closest_marker(MARK) is not None):
            return (yield)

    def pytest_unconfigure(self) -> None:
        """The run is over."""
        self._turns.close()
