"""Single keys on a terminal, where there are no pins and no page."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from edge.panel.gestures import Act

KEYS: Final = {
    "s": Act.SOS,
    "w": Act.WITHDRAW,
    "r": Act.RECORD,
    "m": Act.MARK,
    "d": Act.DUTY,
    "c": Act.CATEGORY,
    "q": Act.QUIET,
    "e": Act.WATCH_ME,
}


class Inlet:
    """Hands acts of another thread to the panel's own thread, which alone touches the spool."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._acts: SimpleQueue[Act] = SimpleQueue()
        self._wake = wake

    def push(self, act: Act) -> None:
        """Hand over without waiting."""
        self._acts.put(act)
        self._wake()

    def take(self) -> Act | None:
        """The next act, or None."""
        try:
            return self._acts.get_nowait()
        except Empty:
            return None


class Keyboard:
    """Single keys on a terminal, as ``KEYS`` has them."""

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._stopping = threading.Event()
        self._before = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        self._thread = threading.Thread(target=self._read, name="keyboard", daemon=True)
        self._thread.start()
        print("keys: " + ", ".join(f"{key} {act.value}" for key, act in KEYS.items()), flush=True)

    def close(self) -> None:
        """Give the terminal back as it was."""
        self._stopping.set()
        self._thread.join(2)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def _read(self) -> None:
        while not self._stopping.is_set():
            if not select.select([sys.stdin], [], [], 0.5)[0]:
                continue
            # Past Python's own buffer: what lies in there would not show in select.
            keys = os.read(sys.stdin.fileno(), 64).decode(errors="ignore").lower()
            if not keys:
                return
            for act in (KEYS[key] for key in keys if key in KEYS):
                self._inlet.push(act)
