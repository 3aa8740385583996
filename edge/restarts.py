"""When a process that ended is started again: what its exit status says, and how the pause grows.

A recording must not have a hole of more than three seconds, so a process that had run soundly is started again at
once; only one that dies young again and again waits longer and longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Exit statuses (sysexits.h) by which a process tells the manager what happened.
EXIT_SPOOL_DAMAGED: Final = 65  # EX_DATAERR: the spool's file is damaged; it is to be checked and set aside
EXIT_CARD_READ_ONLY: Final = 73  # EX_CANTCREAT: the card takes nothing any more
EXIT_CARD_FAILED: Final = 74  # EX_IOERR: the card answers with errors
EXIT_RESTART: Final = 75  # EX_TEMPFAIL: start this process anew
EXIT_CONFIGURATION: Final = 78  # EX_CONFIG: starting again would not help

# What the recorder could not write down because of the card, told to the process that comes after it.
CAUSE_OF_CARD: Final = {EXIT_CARD_READ_ONLY: "card_read_only", EXIT_CARD_FAILED: "card_failed"}

SHORT_LIFE_S: Final = 5.0
QUICK_RESTARTS: Final = 3
FIRST_PAUSE_S: Final = 1.0
PAUSE_CAP_S: Final = 30.0
CARD_PAUSE_S: Final = 1.0


@dataclass
class RestartRule:
    """Remembers how one process fared; `find_pause_s` is asked once for each of its ends."""

    short_lives: int = 0
    last_code: int | None = None
    owed_cause: str = ""

    def find_pause_s(self, code: int | None, ran_s: float) -> float:
        """Seconds until it may start again. ``code`` as subprocess gives it, None when it hung and was killed."""
        self.last_code = code
        self.owed_cause = CAUSE_OF_CARD.get(code or 0, "")
        if self.owed_cause:
            # The card may be back at any moment, and a try costs little.
            return CARD_PAUSE_S
        if code == EXIT_CONFIGURATION:
            return PAUSE_CAP_S
        self.short_lives = self.short_lives + 1 if ran_s < SHORT_LIFE_S else 0
        if self.short_lives <= QUICK_RESTARTS:
            return 0.0
        return min(PAUSE_CAP_S, FIRST_PAUSE_S * 2.0 ** (self.short_lives - QUICK_RESTARTS - 1))
