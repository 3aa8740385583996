"""Waiting without sleeping blindly: poll until a condition holds or a deadline passes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.02


def wait_until(condition: Callable[[], T], timeout_s: float = 10.0, what: str = "") -> T:
    """Return the first truthy result of `condition`; fail the test when `timeout_s` passes without one."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or condition}; last result {result!r}")
        time.sleep(POLL_S)


async def wait_until_async(condition: Callable[[], T | Awaitable[T]], timeout_s: float = 10.0, what: str = "") -> T:
    """Return the first truthy result of `condition`, plain or awaitable, leaving the loop to others meanwhile."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if isinstance(result, Awaitable):
            result = await result
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or condition}; last result {result!r}")
        await asyncio.sleep(POLL_S)
