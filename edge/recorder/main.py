"""``python -m edge.recorder.main --config kit.toml``: the recorder process of a kit."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from contract import chain, proxy
from contract.signing import sign_p256
from edge.logbook import keep_log, log_to_stderr
from edge.recorder.camera import CameraFailedError
from edge.recorder.keys import KeyFileError, RecipientBook, load_signing_key, report_no_key
from edge.recorder.legend import Legend
from edge.recorder.moment import read_clocks
from edge.recorder.recorder import Recorder
from edge.recorder.sources.selection import build_source
from edge.recorder.start_times import StartTimes, read_process_start_ms
from edge.recorder.tapping import Tapping
from edge.restarts import (
    CAUSE_OF_CARD,
    EXIT_CARD_FAILED,
    EXIT_CARD_READ_ONLY,
    EXIT_CONFIGURATION,
    EXIT_RESTART,
    EXIT_SPOOL_DAMAGED,
)
from edge.settings import Settings, SettingsError, load_settings
from edge.spool import Doorbell, Heartbeat, Spool, SpoolCardError, SpoolDamagedError, SpoolError, open_spool
from edge.spool.card import find_trouble, probe
from edge.token_key import TokenError

log = logging.getLogger("zhixing.recorder")

_INTERRUPTED: Final = ("crash", "power_loss", *CAUSE_OF_CARD.values())
_IDLE_WAIT_S: Final = 1.0
# Frames are taken in groups: a waking for each of 77 packets a second cost more than all that is done with them.
# Whoever watches live has them from the tap at once, and the doorbell is heard in between.
_GATHER_S: Final = 0.1


def main(arguments: list[str] | None = None, *, started_ms: int | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status tells the manager what to do.

    ``started_ms`` (since boot): when a process that had waited in reserve got its turn.
    """
    parser = argparse.ArgumentParser(prog="edge.recorder.main", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    causes = sorted(CAUSE_OF_CARD.values())
    parser.add_argument("--after", choices=causes, default="", help="what the process before could not write")
    options = parser.parse_args(arguments)
    log_to_stderr()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = load_settings(options.config)
        keep_log("recorder", settings.data_dir)
        key = load_signing_key(settings)
        recipients = RecipientBook(settings.data_dir)
        # The manager has checked the file, and a recording waits.
        with open_spool(settings.spool_path, check=False) as spool:
            legend = Legend(settings.kit, spool)
            recorder = Recorder(
                settings,
                spool,
                sign=lambda body: chain.sign(key, body),
                sign_proxy=lambda body: sign_p256(key, proxy.DOMAIN, body),
                load_recipients=recipients.current,
                build_source=lambda: build_source(settings.camera, settings.kit.id, legend.lines),
                clock=read_clocks,
                tapping=open_tap(settings),
            )
            wanted = settings.segments.record_at_start
            return run(
                recorder,
                spool,
                stopping,
                record_at_start=wanted,
                refresh_legend=legend.refresh,
                after=options.after,
                started_ms=started_ms,
            )
    except (KeyFileError, TokenError) as error:
        print(f"recorder: {error}", file=sys.stderr)
        report_no_key(settings, str(error))
        return EXIT_CONFIGURATION
    except (SettingsError, SpoolError) as error:
        print(f"recorder: {error}", file=sys.stderr)
        return name_exit(error, options.config.parent, otherwise=EXIT_CONFIGURATION)


def run(
    recorder: Recorder,
    spool: Spool,
    stopping: threading.Event,
    *,
    record_at_start: bool,
    refresh_legend: Callable[[], None] = lambda: None,
    after: str = "",
    started_ms: int | None = None,
) -> int:
    """Turn the loop until ``stopping``; returns the process's exit status."""
    bell, heart = Doorbell(spool.dir, "recorder"), Heartbeat(spool.dir, "recorder")
    start = StartTimes(spool, started_ms or read_process_start_ms())
    heart.keep_pulse()
    try:
        _record_at_start(spool, wanted=record_at_start)
        recorder.begin(after=after)
        _resume_interrupted(spool)
        rung = True
        while not stopping.is_set():
            heart.beat()
            refresh_legend()
            recorder.turn(rung=rung, wait_s=0)
            recorder.catch_up()
            start.note(recording=recorder.is_recording)
            if rung and _is_destroyed(spool):
                log.warning("recorder ends: the keys of this kit were destroyed on the centre's order")
                return EXIT_CONFIGURATION
            rung = bell.wait(choose_wait_s(recorder))
        recorder.finish("shutdown")
    except (sqlite3.Error, OSError) as error:
        # What is on the card is in step; what this process believes may not be. Recovery knows better.
        log.exception("recorder ends to be started anew: card or spool failed")
        return name_exit(error, spool.dir, otherwise=EXIT_RESTART)
    except CameraFailedError as error:
        log.error("recorder ends to be started anew: %s", error)
        return EXIT_RESTART
    finally:
        heart.close()
        bell.close()
    return 0


def choose_wait_s(recorder: Recorder) -> float:
    """How long (s) to wait for the doorbell before the next turn."""
    if recorder.is_behind:
        return 0
    return _GATHER_S if recorder.is_capturing else _IDLE_WAIT_S


def name_exit(error: Exception, folder: Path, *, otherwise: int) -> int:
    """The exit status that tells the manager what to do about ``error``; ``folder`` lies on the card."""
    if isinstance(error, SpoolDamagedError):
        return EXIT_SPOOL_DAMAGED
    trouble = error.trouble if isinstance(error, SpoolCardError) else find_trouble(error)
    if trouble == "failing":
        # A file system that met errors turns itself read-only: that is then what the next one finds.
        trouble = probe(folder) or trouble
    if trouble in ("read_only", "failing"):
        return EXIT_CARD_READ_ONLY if trouble == "read_only" else EXIT_CARD_FAILED
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return EXIT_SPOOL_DAMAGED
    return otherwise


def open_tap(settings: Settings) -> Tapping | None:
    """What the live process reads along at; None where it is switched off or cannot be made, which stops nothing."""
    if not settings.live.on:
        return None
    camera = settings.camera
    encodes = camera.kind != "pyav" or camera.reencode
    try:
        return Tapping(settings.data_dir, size=(camera.width, camera.height) if encodes else (0, 0))
    except OSError as error:
        log.error("recorder: nobody can watch live, for the tap cannot be made: %s", error)
        return None


def _is_destroyed(spool: Spool) -> bool:
    # The file is gone, but this process still holds the key: it goes with the process.
    facts = spool.state.get("lost")
    return isinstance(facts, dict) and facts.get("step") == "destroyed"


def _resume_interrupted(spool: Spool) -> None:
    # The wish to record may have gone with a damaged spool; a recording that nobody ended goes on all the same.
    last = spool.state.get("last_recording")
    if spool.state.get("recording_wanted") is not None or not spool.state.get("spool_set_aside") or not last:
        return
    record = spool.vault.find_last_record(last["id"])
    if record is not None and chain.decode(record.body).cause in _INTERRUPTED:
        spool.state.set("recording_wanted", {"on": True, "cause": "restart", "by": "recovery"})


def _record_at_start(spool: Spool, *, wanted: bool) -> None:
    # Once a boot: a restart of this process must not undo that the officer stopped the recording.
    if wanted and spool.state.get("recorded_at_start_of") != spool.boot:
        with spool.transaction():
            spool.state.set("recording_wanted", {"on": True, "cause": "start", "by": "segments.record_at_start"})
            spool.state.set("recorded_at_start_of", spool.boot)


def end_process(status: int) -> NoReturn:
    """Exit; after a failure without waiting for what may hang: a thread in a driver, a library's own clean-up."""
    if status == EXIT_RESTART:
        logging.shutdown()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    end_process(main())
