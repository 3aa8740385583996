"""`zhixing-central import`: exit status, summary, report."""

import io
import sys

import pytest

from central import main as central_main
from central.base.settings import load_settings
from central.imports import files
from tests.central.imports.sheets import csv_bytes, row


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "centre.toml"
    path.write_text('data_dir = "data"\nkeys_dir = "keys"\n', encoding="utf-8")
    return path


@pytest.fixture
def call(config, tmp_path, capsys, monkeypatch):
    def run(data, *options, source="旧系统", court="云29"):
        file = tmp_path / "cases.csv"
        file.write_bytes(data)
        words = ["import", str(file), "--config", str(config), "--source", source, "--court", court, *options]
        status = central_main.main(words)
        told = capsys.readouterr()
        return status, told.out, told.err

    yield run
    assert files.list_files(load_settings(config), before_s=float("inf")) == []


def test_a_good_file(call):
    status, out, _ = call(csv_bytes([row(1), row(2)]))
    assert status == 0
    assert "import: done, cases.csv from 旧系统 for 云29" in out
    assert "  created                      2\n" in out


def test_refused_rows_and_their_report(call, tmp_path):
    status, out, _ = call(csv_bytes([row(1), row(2, 案号="x")]), "--report", str(tmp_path / "r.csv"))
    assert status == 1
    assert "row 3: case_no: x is no case number" in out
    report = (tmp_path / "r.csv").read_bytes().decode("utf-8-sig")
    assert report.splitlines()[1].startswith("3,x,未导入,案号,“x”不是规范的案号")


def test_a_dry_run_and_then_the_real_one(call):
    assert "would be created             1" in call(csv_bytes([row(1)]), "--dry-run")[1]
    assert "  created                      1" in call(csv_bytes([row(1)]))[1]
    assert "would be created             0" in call(csv_bytes([row(1)]), "--dry-run")[1]


def test_missed_totals(call, tmp_path):
    totals = tmp_path / "totals.toml"
    totals.write_text('total = 3\n[courts]\n"云2901" = 2\n', encoding="utf-8")
    status, out, _ = call(csv_bytes([row(1), row(2)]), "--expected", str(totals))
    assert status == 1
    assert "cases total: file 2, expected 3  DIFFERS" in out
    assert "cases 云2901: file 2, expected 2  ok" in out


def test_a_mapping(call, tmp_path):
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('"编号" = "案号"\n', encoding="utf-8")
    data = csv_bytes([row(1)]).decode().replace("案号,", "编号,", 1).encode()
    assert call(data)[0] == 2
    assert call(data, "--mapping", str(mapping))[0] == 0


@pytest.mark.parametrize(
    ("data", "options", "fragment"),
    [
        (csv_bytes([row(1)]), ["--expected", "nothing.toml"], "nothing.toml cannot be read"),
        (b"%PDF", [], "save it as XLSX or CSV"),
        (b"", [], "save it as XLSX or CSV"),
    ],
)
def test_what_the_caller_must_correct(call, data, options, fragment):
    status, _, err = call(data, *options)
    assert status == 2
    assert fragment in err


def test_an_unknown_court(call):
    status, _, err = call(csv_bytes([row(1)]), court="京01")
    assert (status, "no court with code" in err) == (2, True)


def test_a_missing_file(config, capsys):
    status = central_main.main(["import", "nothing.csv", "--config", str(config), "--source", "x", "--court", "云29"])
    assert status == 2
    assert "nothing.csv cannot be read" in capsys.readouterr().err


def test_the_bar_on_a_terminal(call, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal, seconds = Terminal(), iter(range(1000))
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("central.imports.command.time.monotonic", lambda: next(seconds))
    assert call(csv_bytes(row(n) for n in range(1, 400)))[0] == 0
    assert "\r[" in terminal.getvalue()
    assert "250 rows" in terminal.getvalue()
