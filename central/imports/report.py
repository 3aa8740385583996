"""The error report of an import as CSV: UTF-8 with the mark spreadsheets want; no cell can become a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

from central.base.csv_cells import safe_cell
from central.imports.models import ImportProblem
from central.imports.words import Language, column_name, tell

BOM: Final = "\ufeff"
_HEADINGS: Final = {
    "zh": ("行号", "案号", "结果", "列", "说明", "代码"),
    "en": ("Row", "Case no.", "Result", "Column", "What is wrong", "Code"),
}
_RESULTS: Final = {"zh": ("已导入，有提示", "未导入"), "en": ("taken, noted", "refused")}


def write_report(problems: Iterable[ImportProblem], language: Language) -> Iterator[str]:
    """Yield the lines of the report, heading first."""
    yield BOM + _line(_HEADINGS[language])
    for problem in problems:
        yield _line(
            (
                str(problem.row_no) if problem.row_no else "",
                problem.case_no,
                _RESULTS[language][problem.is_refusal],
                column_name(problem.column, language),
                tell(problem.code, problem.params, language),
                problem.code,
            )
        )


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([safe_cell(cell) for cell in cells])
    return line.getvalue()
