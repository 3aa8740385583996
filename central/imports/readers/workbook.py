"""The parts of a workbook around its sheet: packing, list of sheets, shared texts, styles (ECMA-376)."""

from __future__ import annotations

import lzma
import posixpath
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO, Final, NoReturn

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

from central.imports.readers.xml_parts import Attributes, damaged, feed, local_name
from central.imports.rules import (
    DateSystemError,
    OldExcelError,
    OverpackedFileError,
    PasswordedFileError,
    SheetMissingError,
)

BROKEN: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
"""What unpacking a damaged part raises."""
MAX_PARTS: Final = 5000
MAX_UNPACKED_BYTES: Final = 2 * 1024**3
MAX_TEXTS_BYTES: Final = 64 * 1024**2
MAX_RATIO: Final = 300
_SMALL_BYTES: Final = 8 * 1024**2


def open_archive(stream: BinaryIO) -> zipfile.ZipFile:
    """Open a workbook; raises DamagedFileError."""
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise damaged() from error


def check_packing(archive: zipfile.ZipFile) -> None:
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
            "This workbook unpacks to far more than a list of cases: copy the list into a new one, or save it as CSV."
        )


class Book:
    """Sheets of a workbook in order: (name, is hidden, part)."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, bool, str]] = []
        self.is_1904 = False


def read_book(archive: zipfile.ZipFile) -> Book:
    """Return the list of sheets; raises DamagedFileError, DateSystemError."""
    book, targets = Book(), dict[str, str]()

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


def choose_sheet(book: Book, wanted: str) -> str:
    """Return the part of the wanted sheet, or of the first one shown; raises SheetMissingError."""
    names = [name for name, _, _ in book.sheets]
    for name, is_hidden, part in book.sheets:
        if name == wanted if wanted else not is_hidden:
            return part
    raise SheetMissingError(
        f"The workbook has no sheet {wanted!r}: it has {', '.join(names) or 'none'}.",
        sheet=wanted,
        sheets=", ".join(names),
    )


def read_texts(archive: zipfile.ZipFile) -> list[str]:
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


def read_date_styles(archive: zipfile.ZipFile) -> frozenset[int]:
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
    except (KeyError, ValueError, *BROKEN) as error:
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
