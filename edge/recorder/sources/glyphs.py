"""A 5 by 7 bitmap font for the clock that the synthetic camera burns into its picture; needs no font file."""

from __future__ import annotations

from typing import Final

ROWS: Final = 7
COLUMNS: Final = 5

# One string of seven rows each; each row is five bits as two hexadecimal digits.
_PATTERNS: Final[dict[str, str]] = {
    "0": "0e11131519110e", "1": "040c040404040e", "2": "0e11010204081f", "3": "1f02040201110e",
    "4": "02060a121f0202", "5": "1f101e0101110e", "6": "0608101e11110e", "7": "1f010204080808",
    "8": "0e11110e11110e", "9": "0e11110f01020c", "A": "0e11111f111111", "B": "1e11111e11111e",
    "C": "0e11101010110e", "D": "1c12111111121c", "E": "1f10101e10101f", "F": "1f10101e101010",
    "G": "0e11101711110f", "H": "1111111f111111", "I": "0e04040404040e", "J": "0702020202120c",
    "K": "11121418141211", "L": "1010101010101f", "M": "111b1515111111", "N": "11111915131111",
    "O": "0e11111111110e", "P": "1e11111e101010", "Q": "0e11111115120d", "R": "1e11111e141211",
    "S": "0f10100e01011e", "T": "1f040404040404", "U": "1111111111110e", "V": "11111111110a04",
    "W": "1111111515150a", "X": "11110a040a1111", "Y": "1111110a040404", "Z": "1f01020408101f",
    "-": "0000001f000000", ":": "000c0c000c0c00", ".": "00000000000c0c", "+": "0004041f040400",
    " ": "00000000000000",
}  # fmt: skip


def draw_rows(text: str, scale: int, ink: int, paper: int) -> list[bytes]:
    """Rows of luma bytes showing ``text``, each pixel of the font ``scale`` pixels wide.

    Returns seven rows; draw each ``scale`` times. Characters the font lacks show as blanks.
    """
    patterns = [bytes.fromhex(_PATTERNS.get(char, _PATTERNS[" "])) for char in text.upper()]
    dot, gap = bytes([ink]) * scale, bytes([paper]) * scale
    return [
        b"".join(
            b"".join(dot if pattern[row] & (1 << bit) else gap for bit in range(COLUMNS - 1, -1, -1)) + gap
            for pattern in patterns
        )
        for row in range(ROWS)
    ]
