"""``zhixing-kit run | enrol | status``: starts a kit's processes, watches over them and ends them together.

Each process is one file with a ``main``; this table is all there is to know about them. A process that ends
is started again with growing pauses; one whose heartbeat stands still is killed first. A restart of the
camera never touches the buttons, because the panel is a process of its own.
"""

import argparse
import ctypes
import fcntl
import logging
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.settings import Settings, SettingsError, load_settings
from edge.spool import SpoolDamagedError, SpoolError, open_spool
from edge.spool.heartbeat import heartbeat_path

log = logging.getLogger("zhixing.manager")

PROCESSES: dict[str, str] = {
    "control": "edge.uplink.main",
    "recorder": "edge.recorder.main",
    "panel": "edge.panel.main",
}
EXIT_CONFIGURATION = 78  # sysexits.h EX_CONFIG
FIRST_PAUSE_S = 1.0
PAUSE_CAP_S = 30.0
STEADY_S = 60.0  # whoever ran this long starts anew without a pause that has grown
SILENT_BEATS = 4
START_GRACE_S = 20.0
END_S = 4.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass
class Child:
    """One row of the table at work; times are monotonic seconds."""

    name: str
    module: str
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    start_at_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    restarts: int = 0
    last: str = ""
    beat: bytes = b""
    beat_at_s: float = 0.0


