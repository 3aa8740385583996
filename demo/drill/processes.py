"""Processes by Linux's own book (proc(5)): who lives below whom, under what name, and ending them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")


def list_tree(pid: int) -> list[int]:
    """A process and all below it, it first; empty when it has gone."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop(0)
        with contextlib.suppress(OSError):
            for children in (_PROC / str(each) / "task").glob("*/children"):
                waiting += map(int, children.read_text(encoding="ascii").split())
            found.append(each)
    return found


def find_below(pid: int, word: str) -> int | None:
    """The first process at or below ``pid`` that has ``word`` as an argument or program name."""
    for each in list_tree(pid):
        with contextlib.suppress(OSError):
            words = (_PROC / str(each) / "cmdline").read_bytes().split(b"\0")
            if word in (Path(os.fsdecode(part)).name for part in words):
                return each
    return None


def kill(pids: Iterable[int]) -> None:
    """Signal 9 to each that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_gone(pids: Iterable[int], timeout_s: float) -> bool:
    """Wait until none of them runs any more (one that nobody has waited for counts as gone)."""
    deadline = time.monotonic() + timeout_s
    left = list(pids)
    while left := [pid for pid in left if _is_running(pid)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _is_running(pid: int) -> bool:
    try:
        return (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
