"""Heartbeat files: each process says that its main loop still turns; the manager restarts a silent one.

The manager watches for change and times it by its own monotonic clock, so a step of the wall clock neither
hides a hung process nor condemns a sound one.
"""

import contextlib
import os
import threading
from pathlib import Path


def heartbeat_path(folder: Path, who: str) -> Path:
    """Where `who` (a process of the manager's table) beats; `folder` is the spool's."""
    return folder / f"beat.{who}"


class Heartbeat:
    """The beating end: call `beat()` from the main loop at least every `kit.heartbeat_s`."""

    def __init__(self, folder: Path, who: str) -> None:
        self._file = os.open(heartbeat_path(folder, who), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._count = self._pulse = 0
        self._closing = threading.Event()
        self._pulsing: threading.Thread | None = None
        self.beat()

    def beat(self) -> None:
        """One more turn of the loop. Not synced: it need not outlive a power cut."""
        self._count += 1
        if self._pulsing is None:  # else its next pulse tells it, a quarter of a second later at most
            self._write()

    def keep_pulse(self, every_s: float = 0.25) -> None:
        """From now on a thread of its own shows that the process lives, also while the loop waits for the card.

        It stops only with the whole process, e.g. when a driver holds the interpreter: the manager is then quick.
        """
        self._pulsing = threading.Thread(target=self._keep_pulse, args=(every_s,), name="pulse", daemon=True)
        self._pulsing.start()

    def close(self) -> None:
        """Stop beating."""
        self._closing.set()
        if self._pulsing is not None:
            self._pulsing.join()
        os.close(self._file)

    def _keep_pulse(self, every_s: float) -> None:
        while not self._closing.wait(every_s):
            self._pulse += 1
            self._write()

    def _write(self) -> None:
        pulse = f" {self._pulse:012d}" if self._pulse else ""
        # A card that takes nothing any more must not end whoever could still call for help over the link.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, f"{os.getpid()} {self._count:012d}{pulse}\n".encode(), 0)
