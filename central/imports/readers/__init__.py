"""Readers of tables: CSV, XLSX and JSON become the same rows, as a stream with bounded memory."""

from __future__ import annotations

from typing import BinaryIO, Final

from central.imports.readers.csv_reader import CsvReader
from central.imports.readers.json_reader import JsonReader
from central.imports.readers.lines import guess_wide
from central.imports.readers.row import RawRow, Reader
from central.imports.rules import WrongFormError

__all__ = ["RawRow", "Reader", "detect_form", "open_reader"]

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# What is often sent instead; a table exported as a page and named .xls comes first.
_FOREIGN: Final = (b"<", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"{\\rtf")


def detect_form(head: bytes) -> str:
    """Return csv, xlsx, ole or json for the beginning of a file; raises WrongFormError for anything else.

    The content decides, not the name. `ole` is an old or a protected workbook, which no reader takes.
    """
    if head.startswith(b"PK"):
        return "xlsx"
    if head.startswith(_OLE):
        return "ole"
    wide = guess_wide(head)
    text = head.decode(wide, "ignore").lstrip("\ufeff").encode("utf-8", "ignore") if wide else head
    start = text.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if not start or start.startswith(_FOREIGN) or _is_binary(text):
        raise WrongFormError(
            "This file is no table that can be imported: open it in a spreadsheet program and save it as XLSX or CSV."
        )
    return "json" if start[:1] in (b"[", b"{") else "csv"


def open_reader(form: str, stream: BinaryIO, *, sheet: str = "") -> Reader:
    """Return the reader of `form` over a seekable stream; raises ImportFileError subclasses."""
    if form in ("ole", "xlsx"):
        # openpyxl takes longer to load than all the rest of the centre's command line.
        from central.imports.readers.workbook import refuse_ole
        from central.imports.readers.xlsx_reader import XlsxReader

        if form == "ole":
            refuse_ole(stream)
        return XlsxReader(stream, sheet)
    return JsonReader(stream) if form == "json" else CsvReader(stream)


def _is_binary(head: bytes) -> bool:
    """Tell whether the beginning holds many control bytes; some zero bytes are those of damaged rows."""
    harmless = b"\t\n\r\x0b\x0c\x1a\x1b\x1c\x1e\x1f"
    controls = sum(head.count(bytes([code])) for code in range(1, 32) if code not in harmless)
    return controls * 50 > len(head) or head.count(0) * 3 > len(head)
