"""An SOS that the card refuses, kept in the machine's memory so that it outlives this process.

The panel is ended in good order when another card takes the place of a dead one, and may be killed at any time; what
was only in its own memory would be gone with it. A file of a RAM disk needs no card and lasts until the power is cut.
It is this user's alone: whatever another user may have put there under the same name is left aside.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from contract.messages import Alarm, MessageError, decode, encode

log = logging.getLogger("zhixing.panel")

RAM_DISK: Final = Path("/dev/shm")  # noqa: S108 -- opened as this user's own file only
_MAX_BYTES: Final = 8 * 1024


class _Kept(msgspec.Struct, frozen=True):
    alarm: Alarm
    by: str


class Keepsake:
    """The one SOS in hand of the kit whose data lies in ``data_dir``."""

    def __init__(self, data_dir: Path) -> None:
        mark = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:16]
        self._path = RAM_DISK / f"zhixing-{os.getuid()}-{mark}.sos"

    def put(self, alarm: Alarm, by: str) -> None:
        """Keep it; where there is no RAM disk nothing is kept, which is logged."""
        try:
            handle, name = tempfile.mkstemp(dir=RAM_DISK, prefix=self._path.name)  # mode 0600
            with os.fdopen(handle, "wb") as file:
                file.write(encode(_Kept(alarm, by)))
            Path(name).replace(self._path)
        except OSError as error:
            log.error("panel: the SOS is in this process's memory alone: %s", error)

    def find(self) -> tuple[Alarm, str] | None:
        """What a panel before this one had in hand: the alarm and by whom; None when there was nothing."""
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.getuid() or not stat.S_ISREG(status.st_mode):
                return None
            data = file.read(_MAX_BYTES)
        try:
            kept = decode(data, _Kept)
        except MessageError as error:
            log.error("panel: what an earlier panel kept of an SOS cannot be read: %s", error)
            return None
        return kept.alarm, kept.by

    def drop(self) -> None:
        """It is on the card."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
