"""XLSX: one sheet of a workbook as a stream of rows (ECMA-376, SpreadsheetML).

Only the shared texts are held in memory, within a limit. openpyxl's read-only mode was tried: it keeps an element for
every row and, over defusedxml, reads some 2,000 rows a second; this reads 25,000.
"""

from __future__ import annotations

import lzma
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import IO, BinaryIO, Final, NoReturn

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format
from openpyxl.utils.datetime import from_excel

from central.imports.readers.row import MAX_COLUMNS, MAX_LINE_BYTES, RawRow
from central.imports.readers.xml_parts import Attributes, damaged, feed, local_name
from central.imports.rules import (
    DateSystemError,
    OldExcelError,
    OverpackedFileError,
    PasswordedFileError,
    SheetMissingError,
)

MAX_PARTS: Final = 5000
MAX_UNPACKED_BYTES: Final = 2 * 1024**3
MAX_TEXTS_BYTES: Final = 64 * 1024**2
MAX_RATIO: Final = 300
_SMALL_BYTES: Final = 8 * 1024**2
NOT_CALCULATED: Final = "#FORMULA!"
"""Stands where a formula has no stored result; words for it as for Excel's own error values."""


class XlsxReader:
    """Rows of one sheet: the named one, else the first that is not hidden.

    Raises PasswordedFileError, OldExcelError (binary workbook), OverpackedFileError, DamagedFileError,
    SheetMissingError, DateSystemError.
    """

    def __init__(self, stream: BinaryIO, sheet: str = "") -> None:
        self._stream = stream
        self._archive = _open_archive(stream)
        _check_packing(self._archive)
        book = _read_book(self._archive)
        self._part = _choose_sheet(book, sheet)
        self._sheet_bytes = max(1, self._archive.getinfo(self._part).file_size)
        self._size = sum(info.compress_size for info in self._archive.infolist())
        self._source: IO[bytes] | None = None
        self._texts = _read_texts(self._archive)
        self._dates = _read_date_styles(self._archive)

    @property
    def read_bytes(self) -> int:
        """Share of the sheet that was read, in bytes of the file."""
        done = self._source.tell() / self._sheet_bytes if self._source is not None else 0
        return int(done * self._size)

    def rows(self) -> Iterator[RawRow]:
        """Yield the rows that hold something."""
        builder = _RowBuilder(self._texts, self._dates)
        try:
            with self._archive.open(self._part) as source:
                self._source = source
                for _ in feed(source, builder.start, builder.end, builder.text):
                    yield from builder.take()
                self._source = None
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
            raise damaged() from error


class _RowBuilder:
    """Builds rows from the elements of a sheet: row, c (cell), v (value), f (formula), is/t (text in place)."""

    def __init__(self, texts: list[str], dates: frozenset[int]) -> None:
        self._texts, self._dates = texts, dates
        self._done: list[RawRow] = []
        self._row_no = 0
        self._cells: list[str] = []
        self._column = -1
        self._kind, self._style = "n", 0
        self._is_value = self._is_hint = self._has_formula = False
        self._pieces: list[str] = []
        self._length = 0
        self._fault = ""

    def take(self) -> list[RawRow]:
        """Return the rows finished since last time."""
        done, self._done = self._done, []
        return done

    def start(self, name: str, attributes: Attributes) -> None:
        """An element begins."""
        tag = local_name(name)
        if tag == "c":
            place = attributes.get("r")
            self._column = _column_of(place.rstrip("0123456789")) if place else self._column + 1
            self._kind, self._style = attributes.get("t", "n"), int(attributes.get("s", 0))
            self._pieces, self._length, self._has_formula = [], 0, False
        elif tag in ("v", "t"):
            self._is_value = not self._is_hint
        elif tag == "f":
            self._has_formula = True
        elif tag == "rPh":
            self._is_hint = True
        elif tag == "row":
            self._row_no = int(float(attributes.get("r", self._row_no + 1)))
            self._cells, self._column, self._fault = [], -1, ""

    def text(self, text: str) -> None:
        """Text within an element."""
        if self._is_value:
            self._length += len(text)
            if self._length <= MAX_LINE_BYTES:
                self._pieces.append(text)
            else:
                self._fault = "line_too_long"

    def end(self, name: str) -> None:
        """An element ends."""
        tag = local_name(name)
        if tag in ("v", "t"):
            self._is_value = False
        elif tag == "c":
            if self._pieces or self._has_formula:
                self._put(self._read_cell("".join(self._pieces)))
        elif tag == "rPh":
            self._is_hint = False
        elif tag == "row" and (self._fault or any(self._cells)):
            self._done.append(RawRow(self._row_no, fault=self._fault) if self._fault else self._finished())

    def _finished(self) -> RawRow:
        return RawRow(self._row_no, self._cells)

    def _put(self, text: str) -> None:
        if not 0 <= self._column < MAX_COLUMNS:
            self._fault = self._fault or "too_many_cells"
            return
        if len(self._cells) < self._column:
            self._cells.extend([""] * (self._column - len(self._cells)))
        self._cells[self._column :] = [text]

    def _read_cell(self, raw: str) -> str:
        if not raw:
            return NOT_CALCULATED
        if self._kind == "s":
            try:
                return self._texts[int(raw)]
            except (ValueError, IndexError):
                raise damaged() from None
        if self._kind == "n":
            return _read_date(raw) if self._style in self._dates else _read_number(raw)
        return raw.partition("T")[0] if self._kind == "d" else raw


