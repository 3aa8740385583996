"""What every reader hands out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

MAX_LINE_BYTES: Final = 128 * 1024
"""A longer line, record or cell is refused; it is never held in memory whole."""
MAX_COLUMNS: Final = 300
PART: Final = "\x1f"
"""Between several parties in one cell, when the reader knows them apart (JSON)."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as it stands in the file. `row_no` is what a spreadsheet shows beside it, the first row being 1.

    Tables give `cells` by position, JSON gives `named`; `fault` is the code of what makes the row unreadable.
    """

    row_no: int
    cells: Sequence[str] = ()
    named: Mapping[str, str] | None = None
    fault: str = ""


class Reader(Protocol):
    """A file being read."""

    @property
    def read_bytes(self) -> int:
        """How much of the file has been read, for the progress bar."""
        ...

    def rows(self) -> Iterator[RawRow]:
        """Yield the rows, empty ones left out; raises ImportFileError subclasses for what ends the reading."""
        ...
