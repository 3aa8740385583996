"""What a file is, by its content; its name proves nothing. Pure."""

from __future__ import annotations

import io
import zipfile
from typing import ClassVar, Final

from central.base.errors import InvalidInputError

PDF: Final = "application/pdf"
PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
TEXT: Final = "text/plain"
# What a page may show in place; the rest is offered for saving.
SHOWN: Final = frozenset({PDF, PNG, JPEG})
SUFFIXES: Final = {PDF: ".pdf", PNG: ".png", JPEG: ".jpg", DOCX: ".docx", TEXT: ".txt"}
_MAX_DOCX_PARTS: Final = 10_000
_WHITE: Final = frozenset("\t\n\r\f")


class MediaUnknownError(InvalidInputError):
    """The file is none of the kinds that are kept."""

    code: ClassVar[str] = "media_unknown"


def sniff_media(data: bytes) -> str:
    """Return the media type of a file: PDF, PNG, JPEG, DOCX or plain text (UTF-8 or GB18030).

    Raises MediaUnknownError.
    """
    if data.startswith(b"%PDF-"):
        return PDF
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"PK\x03\x04") and _is_docx(data):
        return DOCX
    if data and _is_text(data):
        return TEXT
    raise MediaUnknownError("The file must be PDF, PNG, JPEG, DOCX or plain text; convert it and try again.")


def _is_docx(data: bytes) -> bool:
    """Tell whether this is a Word document without macros."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    is_word = "[Content_Types].xml" in names and "word/document.xml" in names
    return is_word and len(names) <= _MAX_DOCX_PARTS and not any(name.endswith("vbaProject.bin") for name in names)


def _is_text(data: bytes) -> bool:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return not any((ord(sign) < 32 and sign not in _WHITE) or ord(sign) == 127 for sign in text)
    return False
