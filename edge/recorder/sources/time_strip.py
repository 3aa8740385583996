"""The moment of capture as a strip of light and dark fields in a synthetic picture: whoever sees it knows its age.

32 fields across the picture: light, dark, 24 bits of the milliseconds since 1970 (lowest first; they come round after
4.6 hours), six bits of a check. Large fields survive coding, scaling and a player's canvas.
"""

from __future__ import annotations

from typing import Final

FIELDS: Final = 32
PERIOD_MS: Final = 1 << 24
_LIGHT: Final = 225
_DARK: Final = 26


def find_rows(height: int) -> tuple[int, int]:
    """First row of the strip and the one after its last, in a picture of ``height``."""
    return height * 2 // 5, height * 2 // 5 + max(4, height // 24)


def draw_row(now_ms: int, width: int) -> bytes:
    """One row of the strip: luma of ``width`` pixels."""
    value = now_ms % PERIOD_MS
    bits = 1 | value << 2 | checksum(value) << 26
    edges = [field * width // FIELDS for field in range(FIELDS + 1)]
    return b"".join(
        bytes([_LIGHT if bits >> field & 1 else _DARK]) * (edges[field + 1] - edges[field]) for field in range(FIELDS)
    )


def read_row(row: bytes | memoryview) -> int | None:
    """Milliseconds modulo PERIOD_MS from one row of luma; None when it is no strip or too worn."""
    bits = sum(1 << field for field in range(FIELDS) if row[(2 * field + 1) * len(row) // (2 * FIELDS)] > 128)
    value = bits >> 2 & (PERIOD_MS - 1)
    return value if bits & 3 == 1 and bits >> 26 == checksum(value) else None


def checksum(value: int) -> int:
    """Six bits that change with any of the 24."""
    return (value ^ value >> 6 ^ value >> 12 ^ value >> 18 ^ 0b101101) & 0b111111
