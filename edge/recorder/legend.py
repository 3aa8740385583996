"""What the watermark says: kit and officer, time with its zone, position with its age.

Letters, digits and signs of the picture's own font only, so an officer stands there by number, not by name.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from edge.options import KitSettings
from edge.spool import Spool
from edge.spool.last_fix import find_last_fix
from edge.spool.store import read_boot_ms

NO_FIX: Final = "NO FIX"
_ZONE: Final = timezone(timedelta(hours=8))  # China has one time zone
_REFRESH_MS: Final = 1_000
_OLD_S: Final = 10


@dataclass(frozen=True, slots=True)
class _Place:
    """``since_ms``: when it was known, monotonic; None when that was before this start of the kit."""

    text: str
    since_ms: int | None


class Legend:
    """`refresh` belongs to the thread that owns the spool; `lines` may be called from the camera's."""

    def __init__(
        self,
        kit: KitSettings,
        spool: Spool,
        *,
        now_s: Callable[[], float] = time.time,
        boot_ms: Callable[[], int] = read_boot_ms,
    ) -> None:
        self._who = f"{kit.id} NO.{kit.officer_no}" if kit.officer_no else kit.id
        self._spool, self._now_s, self._boot_ms = spool, now_s, boot_ms
        self._place: _Place | None = None
        self._time_is_known = True
        self._due_ms = 0

    def refresh(self) -> None:
        """Look up position and trust in the clock, at most once a second. Raises sqlite3.Error."""
        if self._boot_ms() < self._due_ms:
            return
        self._due_ms = self._boot_ms() + _REFRESH_MS
        self._place = _find_place(self._spool)
        clock: Any = self._spool.state.get("clock_status")
        self._time_is_known = not (isinstance(clock, dict) and clock.get("source") == "none")

    def lines(self) -> tuple[str, ...]:
        """The lines of this moment, upper case."""
        at = datetime.fromtimestamp(self._now_s(), _ZONE).strftime("%Y-%m-%d %H:%M:%S +08:00")
        when = at if self._time_is_known else f"{at} CLOCK NOT SET"
        return (self._who.upper(), when, self._where())

    def _where(self) -> str:
        place = self._place
        if place is None:
            return NO_FIX
        if place.since_ms is None:
            return f"{place.text} BEFORE RESTART"
        age_s = (self._boot_ms() - place.since_ms) // 1000
        return f"{place.text} {age_s} S OLD" if age_s > _OLD_S else place.text


def _find_place(spool: Spool) -> _Place | None:
    fix = find_last_fix(spool)
    if fix is None:
        return None
    told: Any = spool.state.get("last_fix")
    text = f"{'N' if fix.lat >= 0 else 'S'}{abs(fix.lat):.5f} {'E' if fix.lon >= 0 else 'W'}{abs(fix.lon):.5f}"
    if fix.accuracy_m is not None:
        text += f" +-{fix.accuracy_m:.0f} M"
    since_ms = told.get("monotonic_ms")
    same_boot = told.get("boot") == spool.boot and isinstance(since_ms, int)
    return _Place(text, since_ms if same_boot else None)
