"""Codes of the domain as people see them, one module a group of rooms; filters of the templates by `TABLES`."""

from __future__ import annotations

from typing import Final

from central.web.labels import audit, cases, field, footage, live, people
from central.web.labels.field import GAP_CAUSES
from central.web.labels.label import Label, look_up

__all__ = ["GAP_CAUSES", "TABLES", "Label", "look_up"]

# Filter name in templates -> table.
TABLES: Final[dict[str, dict[str, Label]]] = {
    **field.TABLES,
    **footage.TABLES,
    **people.TABLES,
    **cases.TABLES,
    **audit.TABLES,
    **live.TABLES,
}
