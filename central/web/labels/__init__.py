"""Codes of the domain as people see them, one module a group of rooms; filters of the templates by `TABLES`."""

from __future__ import annotations

from typing import Final

from central.web.i18n import Words
from central.web.labels import audit, cases, field, footage, people
from central.web.labels.field import GAP_CAUSES, REMARKS
from central.web.labels.label import Label, look_up

__all__ = ["GAP_CAUSES", "REMARKS", "TABLES", "Label", "explain", "look_up"]

# Filter name in templates -> table.
TABLES: Final[dict[str, dict[str, Label]]] = {
    **field.TABLES,
    **footage.TABLES,
    **people.TABLES,
    **cases.TABLES,
    **audit.TABLES,
}


def explain(text: str, words: Words) -> str:
    """Return a kit's own remark in the reader's language as far as it is known; what people wrote stays as it is."""
    if text in REMARKS:
        return words(REMARKS[text].text)
    cause, colon, rest = text.partition(": ")
    return f"{words(GAP_CAUSES[cause].text)} · {rest}" if colon and cause in GAP_CAUSES else text
