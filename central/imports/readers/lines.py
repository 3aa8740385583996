"""Lines of a text file whose encoding may change from line to line.

A line is UTF-8 if it is valid UTF-8, else GB18030 if it is valid GB18030, else unreadable. A line of GB18030 with a
case number is never valid UTF-8 (云 is D4 C6, and C6 continues nothing), so the order is safe. UTF-16 needs its mark
or shows itself by its zero bytes; a file in it is in it throughout.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from central.imports.readers.row import MAX_LINE_BYTES

BLOCK_BYTES: Final = 256 * 1024
_BREAK: Final = re.compile(rb"\r\n|\n|\r")
_MARK: Final = "\ufeff"
_LOST: Final = "\ufffd"


class Lines:
    """Iterates (text with its line end, fault); a faulty line has text "\\n" and is never read into memory whole."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.read_bytes = 0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for line in self._split():
            if line is None:
                yield "\n", "line_too_long"
                continue
            text = decode_line(line)
            if text is None or _LOST in text:
                yield "\n", "encoding"
            elif "\0" in text:
                yield "\n", "nul"
            else:
                yield (text.lstrip(_MARK) if text.startswith(_MARK) else text), ""

    def _split(self) -> Iterator[bytes | None]:
        """Yield lines with their ends (LF, CR LF or CR); None for one beyond the limit."""
        rest, is_skipping = b"", False
        for fresh in self._blocks():
            block = rest + fresh
            rest = b""
            if is_skipping:
                end = _BREAK.search(block)
                if end is None:
                    continue
                block, is_skipping = block[end.end() :], False
            lines = block.splitlines(keepends=True)
            # A CR at the end may be half of a CR LF.
            if lines and not lines[-1].endswith(b"\n"):
                rest = lines.pop()
            for line in lines:
                yield line if len(line) <= MAX_LINE_BYTES else None
            if len(rest) > MAX_LINE_BYTES:
                rest, is_skipping = b"", True
                yield None
        if rest:
            yield rest

    def _blocks(self) -> Iterator[bytes]:
        block = self._read()
        wide = guess_wide(block)
        if not wide:
            while block:
                yield block
                block = self._read()
            return
        decoder = codecs.getincrementaldecoder(wide)(errors="replace")
        while block:
            yield decoder.decode(block).encode("utf-8", "replace")
            block = self._read()
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")

    def _read(self) -> bytes:
        block = self._stream.read(BLOCK_BYTES)
        self.read_bytes += len(block)
        return block


def decode_line(line: bytes) -> str | None:
    """Return the text of one line, or None when it is neither UTF-8 nor GB18030."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def guess_wide(start: bytes) -> str:
    """Return utf-16, utf-16-le, utf-16-be, or "" for a file of single bytes."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = start[:4096]
    if len(sample) < 8:
        return ""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd * 8 > len(sample) and even * 20 < odd:
        return "utf-16-le"
    return "utf-16-be" if even * 8 > len(sample) and odd * 20 < even else ""
