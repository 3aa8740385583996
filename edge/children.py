"""The processes under the manager: how one is started, waits in reserve, is ended, and dies with the manager."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.beats import BeatWatch
from edge.restarts import RestartRule

log = logging.getLogger("zhixing.manager")

KILL_S: Final = 2.0
# A process that got this far has loaded everything; the one in reserve then loads without slowing it down. Who came
# out of the reserve had everything loaded before: the next one begins at once, for a second kill may be near.
RESERVE_AFTER_S: Final = 2.0
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass
class Child:
    """One row of the table at work; times are monotonic seconds.

    ``reserve_module`` names the module that waits, with everything loaded, for a line on its standard input to take
    the place of a process that ended; "" for a process without one.
    """

    name: str
    module: str
    beats: BeatWatch
    reserve_module: str = ""
    rule: RestartRule = field(default_factory=RestartRule)
    process: subprocess.Popen[bytes] | None = None
    reserve: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    start_at_s: float = 0.0
    reserve_after_s: float = RESERVE_AFTER_S
    restarts: int = 0
    last: str = ""

    def start(self, config: Path, *, keyboard: bool) -> None:
        """Let the one in reserve take its turn, or start a new process; ``keyboard`` hands it this terminal."""
        after = self.rule.owed_cause if self.reserve_module else ""
        self.process = self._call_reserve(after)
        self.reserve_after_s = RESERVE_AFTER_S if self.process is None else 0.0
        if self.process is None:
            # What the card kept the process before from writing down is told to the one that closes the recording.
            told = ["--after", after] if after else []
            stdin = None if keyboard else subprocess.DEVNULL
            self.process = _spawn(self.module, config, *told, stdin=stdin)
        self.started_s = time.monotonic()
        self.beats.begin(self.started_s)

    def keep_reserve(self, config: Path, now_s: float) -> None:
        """See to it that one waits in reserve, once the process has been running for a while."""
        if not self.reserve_module or now_s - self.started_s < self.reserve_after_s:
            return
        if self.reserve is None or self.reserve.poll() is not None:
            self.reserve = _spawn(self.reserve_module, config, stdin=subprocess.PIPE)

    def signal(self, number: int) -> None:
        """Send a signal if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End the process at once; what the kernel does not let go of is left to it."""
        _kill(self.name, self.process)

    def dismiss_reserve(self) -> None:
        """Nobody needs to wait any more."""
        _kill(self.name, self.reserve)
        self.reserve = None

    def _call_reserve(self, after: str) -> subprocess.Popen[bytes] | None:
        reserve, self.reserve = self.reserve, None
        if reserve is None or reserve.stdin is None or reserve.poll() is not None:
            return None
        with contextlib.suppress(BrokenPipeError), reserve.stdin as line:
            line.write(f"go {after}\n".encode())
            line.flush()
            return reserve
        return None


def describe_end(code: int) -> str:
    """How a process ended, for people."""
    return f"ended with signal {-code}" if code < 0 else f"ended with code {code}"


def _spawn(module: str, config: Path, *more: str, stdin: int | None) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    return subprocess.Popen(
        [sys.executable, "-m", module, "--config", str(config), *more],
        stdin=stdin,
        start_new_session=True,  # Ctrl-C reaches the manager alone, which ends all in order
        preexec_fn=lambda: _die_with_parent(parent),  # noqa: PLW1509 - the manager has one thread only
    )


def _kill(name: str, process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    process.kill()
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(KILL_S)
    except subprocess.TimeoutExpired:
        log.critical("manager: the kernel does not let go of %s (process %d)", name, process.pid)


def _die_with_parent(parent: int) -> None:
    """In the child before exec: the kernel ends it when the manager is gone, however that came about."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
