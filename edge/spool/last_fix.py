"""The last position known, for an alarm or a segment that must carry one whatever its age."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from contract.messages import Fix
from edge.spool.database import Spool

# Older than this, the officer may well be elsewhere by now.
FRESH_MS: Final = 60_000
BEFORE_RESTART: Final = "known before the kit's restart"


def find_last_fix(spool: Spool) -> Fix | None:
    """State ``last_fix`` as a Fix, its age stated in ``suspect``; None when nothing usable is known."""
    told: Any = spool.state.get("last_fix")
    if not isinstance(told, dict):
        return None
    try:
        fix = msgspec.convert(told, Fix)
    except msgspec.ValidationError:
        return None
    return msgspec.structs.replace(fix, suspect=fix.suspect or _doubt(told, spool.boot))


def _doubt(told: dict[str, Any], boot: str) -> str:
    if told.get("boot") != boot:
        return BEFORE_RESTART
    since_boot_ms = told.get("monotonic_ms")
    if not isinstance(since_boot_ms, int):
        return ""
    age_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000 - since_boot_ms
    return f"{age_ms // 1000} s old" if age_ms > FRESH_MS else ""
