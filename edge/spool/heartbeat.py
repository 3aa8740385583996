"""Heartbeat files: each process says that its main loop still turns; the manager restarts a silent one.

The manager watches for change and times it by its own monotonic clock, so a step of the wall clock neither
hides a hung process nor condemns a sound one.
"""

import os
from pathlib import Path


def heartbeat_path(folder: Path, who: str) -> Path:
    """Where `who` (a process of the manager's table) beats; `folder` is the spool's."""
    return folder / f"beat.{who}"


class Heartbeat:
    """The beating end: call `beat()` from the main loop at least every `kit.heartbeat_s`."""

    def __init__(self, folder: Path, who: str) -> None:
        self._file = os.open(heartbeat_path(folder, who), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._count = 0
        self.beat()

    def beat(self) -> None:
        """One more turn of the loop. Not synced: it need not outlive a power cut."""
        self._count += 1
        os.pwrite(self._file, f"{os.getpid()} {self._count:012d}\n".encode(), 0)

    def close(self) -> None:
        """Stop beating."""
        os.close(self._file)
