"""``python -m edge.recorder.main --config kit.toml``: the recorder process of a kit."""

from __future__ import annotations

import argparse
import logging
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from contract import chain
from edge.recorder.keys import KeyFileError, RecipientBook, load_device_key
from edge.recorder.legend import Legend
from edge.recorder.moment import read_clocks
from edge.recorder.recorder import CameraFailedError, Recorder
from edge.recorder.sources.selection import build_source
from edge.settings import SettingsError, load_settings
from edge.spool import Doorbell, Heartbeat, Spool, SpoolError, open_spool

log = logging.getLogger("zhixing.recorder")

EXIT_CONFIGURATION: Final = 78  # sysexits.h EX_CONFIG: starting again would not help
EXIT_RESTART: Final = 75  # EX_TEMPFAIL: the camera failed; start this process anew
_IDLE_WAIT_S: Final = 1.0
_FRAME_WAIT_S: Final = 0.2


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status tells the manager what to do."""
    parser = argparse.ArgumentParser(prog="edge.recorder.main", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = load_settings(options.config)
        key = load_device_key(settings.data_dir)
        recipients = RecipientBook(settings.data_dir)
        with open_spool(settings.spool_path) as spool:
            legend = Legend(settings.kit, spool)
            recorder = Recorder(
                settings,
                spool,
                sign=lambda body: chain.sign(key, body),
                load_recipients=recipients.current,
                build_source=lambda: build_source(settings.camera, settings.kit.id, legend.lines),
                clock=read_clocks,
            )
            wanted = settings.segments.record_at_start
            return run(recorder, spool, stopping, record_at_start=wanted, refresh_legend=legend.refresh)
    except (SettingsError, KeyFileError, SpoolError) as error:
        print(f"recorder: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION


def run(
    recorder: Recorder,
    spool: Spool,
    stopping: threading.Event,
    *,
    record_at_start: bool,
    refresh_legend: Callable[[], None] = lambda: None,
) -> int:
    """Turn the loop until ``stopping``; returns the process's exit status."""
    bell, heart = Doorbell(spool.dir, "recorder"), Heartbeat(spool.dir, "recorder")
    try:
        _record_at_start(spool, wanted=record_at_start)
        recorder.begin()
        rung = True
        while not stopping.is_set():
            heart.beat()
            refresh_legend()
            recorder.turn(rung=rung, wait_s=_FRAME_WAIT_S)
            if rung and _is_destroyed(spool):
                log.warning("recorder ends: the keys of this kit were destroyed on the centre's order")
                return EXIT_CONFIGURATION
            rung = bell.wait(0 if recorder.is_capturing else _IDLE_WAIT_S)
        recorder.finish("shutdown")
    except sqlite3.Error:
        # What is on the card is in step; what this process believes may not be. Recovery knows better.
        log.exception("recorder ends to be started anew: the spool failed")
        return EXIT_RESTART
    except CameraFailedError as error:
        log.error("recorder ends to be started anew: %s", error)
        return EXIT_RESTART
    finally:
        heart.close()
        bell.close()
    return 0


def _is_destroyed(spool: Spool) -> bool:
    # The file is gone, but this process still holds the key: it goes with the process.
    facts = spool.state.get("lost")
    return isinstance(facts, dict) and facts.get("step") == "destroyed"


def _record_at_start(spool: Spool, *, wanted: bool) -> None:
    # Once a boot: a restart of this process must not undo that the officer stopped the recording.
    if wanted and spool.state.get("recorded_at_start_of") != spool.boot:
        with spool.transaction():
            spool.state.set("recording_wanted", {"on": True, "cause": "start", "by": "segments.record_at_start"})
            spool.state.set("recorded_at_start_of", spool.boot)


if __name__ == "__main__":
    sys.exit(main())
