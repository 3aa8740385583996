"""A mapping that somebody writes for a file whose headings mean nothing here: heading of the file -> column. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from central.imports.columns import BY_CODE, HEADINGS, normalise_heading
from central.imports.rules import MappingError


def read_mapping(text: str) -> dict[str, str]:
    """Read a mapping: TOML or plain lines `heading of the file = column`, the column by code or Chinese name.

    Raises MappingError.
    """
    mapping: dict[str, str] = {}
    for heading, column in _read_pairs(text.lstrip("\ufeff")).items():
        code = str(column) if column in BY_CODE else HEADINGS.get(normalise_heading(str(column)), "")
        if not code:
            raise MappingError(
                f"The mapping names the column {str(column)[:60]!r}, which there is not: use one of "
                f"{', '.join(BY_CODE)}.",
                detail=str(column)[:60],
            )
        mapping[heading.strip()] = code
    return mapping


def _read_pairs(text: str) -> Mapping[str, Any]:
    try:
        pairs = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        pairs = {}
        for line in text.splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            heading, mark, column = (piece.strip().strip("\"'") for piece in line.replace("＝", "=").partition("="))
            if not (heading and mark and column):
                raise MappingError(
                    f'The mapping cannot be read at {line[:60]!r}: write lines such as "法院 = 执行法院".',
                    detail=line[:60],
                ) from None
            pairs[heading] = column
    columns = pairs.get("columns", pairs)
    return columns if isinstance(columns, Mapping) else pairs
