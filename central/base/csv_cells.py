"""Cells of a CSV file that a spreadsheet must not take for formulas. Pure."""

from __future__ import annotations

from typing import Final

_RISKY: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Return `text`, with an apostrophe before it when a spreadsheet would run it (OWASP "CSV Injection")."""
    return f"'{text}" if text.startswith(_RISKY) else text