def _read_number(raw: str) -> str:
    """Return a number's digits. Excel keeps 15 of them: a longer one shows in scientific form what was lost."""
    if raw.isdigit():
        return raw
    try:
        value = float(raw)
    except ValueError:
        return raw
    if abs(value) >= 1e15:
        return f"{value:.15G}"
    return str(int(value)) if value.is_integer() else repr(round(value, 6))


@lru_cache(maxsize=8192)
def _read_date(raw: str) -> str:
    try:
        value = from_excel(float(raw))
    except (ValueError, OverflowError, TypeError):
        return raw
    return str(value)[:10] if value is not None and hasattr(value, "year") else raw


@lru_cache(maxsize=1024)
def _column_of(letters: str) -> int:
    """A is 0, AB is 27; raises DamagedFileError."""
    number = 0
    for letter in letters:
        if not "A" <= letter <= "Z":
            raise damaged()
        number = number * 26 + ord(letter) - 64
    return number - 1


def _open_archive(stream: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise damaged() from error


def _check_packing(archive: zipfile.ZipFile) -> None:
    """Refuse what would unpack to far more than a sheet; zipfile itself reads no more than a part declares."""
    parts = archive.infolist()
    if any(part.flag_bits & 0x1 for part in parts):
        raise _passworded()
    if any(part.filename == "xl/workbook.bin" for part in parts):
        raise _old()
    is_bomb = len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES
    for part in parts:
        ratio = part.file_size / max(1, part.compress_size)
        is_bomb = is_bomb or (part.file_size > _SMALL_BYTES and ratio > MAX_RATIO)
        if part.filename.endswith("sharedStrings.xml") and part.file_size > MAX_TEXTS_BYTES:
            raise OverpackedFileError(
                "This workbook holds more texts than can be read at once: save the sheet as CSV (UTF-8)."
            )
    if is_bomb:
        raise OverpackedFileError(
            "This workbook unpacks to far more than a list of cases: copy the list into a new workbook, or save it as CSV."
        )


class _Book:
    """Sheets of a workbook in order: (name, is hidden, part)."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, bool, str]] = []
        self.is_1904 = False


def _read_book(archive: zipfile.ZipFile) -> _Book:
    book, targets = _Book(), dict[str, str]()

    def on_relation(name: str, attributes: Attributes) -> None:
        if local_name(name) == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    def on_element(name: str, attributes: Attributes) -> None:
        tag = local_name(name)
        if tag == "workbookPr":
            book.is_1904 = attributes.get("date1904", "0") in ("1", "true")
        elif tag == "sheet":
            relation = next((value for key, value in attributes.items() if local_name(key) == "id"), "")
            target = posixpath.normpath(posixpath.join("/xl", targets.get(relation, ""))).lstrip("/")
            book.sheets.append(
                (attributes.get("name", ""), attributes.get("state", "") not in ("", "visible"), target)
            )

    _read_part(archive, "xl/_rels/workbook.xml.rels", on_relation)
    _read_part(archive, "xl/workbook.xml", on_element)
    if book.is_1904:
        raise DateSystemError(
            "This workbook counts its days from 1904: switch that option off in the spreadsheet program and save it."
        )
    return book


def _choose_sheet(book: _Book, wanted: str) -> str:
    names = [name for name, _, _ in book.sheets]
    for name, is_hidden, part in book.sheets:
        if name == wanted if wanted else not is_hidden:
            return part
    raise SheetMissingError(
        f"The workbook has no sheet {wanted!r}: it has {', '.join(names) or 'none'}.",
        sheet=wanted,
        sheets=", ".join(names),
    )


def _read_texts(archive: zipfile.ZipFile) -> list[str]:
    """Return the shared texts; those of phonetic hints (rPh) are no part of them."""
    texts: list[str] = []
    pieces: list[str] = []
    inside = [False, False]  # in a text, in a hint

    def on_start(name: str, _attributes: Attributes) -> None:
        tag = local_name(name)
        if tag == "si":
            pieces.clear()
        elif tag == "t":
            inside[0] = not inside[1]
        elif tag == "rPh":
            inside[1] = True

    def on_end(name: str) -> None:
        tag = local_name(name)
        if tag == "t":
            inside[0] = False
        elif tag == "rPh":
            inside[1] = False
        elif tag == "si":
            texts.append("".join(pieces))

    def on_text(text: str) -> None:
        if inside[0]:
            pieces.append(text)

    if "xl/sharedStrings.xml" in archive.NameToInfo:
        _read_part(archive, "xl/sharedStrings.xml", on_start, on_end, on_text)
    return texts


def _read_date_styles(archive: zipfile.ZipFile) -> frozenset[int]:
    """Return the numbers of the cell styles that show a number as a day."""
    formats = dict(BUILTIN_FORMATS)
    styles: list[int] = []
    inside = [False]

    def on_start(name: str, attributes: Attributes) -> None:
        tag = local_name(name)
        if tag == "numFmt":
            formats[int(attributes.get("numFmtId", 0))] = attributes.get("formatCode", "")
        elif tag == "cellXfs":
            inside[0] = True
        elif tag == "xf" and inside[0]:
            styles.append(int(attributes.get("numFmtId", 0)))

    def on_end(name: str) -> None:
        if local_name(name) == "cellXfs":
            inside[0] = False

    if "xl/styles.xml" in archive.NameToInfo:
        _read_part(archive, "xl/styles.xml", on_start, on_end)
    return frozenset(place for place, number in enumerate(styles) if is_date_format(formats.get(number, "General")))


def _read_part(
    archive: zipfile.ZipFile,
    name: str,
    on_start: Callable[[str, Attributes], None],
    on_end: Callable[[str], None] = lambda _name: None,
    on_text: Callable[[str], None] = lambda _text: None,
) -> None:
    try:
        with archive.open(name) as part:
            for _ in feed(part, on_start, on_end, on_text):
                pass
    except (
        KeyError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
    ) as error:
        raise damaged() from error


def refuse_ole(stream: BinaryIO) -> NoReturn:
    """Refuse a file in Microsoft's old container: a workbook with a password, or one of Excel 97."""
    stream.seek(0)
    tail, mark = b"", "EncryptedPackage".encode("utf-16-le")
    while block := stream.read(1 << 20):
        if mark in tail + block:
            raise _passworded()
        tail = block[-len(mark) :]
    raise _old()


def _passworded() -> PasswordedFileError:
    return PasswordedFileError("This workbook is protected by a password: save it without one and upload it again.")


def _old() -> OldExcelError:
    return OldExcelError(
        "This is an old or binary workbook (.xls, .xlsb): save it as .xlsx or CSV and upload it again."
    )
