"""Child processes of the demo: started with their output in a file, ended for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STOP_TIMEOUT_S: Final = 8.0


class ChildEndedError(RuntimeError):
    """A child ended on its own; the text holds the end of what it said."""


@dataclass
class Child:
    """A running child and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check_running(self) -> None:
        """Raise ChildEndedError when the child has ended."""
        if self.process.poll() is not None:
            raise ChildEndedError(
                f"{self.name} ended with code {self.process.returncode}. Its last words, from {self.log}:\n"
                + read_tail(self.log)
            )


def start_child(name: str, arguments: Sequence[str], log_dir: Path, *, env: dict[str, str] | None = None) -> Child:
    """Start ``arguments`` in a process group of its own, output appended to ``log_dir/name.log``."""
    log_dir.mkdir(parents=True, exist_ok=True)
    log = log_dir / f"{name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        )
    return Child(name, process, log)


def run_to_end(arguments: Sequence[str]) -> str:
    """Run a short command; its output, or ChildEndedError with what it said."""
    done = subprocess.run(list(arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise ChildEndedError(f"{' '.join(arguments[:4])} failed:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


def stop_children(children: Sequence[Child], timeout_s: float = STOP_TIMEOUT_S) -> None:
    """Ask every child to end, all at once; after ``timeout_s`` end what is left, with its group."""
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + timeout_s
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, deadline - time.monotonic()))
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def read_tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def script(name: str) -> str:
    """Path of one of our console scripts, beside the Python that runs this."""
    return str(Path(sys.executable).with_name(name))