class Manager:
    """Supervises the processes of one kit until `stop()`."""

    def __init__(self, config: Path, settings: Settings, *, processes: dict[str, str] | None = None) -> None:
        self._config = config
        self._settings = settings
        self._children = [Child(name, module) for name, module in (processes or PROCESSES).items()]
        self._silence_s = SILENT_BEATS * settings.kit.heartbeat_s
        self._stopping = False
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def stop(self) -> None:
        """End `run()`; safe in a signal handler."""
        self._stopping = True
        self.wake()

    def wake(self) -> None:
        """Look after the children at once; safe in a signal handler."""
        try:
            os.write(self._writing, b"!")
        except BlockingIOError:
            return

    def run(self) -> int:
        """Start everything and look after it; 0 after `stop()`.

        Raises SpoolError when the spool cannot be used.
        """
        open_spool(self._settings.spool_path).close()  # a damaged spool is set aside before anyone uses it
        try:
            while not self._stopping:
                for child in self._children:
                    self._look_after(child)
                if select.select([self._reading], [], [], 0.5)[0]:
                    os.read(self._reading, 512)
        finally:
            self._end_all()
            os.close(self._reading)
            os.close(self._writing)
        return 0

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at_s:
                self._start(child)
            return
        code = child.process.poll()
        if code is not None:
            self._note_end(child, _describe_end(code), code)
        elif self._is_silent(child, now):
            child.process.kill()
            child.process.wait()
            self._note_end(child, "hung: its heartbeat stood still", None)

    def _start(self, child: Child) -> None:
        command = [sys.executable, "-m", child.module, "--config", str(self._config)]
        parent = os.getpid()
        child.process = subprocess.Popen(
            command,
            stdin=self._stdin_of(child.name),
            start_new_session=True,  # Ctrl-C reaches the manager alone, which ends all in order
            preexec_fn=lambda: _die_with_parent(parent),  # noqa: PLW1509 - the manager has one thread only
        )
        child.started_s = child.beat_at_s = time.monotonic()
        child.beat = b""

    def _stdin_of(self, name: str) -> int | None:
        # Keys of this terminal are the panel's, and only where the settings ask for the keyboard stand-in.
        wanted = name == "panel" and self._settings.panel.keyboard
        return None if wanted else subprocess.DEVNULL

    def _is_silent(self, child: Child, now: float) -> bool:
        try:
            beat = heartbeat_path(self._settings.data_dir, child.name).read_bytes()
        except FileNotFoundError:
            beat = b""
        if beat != child.beat:
            child.beat, child.beat_at_s = beat, now
        # What stands in the file at first may be the last beat of the process before.
        own = beat.startswith(b"%d " % child.process.pid) if child.process is not None else False
        patience_s = self._silence_s if own else max(START_GRACE_S, self._silence_s)
        return now - child.beat_at_s > patience_s

    def _note_end(self, child: Child, what: str, code: int | None) -> None:
        now = time.monotonic()
        if now - child.started_s > STEADY_S:
            child.pause_s = FIRST_PAUSE_S
        pause_s = PAUSE_CAP_S if code == EXIT_CONFIGURATION else child.pause_s
        child.pause_s = min(PAUSE_CAP_S, child.pause_s * 2)
        child.process, child.start_at_s = None, now + pause_s
        child.restarts += 1
        child.last = what
        log.warning("manager: %s %s; starting again in %.0f s", child.name, what, pause_s)
        self._write_state()

    def _write_state(self) -> None:
        told = {
            child.name: {"restarts": child.restarts, "last": child.last, "at_ms": time.time_ns() // 1_000_000}
            for child in self._children
            if child.restarts
        }
        try:
            with open_spool(self._settings.spool_path) as spool:
                spool.state.set("children", told)
        except SpoolDamagedError as error:
            log.error("manager: %s", error)
            self._end_all()
            open_spool(self._settings.spool_path).close()
        except SpoolError as error:
            log.error("manager: %s", error)

    def _end_all(self) -> None:
        """SIGTERM to all, then SIGKILL to whoever is left; afterwards none is."""
        running = [child for child in self._children if child.process is not None]
        for child in running:
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + END_S
        for child in running:
            process = child.process
            if process is None:
                continue
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("manager: %s did not end in time and was killed", child.name)
                process.kill()
                process.wait()
            child.process = None


def _signal(child: Child, number: int) -> None:
    if child.process is not None and child.process.poll() is None:
        child.process.send_signal(number)


def _die_with_parent(parent: int) -> None:
    """In the child before exec: the kernel ends it when the manager is gone, however that came about."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _describe_end(code: int) -> str:
    return f"ended with signal {-code}" if code < 0 else f"ended with code {code}"


def run(config: Path) -> int:
    """``zhixing-kit run``: 0 after SIGINT or SIGTERM, 78 when the settings do not allow a start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        settings = load_settings(config)
        with (settings.data_dir / "manager.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            manager = Manager(config.absolute(), settings)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: manager.stop())
            signal.signal(signal.SIGCHLD, lambda *_: manager.wake())
            return manager.run()
    except BlockingIOError:
        return _refuse(f"A kit is already running on the data of {config}: end that one first.")
    except FileNotFoundError as error:
        return _refuse(
            f"{error.filename} is missing: enrol this kit first with `zhixing-kit enrol TOKEN --data DIR`."
        )
    except (SettingsError, SpoolError) as error:
        return _refuse(str(error))


def show_status(config: Path) -> int:
    """``zhixing-kit status``: what the processes last said, for a person."""
    try:
        settings = load_settings(config)
        with open_spool(settings.spool_path) as spool:
            facts: dict[str, Any] = {
                "kit": settings.kit.id,
                "court": settings.kit.court or "not set",
                "link": _read_link(spool.state.get("link_status")),
                "position": spool.state.get("gps_status", "not read yet"),
                "on duty": "yes" if spool.state.get("duty") else "no",
                "recorder": (spool.state.get("recorder_status") or {}).get("state", "not started yet"),
                "waiting messages": spool.outbox.count(),
                "waiting segments": f"{spool.vault.count_pending()} ({spool.vault.total_bytes()} bytes kept)",
                "upload": (spool.state.get("upload_status") or {}).get("trouble") or "no trouble",
                "restarts": _read_restarts(spool.state.get("children")),
            }
    except (SettingsError, SpoolError) as error:
        return _refuse(str(error))
    for name, value in facts.items():
        print(f"{name:17} {value}")
    return 0


def _read_link(status: Any) -> str:
    if not isinstance(status, dict):
        return "not started yet"
    return "connected" if status.get("connected") else f"not connected: {status.get('reason')}"


def _read_restarts(children: Any) -> str:
    told = children if isinstance(children, dict) else {}
    return ", ".join(f"{name} {facts['restarts']} ({facts['last']})" for name, facts in told.items()) or "none"


def _refuse(sentence: str) -> int:
    print(f"zhixing-kit: {sentence}", file=sys.stderr)
    return EXIT_CONFIGURATION


def main(arguments: list[str] | None = None) -> int:
    """The kit's command line."""
    parser = argparse.ArgumentParser(prog="zhixing-kit", description="A kit in the field (执行单兵).")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("run", help="start the kit and watch over it")
    starting.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    status = commands.add_parser("status", help="what the kit's processes last said")
    status.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    enrolling = commands.add_parser("enrol", help="get a certificate with a one-time token, or --renew it")
    enrolling.add_argument("token", nargs="?", help="the token as issued; - reads it from standard input")
    enrolling.add_argument("--data", type=Path, required=True, help="the kit's data folder")
    enrolling.add_argument("--renew", metavar="URL", help="renew the present certificate at this EST address")
    enrolling.add_argument("--mqtt", metavar="HOST:PORT", help="the centre's broker, for kit.toml")
    enrolling.add_argument("--door", metavar="URL", help="the centre's devices' door, for kit.toml")
    enrolling.add_argument("--court", default="", help="the court's code, for kit.toml")
    options = parser.parse_args(arguments)
    if options.command == "run":
        return run(options.config)
    if options.command == "status":
        return show_status(options.config)
    from edge.enrol import run_enrol

    return run_enrol(options)


if __name__ == "__main__":
    sys.exit(main())
