"""Codes that people type: of a generator, for recovery, of a terminal. Pure.

RFC 6238 (TOTP).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

RECOVERY_CODES: Final = 10
TOTP_STEP_S: Final = 30


def accept_step(steps: Sequence[int], newest: int, matches: Sequence[bool]) -> int | None:
    """Return the time step whose code was given, None when none was or it was accepted before (RFC 6238, 5.2)."""
    right = [step for step, is_match in zip(steps, matches, strict=True) if is_match and step > newest]
    return right[0] if right else None


def normalise_code(code: str) -> str:
    """Return a typed code without blanks and hyphens, upper case; at most 64 characters are looked at."""
    return re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", code[:64])).upper()
