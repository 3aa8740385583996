"""A process of the table loads what it needs by itself: nobody else's imports may be what makes it work."""

import subprocess
import sys

import pytest

from central.process import PROCESSES, main

COMPLETE = """
import sys
from importlib import import_module

import central.process

import_module(sys.argv[1])
if "sqlmodel" in sys.modules:
    from sqlalchemy.orm import configure_mappers
    from sqlmodel import SQLModel

    configure_mappers()
    for table in SQLModel.metadata.tables.values():
        for key in table.foreign_keys:
            assert key.column is not None
"""


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_alone_knows_every_table_that_its_tables_refer_to(name):
    subprocess.run([sys.executable, "-c", COMPLETE, PROCESSES[name]], check=True, timeout=120)


def test_what_a_process_does_not_need_is_not_loaded():
    said = subprocess.run(
        [sys.executable, "-c", "import central.process, sys; print(*sys.modules)"],
        check=True, timeout=120, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert {name for name in said if name.startswith("central.")} >= {"central.base.settings"}
    assert not {"sqlalchemy", "sqlmodel", "fastapi", "nats"} & set(said)


@pytest.mark.parametrize("words", [["nobody"], []])
def test_a_name_that_no_process_has_is_refused(words, capsys):
    with pytest.raises(SystemExit) as refused:
        main(words)
    assert refused.value.code == 2
    assert "broker" in capsys.readouterr().err


def test_settings_that_are_wrong_are_told_in_a_sentence(tmp_path, capsys):
    (tmp_path / "centre.toml").write_text("web_port = 'x'", encoding="utf-8")
    assert main(["web", "--config", str(tmp_path / "centre.toml")]) == 2
    assert capsys.readouterr().err.startswith("zhixing-central: ")
