"""``zhixing-kit run | enrol | status``: starts a kit's processes, watches over them and ends them together.

Each process is one file with a ``main``; this table is all there is to know about them. A process that ends is
started again, at once at first and with growing pauses when it dies young (`edge.restarts`); one that hangs is killed
first (`edge.beats`). A restart of the camera never touches the buttons, because the panel is a process of its own.
"""

import fcntl
import logging
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edge.arguments import make_parser
from edge.beats import BeatWatch
from edge.children import Child, describe_end
from edge.logbook import keep_log, log_to_stderr
from edge.restarts import CARD_PAUSE_S, EXIT_CONFIGURATION, EXIT_SPOOL_DAMAGED
from edge.settings import Settings, SettingsError, load_settings
from edge.spool import SpoolCardError, SpoolDamagedError, SpoolError, card, checking, open_spool
from edge.spool.heartbeat import heartbeat_path
from edge.spool.store import read_boot_ms
from edge.status import list_facts

log = logging.getLogger("zhixing.manager")

PROCESSES: dict[str, str] = {
    "recorder": "edge.recorder.main",  # first, for a recording waits for it
    "panel": "edge.panel.main",
    "control": "edge.uplink.main",
    "screen": "edge.screen.main",
    "live": "edge.live.main",
}
# Who takes a place at once: a recording must not wait until a process has loaded its libraries.
RESERVES: dict[str, str] = {"recorder": "edge.recorder.reserve"}
# Ends after which the spool is read through before anybody trusts it again: damage found, or an error nobody foresaw.
_DOUBTS = (EXIT_SPOOL_DAMAGED, 1)
TURN_S = 0.5
END_S = 4.0


