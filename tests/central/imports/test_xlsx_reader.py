"""Workbooks, good and nasty."""

import io
import re
import zipfile
from datetime import date, datetime

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from central.imports.readers import detect_form, open_reader
from central.imports.readers.row import MAX_LINE_BYTES
from central.imports.readers.xlsx_reader import NOT_CALCULATED, XlsxReader
from central.imports.rules import (
    DamagedFileError,
    DateSystemError,
    OldExcelError,
    OverpackedFileError,
    PasswordedFileError,
    SheetMissingError,
)
from tests.central.imports.sheets import xlsx_bytes


def read(data: bytes, sheet: str = "") -> list[tuple[int, object]]:
    reader = XlsxReader(io.BytesIO(data), sheet)
    return [(row.row_no, row.fault or list(row.cells)) for row in reader.rows()]


def saved(book: openpyxl.Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def altered(data: bytes, part: str, change, **added: bytes) -> bytes:
    """Change one part of a workbook, and add parts to the folder xl."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            content = source.read(name)
            archive.writestr(name, change(content) if name == part else content)
        for name, content in added.items():
            archive.writestr(f"xl/{name}.xml", content)
    return target.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def test_texts_numbers_days_and_gaps():
    table = [
        ["案号", "日期", "金额"], ["（2026）云2901执1号", date(2026, 11, 23), 12345.6], [None, None, None],
        ["x", datetime(2026, 11, 23, 10, 5), 7], [None, "", 0.1 + 0.2],  # noqa: DTZ001 - cells have no zone
    ]  # fmt: skip
    assert read(xlsx_bytes(table)) == [
        (1, ["案号", "日期", "金额"]), (2, ["（2026）云2901执1号", "2026-11-23", "12345.6"]),
        (4, ["x", "2026-11-23", "7"]), (5, ["", "", "0.3"]),
    ]  # fmt: skip


def test_an_id_that_became_a_number_shows_its_loss():
    data = xlsx_bytes([[9.99999199001011e17, 7, 13900000000.0]])
    exact = altered(data, SHEET, lambda xml: xml.replace(b"<v>7</v>", b"<v>999999199001010016</v>"))
    assert read(exact) == [(1, ["9.99999199001011E+17", "999999199001010016", "13900000000"])]


def test_a_formula_gives_its_stored_result_or_says_there_is_none():
    data = xlsx_bytes([["=1+1", "x"]])
    assert read(data) == [(1, [NOT_CALCULATED, "x"])]
    stored = altered(data, SHEET, lambda xml: xml.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>"))
    assert read(stored) == [(1, ["2", "x"])]


def test_shared_texts_with_phonetic_hints_and_rich_text():
    shared = """<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>a</t></si><si><r><t>样</t></r>
        <r><t>例</t></r><rPh sb="0" eb="1"><t>yang</t></rPh></si></sst>""".encode()
    cells = b'<c r="A1" t="s"><v>1</v></c><c r="C1" t="s"><v>0</v></c>'
    data = altered(xlsx_bytes([[1]]), SHEET, lambda xml: re.sub(rb"<c .*</c>", cells, xml), sharedStrings=shared)
    assert read(data) == [(1, ["样例", "", "a"])]
    with pytest.raises(DamagedFileError):
        read(altered(xlsx_bytes([[1]]), SHEET, lambda xml: re.sub(rb"<c .*</c>", cells, xml)))


def test_the_first_shown_sheet_or_the_named_one():
    book = openpyxl.Workbook()
    book.active.title = "说明"
    book.active.sheet_state = "hidden"
    book.create_sheet("案件").append(["a"])
    book.create_sheet("其他").append(["b"])
    assert read(saved(book)) == [(1, ["a"])]
    assert read(saved(book), "其他") == [(1, ["b"])]
    with pytest.raises(SheetMissingError, match="说明, 案件, 其他"):
        read(saved(book), "没有")


def test_days_from_1904_are_refused():
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append([date(2026, 11, 23)])
    with pytest.raises(DateSystemError, match="1904"):
        read(saved(book))


def test_a_bomb_is_not_unpacked():
    data = altered(xlsx_bytes([["x"]]), SHEET, lambda _: b"<worksheet>" + b" " * 30_000_000 + b"</worksheet>")
    assert len(data) < 100_000
    with pytest.raises(OverpackedFileError, match="unpacks to far more"):
        read(data)


def test_an_entity_is_refused():
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaa">]><worksheet>&a;</worksheet>'
    with pytest.raises(DamagedFileError):
        read(altered(xlsx_bytes([["x"]]), SHEET, lambda _: bomb))


def test_a_cell_too_long_costs_its_row():
    data = altered(
        xlsx_bytes([["a"], [1], ["b"]]), SHEET,
        lambda xml: xml.replace(b"<v>1</v>", b"<v>" + b"7" * (MAX_LINE_BYTES + 1) + b"</v>"),
    )  # fmt: skip
    assert read(data) == [(1, ["a"]), (2, "line_too_long"), (3, ["b"])]


def test_a_cell_beyond_the_last_column_costs_its_row():
    assert read(xlsx_bytes([["a"], [None] * 400 + ["x"], ["b"]])) == [(1, ["a"]), (2, "too_many_cells"), (3, ["b"])]


@pytest.mark.parametrize("keep", [200, 2000, -30])
def test_a_file_cut_short_is_told(keep):
    with pytest.raises(DamagedFileError, match="damaged or cut short"):
        read(xlsx_bytes([["x", number] for number in range(3000)])[:keep])


def test_a_flipped_bit_is_told():
    data = bytearray(xlsx_bytes([["x", number] for number in range(3000)]))
    place = data.find(b"xl/worksheets/sheet1.xml") + 2000
    data[place] ^= 0x55
    with pytest.raises(DamagedFileError):
        read(bytes(data))


@pytest.mark.parametrize(
    ("inside", "error"),
    [("Workbook", OldExcelError), ("EncryptedPackage", PasswordedFileError)],
    ids=["excel 97", "password"],
)
def test_old_and_protected_workbooks_are_told(inside, error):
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000_000) + inside.encode("utf-16-le") + bytes(600)
    assert detect_form(data) == "ole"
    with pytest.raises(error, match="save it"):
        open_reader("ole", io.BytesIO(data))
