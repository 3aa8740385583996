"""The kit's logs on the card: bounded, never in anybody's way, and with the crash in them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge import logbook
from edge.logbook import LINES_KEPT, PIECES, Logbook, list_pieces
from tests.waiting import wait_until


def line(text: str) -> logging.LogRecord:
    return logging.LogRecord("zhixing.test", logging.INFO, "", 0, text, None, None)


def read(folder: Path, name: str = "a.log") -> str:
    path = folder / name
    return path.read_text() if path.exists() else ""


def test_lines_come_to_the_card_by_themselves(tmp_path: Path) -> None:
    book = Logbook(tmp_path, "a", rest_s=0.05)
    book.emit(line("first"))
    wait_until(lambda: "first" in read(tmp_path))
    book.emit(line("second"))
    wait_until(lambda: "second" in read(tmp_path))


def test_the_folder_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    book = Logbook(tmp_path, "a", threaded=False, piece_bytes=2000)
    for number in range(400):
        book.emit(line(f"line {number:04}"))
        book.flush()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["a.log", *(f"a.log.{n}" for n in range(1, PIECES))]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= PIECES * 2000
    kept = "".join(read(tmp_path, name) for name in ("a.log.3", "a.log.2", "a.log.1", "a.log"))
    numbers = [int(text.rpartition(" ")[2]) for text in kept.splitlines()]
    assert numbers == list(range(numbers[0], 400))


def test_a_storm_of_lines_is_cut_and_says_so(tmp_path: Path) -> None:
    book = Logbook(tmp_path, "a", threaded=False)
    for number in range(LINES_KEPT + 50):
        book.emit(line(f"line {number}"))
    book.flush()
    assert len(read(tmp_path).splitlines()) == LINES_KEPT + 1
    assert "(50 lines before these came too fast" in read(tmp_path)


@pytest.mark.by_the_clock
def test_a_card_that_holds_writing_up_holds_nobody_else_up(tmp_path: Path) -> None:
    """A pipe that nobody reads stands in for a card that never answers: opening it for writing blocks."""
    (tmp_path / "logs").mkdir()
    os.mkfifo(tmp_path / "logs" / "a.log")
    book = Logbook(tmp_path / "logs", "a")
    began = time.monotonic()
    for number in range(1000):
        book.emit(line(f"line {number}"))
    assert time.monotonic() - began < 1.0
    book.flush()
    assert time.monotonic() - began < 1.0 + 2 * logbook.LAST_S


def test_a_card_that_refuses_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder can be made here")
    book = Logbook(tmp_path / "logs", "a", threaded=False)
    book.emit(line("lost"))
    book.flush()
    (tmp_path / "logs").unlink()
    book.emit(line("kept"))
    book.flush()
    assert read(tmp_path / "logs").rstrip().endswith("kept") and "lost" not in read(tmp_path / "logs")


@pytest.mark.parametrize("where", ["main", "thread"])
def test_an_error_nobody_foresaw_is_the_last_thing_in_the_log(tmp_path: Path, where: str) -> None:
    program = (
        "import threading, sys\n"
        "from pathlib import Path\n"
        "from edge.logbook import keep_log, log_to_stderr\n"
        "log_to_stderr()\n"
        f"keep_log('a', Path({str(tmp_path)!r}))\n"
        "def fail(): raise RuntimeError('a driver broke')\n"
        + ("fail()\n" if where == "main" else "t = threading.Thread(target=fail, name='t'); t.start(); t.join()\n")
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    kept = read(tmp_path / "logs")
    assert "RuntimeError: a driver broke" in kept and "Traceback" in kept
    assert "a driver broke" in ended.stderr and ended.returncode == (1 if where == "main" else 0)


def test_pieces_of_the_hours_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, age_s in (("a.log", 10), ("a.log.1", 5000), ("b.log", 90_000)):
        (folder / name).write_text(name)
        os.utime(folder / name, (time.time() - age_s,) * 2)
    (folder / "order-3.age").write_text("sealed")
    assert [path.name for path in list_pieces(tmp_path, since_s=time.time() - 3600)] == ["a.log"]
    assert [path.name for path in list_pieces(tmp_path)] == ["b.log", "a.log.1", "a.log"]
