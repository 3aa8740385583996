"""When the embedded broker must start anew: NATS gives a store up for good at its first failed write.

After a full disk it lets no kit in any more, however much room there is again, until its process begins anew. Nothing
in the store is needed: kits keep what is not receipted, directives lie in the database.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

ROOM_BYTES: Final = 8 << 20
_GIVEN_UP: Final = re.compile(r"critical write error|no space left on device", re.IGNORECASE)


class StoreWatch:
    """Reads what the broker says of the store in ``folder``; ``restart`` is called once there is room again."""

    def __init__(self, folder: Path, restart: Callable[[], None]) -> None:
        self._folder = folder
        self._restart = restart
        self._is_given_up = False

    def note(self, line: str) -> None:
        """Note a line of the broker's log."""
        if not self._is_given_up and _GIVEN_UP.search(line):
            self._is_given_up = True
            log.error("broker: its disk is full, no kit can connect any more: make room for the centre's data")

    def look(self) -> None:
        """Call it now and then."""
        if self._is_given_up and shutil.disk_usage(self._folder).free >= ROOM_BYTES:
            self._is_given_up = False
            log.warning("broker: there is room again; it starts anew, for it has given its store up")
            self._restart()
