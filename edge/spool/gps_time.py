"""What the satellites' clock says at a moment of this boot, for records that must carry it beside the kit's own."""

from __future__ import annotations

from typing import Any, Final

from edge.spool.database import Spool

STATE: Final = "gps_clock"
# Beyond this a crystal may have drifted by more than the seconds that are shown to people.
OLDEST_MS: Final = 6 * 3600 * 1000


def note_gps(spool: Spool, *, offset_ms: int, error_ms: int, taken_ms: int) -> None:
    """Keep by how much satellite time stands before the time since boot; `taken_ms` is since boot."""
    facts = {"boot": spool.boot, "offset_ms": offset_ms, "error_ms": error_ms, "taken_ms": taken_ms}
    spool.state.set(STATE, facts)


def find_gps_ms(spool: Spool, monotonic_ms: int) -> int | None:
    """Satellite time (ms since 1970 UTC) at `monotonic_ms` since this boot.

    None when no believable fix was had in this boot, or none within six hours of that moment.
    """
    told: Any = spool.state.get(STATE)
    if not isinstance(told, dict) or told.get("boot") != spool.boot:
        return None
    offset_ms, taken_ms = told.get("offset_ms"), told.get("taken_ms")
    if not isinstance(offset_ms, int) or not isinstance(taken_ms, int):
        return None
    return monotonic_ms + offset_ms if abs(monotonic_ms - taken_ms) <= OLDEST_MS else None
