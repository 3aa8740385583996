"""Cases: states, closings, nodes, parties, acts, flags, documents, imports."""

from __future__ import annotations

from typing import Final

from central.web.labels.label import Label

TABLES: Final[dict[str, dict[str, Label]]] = {}
