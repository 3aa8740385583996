"""The empty table people fill in: every column with its heading, and one specimen row. No person is meant."""

from __future__ import annotations

import csv
import io
from typing import Final

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from central.imports.columns import COLUMNS

SPECIMEN: Final = {
    "case_no": "（2026）云2901执1号",
    "court": "大理市人民法院",
    "filed_on": "2026-03-02",
    "state": "执行中",
    "claim": "125000.00",
    "received": "30000.00",
    "basis_doc_no": "（2025）云2901民初1号",
    "cause": "民间借贷纠纷",
    "handler_name": "样例法官",
    "applicant": "样例甲",
    "applicant_id": "999999199001010016",
    "executee": "样例乙\n样例有限公司",
    "executee_id": "999999198502020023\n91999999MA0000001N",
    "executee_phone": "13900000000\n/",
    "executee_representative": "/\n样例丙",
    "notice_on": "2026-03-05",
}
_WIDE: Final = frozenset(("case_no", "court", "basis_doc_no", "applicant_id", "executee_id", "executee"))


def make_csv() -> bytes:
    """Return the template as CSV, UTF-8 with its mark."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.zh for column in COLUMNS])
    writer.writerow([SPECIMEN.get(column.code, "") for column in COLUMNS])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def make_xlsx() -> bytes:
    """Return the template as a workbook whose cells are all text: no spreadsheet program can break a number."""
    book = Workbook()
    sheet = book.active
    sheet.title = "cases"
    for place, column in enumerate(COLUMNS, 1):
        head = sheet.cell(1, place, column.zh)
        head.font = Font(bold=True, color="FFFFFF" if column.is_required else "102A4C")
        head.fill = PatternFill("solid", fgColor="102A4C" if column.is_required else "DCE3EC")
        letter = get_column_letter(place)
        sheet.column_dimensions[letter].width = 26 if column.code in _WIDE else 16
        sheet.column_dimensions[letter].number_format = "@"
        for row in range(2, 202):
            cell = sheet.cell(row, place, SPECIMEN.get(column.code) if row == 2 else None)
            cell.number_format = "@"
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = "B2"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
