"""A real centre (and, where asked, a real kit) set up in a temporary folder for measuring."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from central.base.settings import load_settings
from central.base.unit_of_work import Store, open_store
from demo.children import Child, read_tail, script, start_child, stop_children
from demo.stage import Stage
from provisioning.authority import Authority

COURT = "云2901"


class Stand:
    """A running centre: its stage, its children, its database opened for reading."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(folder / "stage", folder / "escrow.age")
        self.stage.set_up()
        self.ports = self.stage.read_ports()
        self.authority = Authority(self.stage.authority_dir)
        self.children: list[Child] = []
        self.store: Store = open_store(load_settings(self.stage.centre_config, environ={}))

    def make_kits(self, count: int, folder: Path) -> list[str]:
        """Certificates for ``count`` load kits in ``folder``, as the load generator wants them."""
        folder.mkdir(parents=True)
        kit_ids = [f"load-{number:04d}" for number in range(count)]
        for made in self.authority.issue_credentials(kit_ids, court_code=COURT):
            (folder / f"{made.kit_id}.crt").write_bytes(made.certificate_pem)
            (folder / f"{made.kit_id}.key").write_bytes(made.key_pem)
        shutil.copy(self.stage.authority_dir / "root.crt", folder / "root.crt")
        return kit_ids

    def start_centre(self) -> None:
        """Start authority and centre; return when broker and pages answer."""
        serve = [script("zhixing-provision"), "serve", "--authority", str(self.stage.authority_dir)]
        self.children.append(start_child("authority", serve, self.stage.log_dir))
        centre = [script("zhixing-central"), "--config", str(self.stage.centre_config)]
        self.children.append(start_child("centre", centre, self.stage.log_dir))
        for port in (self.ports.mqtt, self.ports.web, self.ports.door, self.ports.est):
            wait_until(lambda port=port: _accepts(port), 60, f"port {port}", self.children)  # type: ignore[misc]

    def find_process(self, word: str) -> psutil.Process:
        """The one process below the children whose command line has ``word`` as a word of its own."""
        found = [
            process
            for child in self.children
            for process in psutil.Process(child.process.pid).children(recursive=True)
            if any(word == Path(part).name for part in process.cmdline())
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} processes are called {word!r}; expected one.")
        return found[0]


@contextlib.contextmanager
def open_stand() -> Iterator[Stand]:
    """A stand that is gone afterwards, processes and files."""
    with tempfile.TemporaryDirectory(prefix="zhixing-bench-") as folder:
        stand = Stand(Path(folder))
        try:
            yield stand
        except Exception:
            for child in stand.children:
                print(f"--- {child.name}\n{read_tail(child.log)}", flush=True)
            raise
        finally:
            stop_children(list(reversed(stand.children)))
            stand.store.close()


def wait_until(holds: Callable[[], bool], timeout_s: float, what: str, children: list[Child] | None = None) -> None:
    """Poll until ``holds``; raise TimeoutError naming ``what``."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        for child in children or ():
            child.check_running()
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.05)


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
