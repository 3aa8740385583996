"""What a file is, by its content."""

import pytest

from central.imports.readers import detect_form
from central.imports.rules import WrongFormError
from tests.central.imports.sheets import csv_bytes, csv_text, row, xlsx_bytes


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (csv_bytes([row(1)]), "csv"),
        (csv_text([row(1)]).encode("gb18030"), "csv"),
        (csv_text([row(1)]).encode("utf-16"), "csv"),
        (csv_text([row(1)]).encode("utf-16-le"), "csv"),
        (csv_bytes([row(1)]) + b"\0" * 20, "csv"),
        (xlsx_bytes([["a"]]), "xlsx"),
        (b' \n[{"a": 1}]', "json"),
        (b'\xef\xbb\xbf{"a": 1}', "json"),
        ('[{"a": 1}]'.encode("utf-16"), "json"),
    ],
)
def test_what_can_be_read(head, form):
    assert detect_form(head) == form


@pytest.mark.parametrize(
    "head",
    [
        b"", b"  \n", b"<html><table>", b"<?xml version='1.0'?>", b"%PDF-1.7", b"\x89PNG\r\n", b"\x1f\x8b\x08",
        bytes(range(1, 32)) * 20, bytes(4000),
    ],
    ids=["empty", "blank", "html", "xml", "pdf", "png", "gzip", "controls", "zeros"],
)  # fmt: skip
def test_what_cannot(head):
    with pytest.raises(WrongFormError, match="save it as XLSX or CSV"):
        detect_form(head)
