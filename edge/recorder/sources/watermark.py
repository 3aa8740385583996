"""The lines burnt into every picture that is encoded on the kit: who, when and where, for whoever sees only the film.

They are for people's eyes. What proves time and place is the signed record and the sealed header.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from edge.recorder.sources.glyphs import ROWS, draw_rows

# Called by the camera's thread for each picture: the text of that moment.
Lines = Callable[[], Sequence[str]]

_INK: Final = 235  # white and black of limited-range luma (ITU-R BT.709)
_PAPER: Final = 16
_PICTURE_ROWS_A_DOT: Final = 320


class Stamp:
    """Writes into the lower left of a luma plane; draws only when the text changed, copies rows otherwise."""

    def __init__(self, lines: Lines, width: int, height: int) -> None:
        self._lines, self._width, self._height = lines, width, height
        self._scale = dot_pixels(height)
        self._said: Sequence[str] = ()
        self._rows: list[bytes] = []

    def press(self, luma: memoryview, stride: int) -> None:
        """Burn the present lines into ``luma``: bytes, at least ``stride`` x height of them."""
        said = self._lines()
        if said != self._said:
            self._said, self._rows = said, self._draw(said)
        at = (self._height - len(self._rows)) * stride
        for row in self._rows:
            luma[at : at + len(row)] = row
            at += stride

    def _draw(self, said: Sequence[str]) -> list[bytes]:
        longest = max(map(len, said), default=0)
        margin = bytes([_PAPER]) * self._scale
        blank = [bytes([_PAPER]) * len(margin + draw_rows(" " * longest, self._scale, _INK, _PAPER)[0])]
        drawn = blank * self._scale
        for text in said:
            rows = draw_rows(text.ljust(longest), self._scale, _INK, _PAPER)
            drawn += [margin + row for row in rows for _ in range(self._scale)] + blank * (2 * self._scale)
        fitting = min(len(drawn), self._height)
        return [row[: self._width] for row in drawn[:fitting]]


def dot_pixels(height: int) -> int:
    """How many pixels wide and high one dot of a letter is in a picture of ``height``."""
    return max(1, round(height / _PICTURE_ROWS_A_DOT))


def block_rows(lines: int, scale: int) -> int:
    """How many rows of the picture a block of ``lines`` covers."""
    return scale * (1 + lines * (ROWS + 2))
