"""`zhixing-central import FILE`: one file from the command line, for nightly imports and for the first whole one.

Exit status: 0 every row taken and every total reached; 1 rows refused, totals missed or the import cancelled; 2 what
the caller must correct (file, columns, options).
"""

from __future__ import annotations

import argparse
import getpass
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from central.base import schema
from central.base.keyring import load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store, open_store
from central.courts import service as courts
from central.imports import files, queries, runner, service
from central.imports.mapping import read_mapping
from central.imports.models import ImportJob
from central.imports.report import write_report
from central.imports.rules import ImportFileError
from central.imports.service import Progress
from central.imports.tallies import read_expected
from central.imports.words import tell

_BAR: Final = 30
_PLAIN_EVERY_S: Final = 10.0
_SHOWN_PROBLEMS: Final = 10
_BLOCK_BYTES: Final = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV, XLSX or JSON (docs/interfaces-import.md)")
    parser.add_argument("--source", required=True, help="name of the system the cases come from, always the same")
    parser.add_argument("--court", required=True, help="court code; rows of courts not below it are refused")
    parser.add_argument("--dry-run", action="store_true", help="judge every row, write no case")
    parser.add_argument("--mapping", type=Path, help='TOML file of other headings: "heading" = "column"')
    parser.add_argument("--expected", type=Path, help="control totals of the source system (JSON, TOML or lines)")
    parser.add_argument("--sheet", default="", help="sheet of a workbook (default: the first one shown)")
    parser.add_argument("--report", type=Path, help="write every problem to this CSV file, in Chinese")


def run_import(arguments: argparse.Namespace, settings: Settings) -> int:
    """Import the file here and now; a killed import is finished by the centre's worker, or by the next one."""
    mapping = read_mapping(_read_text(arguments.mapping)) if arguments.mapping else None
    expected = read_expected(_read_text(arguments.expected)) if arguments.expected else None
    schema.migrate(settings)
    store = open_store(settings)
    try:
        with store.write() as uow:
            courts.seed_courts(uow)
        upload = files.receive(settings, load_keyring(Path(settings.keys_dir)), _read_blocks(arguments.file))
        try:
            with store.write() as uow:
                job = service.start_import(
                    uow, f"system:cli:{getpass.getuser()}", upload, file_name=arguments.file.name,
                    source=arguments.source, court_code=arguments.court, is_dry_run=arguments.dry_run,
                    expected=expected, mapping=mapping, sheet=arguments.sheet,
                )  # fmt: skip
        except BaseException:
            files.delete_file(settings, upload.file_id)
            raise
        return _run(store, settings, job, arguments.report)
    finally:
        store.close()


def _run(store: Store, settings: Settings, job: ImportJob, report: Path | None) -> int:
    stop = threading.Event()
    before = [signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        state = runner.run_job(store, settings, job.id, _show_progress(job), stop.is_set)
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if state == "queued":  # interrupted: nobody waits for it any longer
        with store.write() as uow:
            service.cancel_waiting(uow, job.id)
    with store.write() as uow:
        service.forget_file(uow, job.id)
    files.delete_file(settings, job.file_id)
    with store.read() as session:
        job = queries.find_job(session, job.id)
        if report is not None:
            with report.open("w", encoding="utf-8", newline="") as file:
                file.writelines(write_report(queries.iter_problems(session, job.id), "zh"))
        shown = list(queries.iter_problems(session, job.id, limit=_SHOWN_PROBLEMS))
        lines = [
            f"  row {one.row_no}: {one.column + ': ' if one.column else ''}"
            f"{tell(one.code, one.params, 'en', fallback=job.message)}"
            for one in shown
        ]
    _print_summary(job, lines)
    if job.state == "failed":
        return 2
    outcome = job.reconciliation or {}
    return 0 if job.state == "done" and not job.rejected_count and not outcome.get("differences") else 1


def _show_progress(job: ImportJob) -> Callable[[Progress], None]:
    """Return what shows the progress: a bar on a terminal, a line every ten seconds elsewhere."""
    began_s, last_s = time.monotonic(), [time.monotonic()]
    is_terminal = sys.stderr.isatty()

    def show(progress: Progress) -> None:
        now_s = time.monotonic()
        share = min(1.0, progress.read_bytes / max(1, job.size_bytes))
        if now_s - last_s[0] < (0.2 if is_terminal else _PLAIN_EVERY_S):
            return
        last_s[0] = now_s
        rate = progress.rows_read / max(0.001, now_s - began_s)
        text = f"{share:4.0%}  {progress.rows_read} rows  {rate:.0f}/s  {progress.rejected_count} refused"
        if is_terminal:
            done = round(share * _BAR)
            sys.stderr.write(f"\r[{'#' * done}{'.' * (_BAR - done)}] {text}\x1b[K")
        else:
            sys.stderr.write(f"import: {text}\n")
        sys.stderr.flush()

    return show


def _print_summary(job: ImportJob, problems: list[str]) -> None:
    kind = "dry run, nothing was written" if job.is_dry_run else "import"
    print(f"{kind}: {job.state}, {job.file_name} from {job.source} for {job.court_code}")
    would = "would be " if job.is_dry_run else ""
    for name, count in (
        ("rows read", job.rows_read),
        (f"{would}created", job.created_count),
        (f"{would}updated", job.updated_count),
        ("unchanged", job.unchanged_count),
        ("refused", job.rejected_count),
        ("taken with a note", job.warned_count),
    ):
        print(f"  {name:<20}{count:>10}")
    outcome = job.reconciliation or {}
    for check in outcome.get("expected", ()):
        mark = "ok" if check["expected"] == check["file"] else "DIFFERS"
        place = check["court"] or "total"
        print(f"  {check['what']} {place}: file {check['file']}, expected {check['expected']}  {mark}")
    for short in outcome.get("short", ()):
        print(f"  {short['court']} {short['type']}: file {short['file']}, database {short['database']}  MISSING")
    if problems:
        print("problems (the first of them; --report FILE.csv writes all):")
        print("\n".join(problems))


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImportFileError(f"{path} cannot be read: name an existing UTF-8 text file.") from error


def _read_blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise ImportFileError(f"{path} cannot be read ({error.strerror}): name an existing file.") from error
