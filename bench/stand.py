"""A real centre, and where asked a real kit, on a stage in a temporary folder: what figures are taken on."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from demo.children import read_tail
from demo.stage import Stage
from demo.stand import Stand
from provisioning.authority import Authority

COURT = "云2901"


@contextlib.contextmanager
def open_stand() -> Iterator[Stand]:
    """A stand that is gone afterwards, processes and files."""
    with tempfile.TemporaryDirectory(prefix="zhixing-bench-") as folder:
        stage = Stage(Path(folder) / "stage", Path(folder) / "escrow.age")
        stage.set_up(has_cases=False)
        stand = Stand(stage)
        try:
            yield stand
        except Exception:
            for child in stand.children:
                print(f"--- {child.name}\n{read_tail(child.log)}", flush=True)
            raise
        finally:
            stand.stop()


def make_kits(stand: Stand, count: int, folder: Path) -> list[str]:
    """Certificates for ``count`` load kits in ``folder``, as the load generator wants them."""
    folder.mkdir(parents=True)
    kit_ids = [f"load-{number:04d}" for number in range(count)]
    for made in Authority(stand.stage.authority_dir).issue_credentials(kit_ids, court_code=COURT):
        (folder / f"{made.kit_id}.crt").write_bytes(made.certificate_pem)
        (folder / f"{made.kit_id}.key").write_bytes(made.key_pem)
    shutil.copy(stand.stage.authority_dir / "root.crt", folder / "root.crt")
    return kit_ids


def find_process(stand: Stand, child: str, word: str) -> psutil.Process:
    """The one process at or below the stand's ``child`` that has ``word`` as an argument or program name."""
    (top,) = [found.process.pid for found in stand.children if found.name == child]
    tree = [psutil.Process(top), *psutil.Process(top).children(recursive=True)]
    found = [process for process in tree if any(word == Path(part).name for part in process.cmdline())]
    if len(found) != 1:
        raise LookupError(f"{len(found)} processes of {child} are called {word!r}; expected one.")
    return found[0]


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)
