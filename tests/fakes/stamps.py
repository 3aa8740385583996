"""Reads what the watermark says, out of a decoded picture, dot by dot: the eye of the tests."""

import av

from edge.recorder.sources.glyphs import COLUMNS, ROWS, draw_rows
from edge.recorder.sources.watermark import block_rows, dot_pixels

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:+- "


def read_stamp(picture: av.VideoFrame, *, lines: int) -> list[str]:
    """The lines in the lower left of `picture`, blanks at their ends taken off; "?" for what is no character."""
    plane = picture.reformat(format="gray").planes[0]
    luma, stride, dot = bytes(plane), plane.line_size, dot_pixels(picture.height)
    shapes = {_shape(draw_rows(char, 1, 1, 0)): char for char in _ALPHABET}
    top = picture.height - block_rows(lines, dot) + dot
    said = []
    for line in range(lines):
        y = top + line * (ROWS + 2) * dot + dot // 2
        cells = range((picture.width // dot - 1) // (COLUMNS + 1))
        text = ""
        for cell in cells:
            x = dot + cell * (COLUMNS + 1) * dot + dot // 2
            rows = [
                bytes(luma[(y + row * dot) * stride + x + column * dot] > 125 for column in range(COLUMNS))
                for row in range(ROWS)
            ]
            text += shapes.get(tuple(rows), "?")
        said.append(text.rstrip("? "))
    return said


def _shape(rows: list[bytes]) -> tuple[bytes, ...]:
    return tuple(row[:COLUMNS] for row in rows)
