"""One line of the process table, as the supervisor starts it: `python -m central.process NAME [--config FILE]`.

It loads what its own work needs and nothing of the other processes' or of the command line's.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from central.base import lifeline
from central.base.errors import DomainError
from central.base.settings import Settings, SettingsError, load_settings
from central.cases.catalogue import install_catalogue

# The process table: name -> module with `main(settings)`.
PROCESSES: Final = {
    "broker": "central.sync.broker_process",
    "intake": "central.sync.intake_process",
    "door": "central.sync.door_process",
    "web": "central.web.process",
    "api": "central.api.process",
    "worker": "central.imports.worker",
    "relay": "central.relay.process",
    "cameras": "central.relay.cameras_process",
    "gate": "central.sync.zone_gate",
    "zone": "central.sync.zone_process",
    "link": "central.sync.zone_link",
}
PARENT_PID: Final = "_ZHIXING_PARENT_PID"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one process; returns the exit status, 2 for what the caller must correct."""
    parser = argparse.ArgumentParser(prog="zhixing-central process", description=__doc__)
    parser.add_argument("name", choices=PROCESSES)
    parser.add_argument("--config", type=Path, help="settings file (TOML); ZHIXING_<OPTION> overrides it")
    arguments = parser.parse_args(argv)
    try:
        settings = load_settings(arguments.config)
        install_catalogue(settings.case_catalogue)
        run_process(arguments.name, settings)
    except (SettingsError, DomainError) as error:
        print(f"zhixing-central: {error}", file=sys.stderr)
        return 2
    return 0


def run_process(name: str, settings: Settings) -> None:
    """Run one line of the process table in this process, until it ends or is told to."""
    parent = os.environ.get(PARENT_PID)
    if parent:
        lifeline.die_with_parent()
        lifeline.end_if_orphaned(int(parent))
    # SIGTERM ends like Ctrl-C does: the process's own clean-up runs, unless it sets a handler of its own.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    # nats-py's protocol says so at every clean TLS end; it means nothing.
    logging.getLogger("asyncio").addFilter(lambda record: "eof_received()" not in str(record.msg))
    process = import_module(PROCESSES[name])
    try:
        process.main(settings)
    except KeyboardInterrupt:
        return
    finally:
        # Or the interpreter, on its way out, looks for cycles in half a million objects: 0.4 s of a processor that a
        # process on its way in is waiting for, and seconds on a busy machine.
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
