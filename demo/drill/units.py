"""What systemd does for kits and centre: each command is started again when it ends, until it is to end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from demo.children import Child, start_child, stop_children
from demo.drill import processes

_LOOK_EVERY_S: Final = 0.05


class Unit:
    """One command that is kept running. ``pause_s`` is systemd's RestartSec; its own default is 0.1 s."""

    def __init__(self, name: str, command: Callable[[], Sequence[str]], log_dir: Path, pause_s: float) -> None:
        self.name = name
        self._command, self._log_dir, self._pause_s = command, log_dir, pause_s
        self._child: Child | None = None
        self._due_s = 0.0
        self._is_wanted = False
        self._lock = threading.RLock()

    @property
    def pid(self) -> int | None:
        """The process, or None while there is none."""
        with self._lock:
            return self._child.process.pid if self._child and self._child.process.poll() is None else None

    def start(self) -> None:
        """Keep it running from now on."""
        with self._lock:
            self._is_wanted, self._due_s = True, 0.0
            self.look_after()

    def look_after(self) -> None:
        """Start it when it has ended and its pause is over."""
        with self._lock:
            if not self._is_wanted or self.pid is not None:
                return
            now_s = time.monotonic()
            if self._child is not None:
                self._child.process.wait()
                self._child, self._due_s = None, now_s + self._pause_s
            if now_s >= self._due_s:
                self._child = start_child(self.name, self._command(), self._log_dir)

    def kill(self) -> None:
        """Signal 9 to its first process alone; what hangs below it is to go by itself."""
        with self._lock:
            if self._child is not None:
                self._child.process.send_signal(signal.SIGKILL)

    def kill_tree(self) -> None:
        """Signal 9 to everything of it at once, and nothing starts again before `start`."""
        with self._lock:
            self._is_wanted = False
            if self._child is None:
                return
            victims = processes.list_tree(self._child.process.pid)
            processes.kill(victims)
            self._child.process.wait()
            if not processes.wait_gone(victims, timeout_s=20):
                raise TimeoutError(f"{self.name}: the kernel does not let go of one of {victims}")
            self._child = None

    def stop(self) -> None:
        """End it in good order, with whatever is left of it."""
        with self._lock:
            self._is_wanted = False
            if self._child is not None:
                left = processes.list_tree(self._child.process.pid)
                stop_children([self._child], timeout_s=15)
                processes.kill(left)
                self._child = None


class Keeper:
    """Looks after units from a thread of its own.

    Processes die with the thread that started them where the kernel is asked for it, so this one lives to the end.
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = list(units)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End every unit, the last one first."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        for unit in reversed(self.units):
            unit.stop()

    def _run(self) -> None:
        while not self._ending.wait(_LOOK_EVERY_S):
            for unit in self.units:
                unit.look_after()
