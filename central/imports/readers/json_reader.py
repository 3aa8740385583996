"""JSON: one array of objects, or one object a line. Neither is ever held in memory whole.

Parties may be nested: `"parties": [{"role": "executee", "name": ..., "id_no": ..., "phone": ...}]`; they become the
cells that a table has, with PART between the parties of one role.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from central.imports.readers.lines import Lines
from central.imports.readers.row import MAX_LINE_BYTES, PART, RawRow
from central.imports.rules import DamagedFileError, WrongFormError

_BLOCK_CHARS: Final = 512 * 1024
_BLANK: Final = " \t\r\n\ufeff"
# Field of a nested party -> ending of the column that holds it in a table.
PARTY_FIELDS: Final = {
    "id_no": "_id",
    "id_kind": "_id_kind",
    "phone": "_phone",
    "address": "_address",
    "representative": "_representative",
}
_DECODER: Final = json.JSONDecoder()


class JsonReader:
    """Rows of a JSON file; `row_no` counts objects (array) or lines (one object a line), from 1."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._encoding = _guess_encoding(stream)
        self._lines: Lines | None = None
        self._read = 0

    @property
    def read_bytes(self) -> int:
        """Bytes read."""
        return self._lines.read_bytes if self._lines is not None else self._read

    def rows(self) -> Iterator[RawRow]:
        """Yield rows. A damaged line is one faulty row; a damaged array ends the reading with DamagedFileError."""
        text = self._text()
        start = ""
        while not start.lstrip(_BLANK):
            piece = next(text, None)
            if piece is None:
                return
            start += piece
        start = start.lstrip(_BLANK)
        if start[0] == "[":
            yield from self._array(start[1:], text)
            return
        self._stream.seek(0)
        self._lines = Lines(self._stream)
        yield from self._objects(self._lines)

    def _text(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self._encoding)()
        while block := self._stream.read(_BLOCK_CHARS):
            self._read += len(block)
            try:
                yield decoder.decode(block)
            except UnicodeDecodeError:
                raise _damaged(0, "its encoding changes") from None

    def _array(self, buffer: str, text: Iterator[str]) -> Iterator[RawRow]:
        row_no, place = 0, 0
        while True:
            place = _skip(buffer, place, _BLANK + ",")
            if place >= len(buffer):
                buffer, place = next(text, ""), 0
                if not buffer:
                    raise _damaged(row_no + 1, "its end is missing")
                continue
            if buffer[place] == "]":
                return
            try:
                value, place = _DECODER.raw_decode(buffer, place)
            except (ValueError, RecursionError):  # ValueError: also a number of too many digits
                more = next(text, "") if len(buffer) - place <= MAX_LINE_BYTES else ""
                if not more:
                    raise _damaged(row_no + 1, "an object is broken, too long or cut off") from None
                buffer, place = buffer[place:] + more, 0
                continue
            if place >= len(buffer) and not isinstance(value, dict):
                raise _damaged(row_no + 1, "an object is broken")
            row_no += 1
            yield _row(row_no, value)

    def _objects(self, lines: Lines) -> Iterator[RawRow]:
        for row_no, (text, fault) in enumerate(lines, 1):
            if fault:
                yield RawRow(row_no, fault=fault)
                continue
            if not text.strip(_BLANK):
                continue
            try:
                value = _DECODER.decode(text)
            except (ValueError, RecursionError):  # ValueError: also a number of too many digits
                if row_no == 1:
                    raise WrongFormError(
                        "This JSON is neither an array of cases nor one case a line: export it as one of the two."
                    ) from None
                yield RawRow(row_no, fault="json_line")
                continue
            yield _row(row_no, value)


def _row(row_no: int, value: Any) -> RawRow:
    if not isinstance(value, dict):
        return RawRow(row_no, fault="json_object")
    try:
        named = _flatten(value)
        whole = "".join(named.values()).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return RawRow(row_no, fault="encoding")
    except ValueError:
        return RawRow(row_no, fault="json_value")
    return RawRow(row_no, fault="nul") if b"\0" in whole else RawRow(row_no, named=named)


def _flatten(value: Mapping[str, Any]) -> dict[str, str]:
    flat = {key: as_text(item) for key, item in value.items() if key != "parties"}
    parties = value.get("parties") or []
    if not isinstance(parties, list) or not all(isinstance(party, dict) for party in parties):
        raise ValueError("parties is no list of objects")
    roles: dict[str, list[Mapping[str, Any]]] = {}
    for party in parties:
        roles.setdefault(as_text(party.get("role")), []).append(party)
    for role, members in roles.items():
        flat[role] = PART.join(as_text(party.get("name")) for party in members)
        for name, ending in PARTY_FIELDS.items():
            if any(party.get(name) for party in members):
                flat[role + ending] = PART.join(as_text(party.get(name)) for party in members)
    return flat


def as_text(value: Any) -> str:
    """Return a JSON value as the text of a cell; raises ValueError for a list or an object."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.15G}" if abs(value) >= 1e15 else repr(value).removesuffix(".0")
    raise ValueError("a list or an object stands where a text belongs")


def _skip(text: str, place: int, marks: str) -> int:
    while place < len(text) and text[place] in marks:
        place += 1
    return place


def _guess_encoding(stream: BinaryIO) -> str:
    """Return the encoding of the beginning (UTF-8, UTF-16 by its mark, else GB18030) and go back to it."""
    start = stream.read(_BLOCK_CHARS)
    stream.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def _damaged(row_no: int, how: str) -> DamagedFileError:
    return DamagedFileError(
        f"The file is damaged or cut short near entry {row_no} ({how}): export it again.", row=row_no
    )