class Manager:
    """Supervises the processes of one kit until `stop()`."""

    def __init__(
        self,
        config: Path,
        settings: Settings,
        *,
        processes: dict[str, str] | None = None,
        write_log: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._settings = settings
        beat_s = settings.kit.heartbeat_s
        self._children = [
            Child(name, module, BeatWatch(beat_s), RESERVES.get(name, ""))
            for name, module in (processes or PROCESSES).items()
            if name != "live" or settings.live.on
        ]
        self._write_log = write_log
        self._started_ms = read_boot_ms()
        self._card_told = ""
        self._device = -1
        self._checking: subprocess.Popen[bytes] | None = None
        self._checked = False
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
        """Start everything and look after it; 0 after `stop()`. With the card at fault it waits for the card.

        Raises SpoolError when the spool cannot be used for another reason.
        """
        try:
            while not self._stopping and not self._prepare_spool():
                self._wait(CARD_PAUSE_S)
            while not self._stopping:
                # Whoever ended is running again before anything is written about it: a recording waits for it.
                ended = [child for child in self._children if self._look_after(child)]
                if ended:
                    self._leave_dead_card()
                damaged = any(child.rule.last_code in _DOUBTS for child in ended) or self._read_through()
                if ended or damaged:
                    self._write_state(check=damaged)
                self._wait(TURN_S)
        finally:
            self._end_all()
            if self._checking is not None:
                self._checking.kill()
                self._checking.wait()
            os.close(self._reading)
            os.close(self._writing)
        return 0

    def _read_through(self) -> bool:
        """Check the whole spool once beside those who work on it; True when it turns out to be damaged."""
        if self._checking is None:
            self._checking = subprocess.Popen(
                [sys.executable, "-m", "edge.spool.checking", str(self._settings.spool_path)],
                stdin=subprocess.DEVNULL,
            )
        if self._checked or self._checking.poll() is None:
            return False
        self._checked = True
        return self._checking.returncode == checking.DAMAGED

    def _prepare_spool(self, *, check: bool = False) -> bool:
        """Say in the spool when this kit began, a damaged one set aside before that; False with a bad card.

        Without `check` only a file that is no database any more is noticed; `_read_through` looks at the rest later.
        """
        try:
            with open_spool(self._settings.spool_path, check=check) as spool:
                spool.state.set("kit_started", {"boot": spool.boot, "mono_ms": self._started_ms})
            self._device = self._settings.data_dir.stat().st_dev
        except (SpoolCardError, SpoolDamagedError, sqlite3.OperationalError) as error:
            self._tell_card(str(error))
            return False
        except sqlite3.DatabaseError:
            return not check and self._prepare_spool(check=True)
        return True

    def _leave_dead_card(self) -> None:
        """After another file system took the place of the old one, whoever still has files there starts anew, too."""
        try:
            device = self._settings.data_dir.stat().st_dev
        except OSError as error:
            self._tell_card(str(error))
            return
        if device != self._device:
            log.warning("manager: the kit's folder lies on another file system now; everybody starts anew there")
            self._device = device
            self._end_all()

    def _wait(self, seconds: float) -> None:
        self._write_log()
        if select.select([self._reading], [], [], seconds)[0]:
            os.read(self._reading, 512)

    def _tell_card(self, trouble: str) -> None:
        if trouble != self._card_told:
            self._card_told = trouble
            log.critical("manager: %s", trouble)

    def _look_after(self, child: Child) -> bool:
        """Start what is due and end what hangs; True when the process had ended."""
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at_s:
                self._start(child)
            return False
        code = child.process.poll()
        if code is not None:
            self._note_end(child, describe_end(code), code)
        elif (fault := self._find_fault(child, child.process.pid, now)) != "":
            child.kill()
            self._note_end(child, fault, None)
        else:
            if self._settings.kit.reserve:
                child.keep_reserve(self._config, now)
            return False
        if child.start_at_s <= now:
            self._start(child)
        return True

    def _start(self, child: Child) -> None:
        # Keys of this terminal are the panel's, and only where the settings ask for the keyboard stand-in.
        child.start(self._config, keyboard=child.name == "panel" and self._settings.panel.keyboard)

    def _find_fault(self, child: Child, pid: int, now_s: float) -> str:
        folder = self._settings.data_dir
        try:
            beat = heartbeat_path(folder, child.name).read_bytes()
        except OSError:
            beat = b""
        fault = child.beats.find_fault(beat, pid, now_s)
        # On a card that takes nothing, beats stand still without anybody being hung.
        return "" if fault and card.probe(folder) else fault

    def _note_end(self, child: Child, what: str, code: int | None) -> None:
        now = time.monotonic()
        pause_s = child.rule.find_pause_s(code, now - child.started_s)
        child.process, child.start_at_s = None, now + pause_s
        child.restarts += 1
        child.last = what
        log.warning("manager: %s %s; starting again in %.0f s", child.name, what, pause_s)

    def _write_state(self, *, check: bool) -> None:
        told = {
            child.name: {"restarts": child.restarts, "last": child.last, "at_ms": time.time_ns() // 1_000_000}
            for child in self._children
            if child.restarts
        }
        try:
            with open_spool(self._settings.spool_path, check=check) as spool:
                spool.state.set("children", told)
            self._card_told = ""
        except SpoolDamagedError as error:
            log.error("manager: %s", error)
            self._end_all()
            self._prepare_spool(check=True)
        except (SpoolError, sqlite3.OperationalError) as error:
            self._tell_card(str(error))

    def _end_all(self) -> None:
        """SIGTERM to all, then SIGKILL to whoever is left; afterwards none is."""
        for child in self._children:
            child.dismiss_reserve()
        running = [child for child in self._children if child.process is not None]
        for child in running:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + END_S
        for child in running:
            process = child.process
            if process is None:
                continue
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("manager: %s did not end in time and was killed", child.name)
                child.kill()
            child.process = None


def run(config: Path) -> int:
    """``zhixing-kit run``: 0 after SIGINT or SIGTERM, 78 when the settings do not allow a start."""
    log_to_stderr()
    try:
        settings = load_settings(config)
        with (settings.data_dir / "manager.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # No thread of its own: this process forks. What was said is written once everybody runs again.
            book = keep_log("manager", settings.data_dir, threaded=False)
            manager = Manager(config.absolute(), settings, write_log=book.flush)
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
            facts = list_facts(settings, spool)
    except (SettingsError, SpoolError) as error:
        return _refuse(str(error))
    for name, value in facts.items():
        print(f"{name:17} {value}")
    return 0


def _refuse(sentence: str) -> int:
    print(f"zhixing-kit: {sentence}", file=sys.stderr)
    return EXIT_CONFIGURATION


def main(arguments: list[str] | None = None) -> int:
    """The kit's command line."""
    options = make_parser().parse_args(arguments)
    if options.command == "run":
        return run(options.config)
    if options.command == "status":
        return show_status(options.config)
    from edge.enrol import run_enrol

    return run_enrol(options)


if __name__ == "__main__":
    sys.exit(main())
