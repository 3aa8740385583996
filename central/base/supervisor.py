"""Runs the centre's processes from a literal table: restarts the dead with back-off, leaves none behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

STOP_S = 4.0
FIRST_BACKOFF_S = 0.5
# An SOS may be waiting: whatever the reason, nobody is left dead for longer.
LONGEST_BACKOFF_S = 5.0
STEADY_S = 30.0
POLL_S = 0.05
_LINE_LIMIT_BYTES = 256 * 1024


@dataclass(frozen=True)
class Child:
    """A line of the process table. `command` is complete; `port` tells when it is ready, if it listens."""

    name: str
    command: Sequence[str]
    port: tuple[str, int] | None = None
    last_to_stop: bool = False


@dataclass
class _Running:
    child: Child
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    backoff_s: float = FIRST_BACKOFF_S
    stopping: bool = field(default=False)


class Supervisor:
    """`run()` starts every child and returns the exit status after SIGINT, SIGTERM or `stop()`."""

    def __init__(
        self, children: Sequence[Child], *, on_ready: Callable[[], None], write: Callable[[str], None] | None = None
    ) -> None:
        self._running = [_Running(child) for child in children]
        self._on_ready = on_ready
        self._write = write or _write_stderr
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """End `run()`; may be called from a signal handler of the loop."""
        self._stop.set()

    def restarts(self) -> dict[str, int]:
        """How often each child had to be started again."""
        return {running.child.name: max(0, running.starts - 1) for running in self._running}

    def pids(self) -> dict[str, int]:
        """The processes that run now; each leads a group of its own."""
        running = ((one.child.name, one.process) for one in self._running)
        return {name: process.pid for name, process in running if process and process.returncode is None}

    async def run(self) -> int:
        """Supervise until told to stop; every child is gone when this returns."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        tasks = [asyncio.create_task(self._keep_alive(running)) for running in self._running]
        ready = asyncio.create_task(self._announce_ready())
        try:
            await self._stop.wait()
        finally:
            ready.cancel()
            await self._end_all()
            await asyncio.wait(tasks, timeout=1.0)  # last lines are read to their end
            for task in tasks:
                task.cancel()
            await asyncio.gather(ready, *tasks, return_exceptions=True)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        return 0

    async def _keep_alive(self, running: _Running) -> None:
        child = running.child
        while not running.stopping:
            began = time.monotonic()
            running.starts += 1
            running.process = await asyncio.create_subprocess_exec(
                *child.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=_LINE_LIMIT_BYTES,
                start_new_session=True,  # Ctrl-C reaches the supervisor only, which then ends all in order
            )
            if running.stopping:  # told to stop while it was being started
                _kill_group(running.process.pid)
            relay = asyncio.create_task(self._relay(child.name, running.process))
            status = await _wait_exit(running.process)
            _kill_group(running.process.pid)  # whatever it started itself, which may still hold the pipe
            await relay
            if running.stopping:
                return
            if time.monotonic() - began > STEADY_S:
                running.backoff_s = FIRST_BACKOFF_S
            self._write(f"[{child.name}] ended with status {status}; starting it again in {running.backoff_s:g} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(running.backoff_s):
                    await self._stop.wait()
            running.backoff_s = min(running.backoff_s * 2, LONGEST_BACKOFF_S)

    async def _relay(self, name: str, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # a line beyond the limit: asyncio has dropped it
                self._write(f"[{name}] (a line of more than {_LINE_LIMIT_BYTES} bytes was dropped)")
                continue
            if not line:
                return
            self._write(f"[{name}] {line.decode(errors='replace').rstrip()}")

    async def _announce_ready(self) -> None:
        for running in self._running:
            while running.child.port is not None and not await _listens(*running.child.port):
                await asyncio.sleep(0.1)
        self._on_ready()

    async def _end_all(self) -> None:
        for running in self._running:
            running.stopping = True
        deadline = time.monotonic() + STOP_S
        for last in (False, True):
            group = [running for running in self._running if running.child.last_to_stop is last]
            limit_s = max(0.5, deadline - time.monotonic() - (0 if last else 1.0))
            await asyncio.gather(*(_end(running, limit_s) for running in group))


async def _end(running: _Running, limit_s: float) -> None:
    process = running.process
    if process is None:
        return
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_wait_exit(process), limit_s)
    _kill_group(process.pid)
    await _wait_exit(process)


async def _wait_exit(process: asyncio.subprocess.Process) -> int:
    """Wait for the process alone; `Process.wait` would also wait for whoever else holds its pipe."""
    while process.returncode is None:
        await asyncio.sleep(POLL_S)
    return process.returncode


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1.0)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _write_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
