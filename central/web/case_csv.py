"""The list of cases as CSV: one header, a row a case, cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

from central.base.csv_cells import safe_cell
from central.cases.found import CaseRow
from central.web.case_names import Names
from central.web.formats import show_money
from central.web.i18n import Words
from central.web.i18n import note as _
from central.web.labels import look_up
from central.web.labels.cases import CASE_STATES

HEADERS: Final = (
    _("案号"), _("法院"), _("案件类型"), _("状态"), _("结案方式"), _("承办人"), _("立案日期"),
    _("申请执行人"), _("被执行人"), _("标的额（元）"), _("最近期限"), _("节点"), _("办案期限"), _("大要案"),
)  # fmt: skip


def write_csv(rows: Iterable[CaseRow], names: Names, words: Words) -> Iterator[str]:
    """Yield the lines of the file, the first after a byte order mark."""
    yield "\ufeff" + _line(words(header) for header in HEADERS)
    for row in rows:
        yield _line(_cells(row, names, words))


def _cells(row: CaseRow, names: Names, words: Words) -> list[str]:
    return [
        row.case_no,
        names.court(row.court_code),
        names.type(row.type_code),
        look_up(CASE_STATES, row.state, words).text,
        names.closing(row.closing) if row.closing else "",
        row.handler_name,
        str(row.filed_on),
        row.applicants,
        row.executees,
        show_money(row.claim_fen).replace(",", ""),
        str(row.due_on or ""),
        names.node(row.due_node) if row.due_node else "",
        str(row.limit_on or ""),
        words(_("是")) if row.is_flagged else "",
    ]


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([safe_cell(cell) for cell in cells])
    return line.getvalue()
