"""CSV (RFC 4180): comma, tab, semicolon or bar; line ends within quotes; a broken row breaks no other."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, Final

from central.imports.readers.lines import Lines
from central.imports.readers.row import MAX_COLUMNS, MAX_LINE_BYTES, RawRow

DELIMITERS: Final = (",", "\t", ";", "|")
_MAX_RECORD_LINES: Final = 64
_SNIFFED_LINES: Final = 10
# Excel's own first line that names the delimiter.
_SEP: Final = re.compile(r"sep=(.)\s*\Z", re.IGNORECASE)


class _RunawayQuoteError(Exception):
    """A quoted field goes on and on: its closing quote is missing."""


class _Feed:
    """Hands lines to the csv module and remembers those of the record it is in, so that they can be read again."""

    def __init__(self, lines: Iterator[tuple[str, str]]) -> None:
        self._lines = lines
        self._waiting: deque[tuple[str, str]] = deque()
        self._taken: list[tuple[str, str]] = []
        self._length = 0
        self.fault = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        pair = self._waiting.popleft() if self._waiting else next(self._lines)
        self._taken.append(pair)
        text, fault = pair
        if fault and not self.fault:
            self.fault = fault
        self._length += len(text)
        if len(self._taken) > _MAX_RECORD_LINES or self._length > MAX_LINE_BYTES:
            raise _RunawayQuoteError
        return text

    def peek(self, count: int) -> list[str]:
        """Return the next lines without taking them."""
        self._waiting.extend(islice(self._lines, max(0, count - len(self._waiting))))
        return [text for text, _ in islice(self._waiting, count)]

    def begin(self) -> None:
        """A record begins."""
        self._taken.clear()
        self._length, self.fault = 0, ""

    def drop_first(self) -> None:
        """The record was broken: its first line is given up, the lines after it are read as records of their own."""
        self._waiting.extendleft(reversed(self._taken[1:]))
        self.fault = self._taken[0][1] if self._taken else self.fault


class CsvReader:
    """Rows of a CSV file. `delimiter` is the one that cuts the first lines most evenly."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = Lines(stream)
        self._feed = _Feed(iter(self._lines))
        self._row_no = 0
        self.delimiter = self._sniff()

    @property
    def read_bytes(self) -> int:
        """Bytes read."""
        return self._lines.read_bytes

    def rows(self) -> Iterator[RawRow]:
        """Yield rows; a row with an unreadable line, a broken quote or too many fields carries its fault."""
        feed, parser = self._feed, self._parser()
        while True:
            feed.begin()
            try:
                cells = next(parser)
            except StopIteration:
                return
            except (csv.Error, _RunawayQuoteError):
                feed.drop_first()
                parser = self._parser()
                self._row_no += 1
                yield RawRow(self._row_no, fault=feed.fault or "csv_quote")
                continue
            self._row_no += 1
            if feed.fault:
                yield RawRow(self._row_no, fault=feed.fault)
            elif len(cells) > MAX_COLUMNS:
                yield RawRow(self._row_no, fault="too_many_cells")
            elif any(cells):
                yield RawRow(self._row_no, cells)

    def _parser(self) -> Iterator[list[str]]:
        return csv.reader(self._feed, delimiter=self.delimiter, strict=True)

    def _sniff(self) -> str:
        lines = self._feed.peek(_SNIFFED_LINES)
        named = _SEP.match(lines[0]) if lines else None
        if named:
            self._feed.begin()
            next(self._feed)
            self._row_no = 1
            return named[1]
        return max(DELIMITERS, key=lambda mark: _evenness(lines, mark))


def _evenness(lines: list[str], delimiter: str) -> int:
    """Return how many delimiters stand in lines that agree on their number: those within texts vary."""
    counts = Counter(re.sub(r'"[^"]*"', "", line).count(delimiter) for line in lines)
    return max((count * times for count, times in counts.items()), default=0)
