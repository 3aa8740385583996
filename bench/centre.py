"""centre_pss_mb: what all processes of the centre hold in memory together while one of them imports."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

import psutil

from bench.casebook import write_csv
from bench.report import report
from bench.stand import open_stand
from central.base.keyring import load_keyring
from central.base.settings import load_settings
from central.imports import files, queries, service

_CASES = 50_000
_ENDED = ("done", "failed", "cancelled")


def measure() -> None:
    """Print the figure, with each process at the moment of the peak. Shared pages are counted once (PSS)."""
    with open_stand() as stand, tempfile.TemporaryDirectory() as folder:
        stand.start_services()
        (centre,) = [child.process.pid for child in stand.children if child.name == "centre"]
        top = psutil.Process(centre)
        idle = sum(_memory(top).values())
        file = Path(folder) / "cases.csv"
        write_csv(file, _CASES)
        settings = load_settings(stand.stage.centre_config, environ={})
        upload = files.receive(settings, load_keyring(Path(settings.keys_dir)), iter([file.read_bytes()]))
        with stand.store.write() as uow:
            job = service.start_import(
                uow,
                "system:bench",
                upload,
                file_name="cases.csv",
                source="bench",
                court_code="云29",
                is_dry_run=False,
            )
        peak: dict[str, float] = {}
        while job.state not in _ENDED:
            now = _memory(top)
            peak = max(peak, now, key=lambda held: sum(held.values()))
            time.sleep(0.25)
            with stand.store.read() as session:
                job = queries.find_job(session, job.id)
    if job.state != "done":
        raise RuntimeError(f"the import ended as {job.state}: {job.message}")
    report(
        "centre_pss_mb",
        sum(peak.values()),
        "MB",
        idle_mb=round(idle, 1),
        cases=_CASES,
        processes={name: round(held, 1) for name, held in peak.items()},
        how="proportional set size of the supervisor and all its processes, the NATS server with them",
    )


def _memory(top: psutil.Process) -> dict[str, float]:
    held: dict[str, float] = {}
    for process in [top, *top.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            name = words[3] if len(words) > 3 and words[2] == "central.process" else Path(words[1]).name
            name = "nats" if words[0].endswith("nats-server") else name
            held[name] = process.memory_full_info().pss / 2**20
    return held
