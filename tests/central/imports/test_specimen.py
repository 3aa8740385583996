"""The specimen of the documentation is imported as the documentation says."""

import re
from pathlib import Path

from central.imports.columns import COLUMNS

DOCS = Path(__file__).parents[3] / "docs"


def test_the_specimen_is_taken_whole(run):
    job = run((DOCS / "specimens" / "cases.csv").read_bytes())
    assert (job.state, job.created_count, job.rejected_count) == ("done", 6, 0)
    assert job.reconciliation["codes"] == {"number_legacy": 1}
    assert job.reconciliation["differences"] == 0


def test_every_column_is_documented():
    text = (DOCS / "interfaces-import.md").read_text(encoding="utf-8")
    codes = {found.strip("`") for found in re.findall(r"`\w+`", text)}
    for column in COLUMNS:
        ending = re.sub(r"^(applicant|executee|third_party)(?=_)", "", column.code)
        assert column.code in codes or ending in codes, column.code
