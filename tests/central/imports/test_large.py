"""A sheet of 100,000 rows, some broken: every row is accounted for, in bounded memory."""

import json
import random
import subprocess
import sys

import pytest

from tests.central.imports.sheets import HEADINGS, case_no, csv_text, row, xlsx_bytes

ROWS = 100_000
BROKEN = (
    ("case_number", {"案号": "无"}),
    ("day_unreadable", {"立案日期": "2026-02-30"}),
    ("id_scientific", {"被执行人证件号码": "9.99999E+17"}),
    ("amount_unreadable", {"标的额(元)": "若干"}),
    ("duplicate_in_file", {"案号": case_no(1)}),
    ("court_outside", {"案号": case_no(7, "云"), "执行法院": ""}),
)
_RUN = """
import json, re, sys
from pathlib import Path
from central.base.settings import Settings
from central.base.unit_of_work import open_store
from central.imports import queries, runner
settings = Settings(data_dir=sys.argv[1] + "/data", keys_dir=sys.argv[1] + "/keys")
store = open_store(settings)
runner.run_job(store, settings, sys.argv[2])
with store.read() as session:
    job = queries.find_job(session, sys.argv[2])
    print(json.dumps({"state": job.state, "read": job.rows_read, "created": job.created_count,
        "rejected": job.rejected_count, "codes": job.reconciliation["codes"],
        "differences": job.reconciliation["differences"],
        "peak_mb": int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024}))
store.close()
"""


@pytest.fixture
def run_beside(store, place, queue, tmp_path):
    """Run a dry run or a real import in a process of its own; returns what it told."""

    def run(data, **options):
        job = queue(data, **options)
        (tmp_path / "data").mkdir(exist_ok=True)
        target = tmp_path / "data" / "centre.db"
        if not target.exists():
            target.symlink_to(tmp_path / "centre.db")
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(tmp_path), job.id], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_hundred_thousand_rows(run_beside):
    dice, wanted = random.Random(7), dict.fromkeys((code for code, _ in BROKEN), 0)
    lines = csv_text([row(1)]).splitlines()
    heading, good = lines
    template = good.replace(case_no(1), "{}")
    data = [heading.encode(), good.encode()]
    raw = {"encoding": b"\xff\xfe\xfa,x", "column_count": b",".join([b"x"] * 30), "csv_quote": b'"never closed,x'}
    wanted |= dict.fromkeys(raw, 0)
    for seq in range(2, ROWS + 1):
        kind = dice.randrange(100)
        if kind < len(BROKEN):
            code, changes = BROKEN[kind]
            wanted[code] += 1
            data.append(csv_text([row(seq, **changes)]).splitlines()[1].encode(dice.choice(("utf-8", "gb18030"))))
        elif kind < len(BROKEN) + len(raw):
            code = list(raw)[kind - len(BROKEN)]
            wanted[code] += 1
            data.append(raw[code])
        else:
            data.append(template.format(case_no(seq)).encode(dice.choice(("utf-8", "gb18030"))))
    told = run_beside(b"\r\n".join(data), is_dry_run=True)
    refused = sum(wanted.values())
    assert told["codes"] == wanted
    assert (told["state"], told["read"], told["rejected"]) == ("done", ROWS, refused)
    assert (told["created"], told["differences"]) == (ROWS - refused, 0)
    assert told["peak_mb"] < 200


def test_a_workbook_of_ten_thousand_rows(run_beside):
    table = [list(HEADINGS)]
    for seq in range(1, 10_001):
        one = row(seq, 案号="x" if seq % 100 == 0 else case_no(seq))
        table.append([one.get(heading) or None for heading in HEADINGS])
    told = run_beside(xlsx_bytes(table), is_dry_run=True)
    assert (told["read"], told["created"], told["codes"]) == (10_000, 9_900, {"case_number": 100})
    assert told["peak_mb"] < 250
