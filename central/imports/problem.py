"""Something wrong with a row of an import. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a row (words.PROBLEMS). A refusal keeps the row out, anything else is only noted."""

    code: str
    column: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    is_refusal: bool = True
