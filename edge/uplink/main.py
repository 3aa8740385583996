"""The control process of a kit: ``python -m edge.uplink.main --config kit.toml``."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from edge.logbook import keep_log, log_to_stderr
from edge.reach.identity import IdentityError
from edge.settings import SettingsError, load_settings
from edge.spool import SpoolError
from edge.uplink.control import Control
from edge.uplink.track import TrackError

log = logging.getLogger("zhixing.control")
EXIT_CONFIGURATION = 78  # sysexits.h EX_CONFIG: starting again would not help


def install_signals(stop: Callable[[], None]) -> None:
    """SIGTERM and SIGINT end the process in order."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def main(arguments: list[str] | None = None) -> int:
    """Run the control process until SIGTERM or SIGINT; 78 when settings or identity do not allow a start."""
    parser = argparse.ArgumentParser(prog="edge.uplink.main", description="A kit's control process.")
    parser.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    options = parser.parse_args(arguments)
    log_to_stderr()
    try:
        settings = load_settings(options.config)
        keep_log("control", settings.data_dir)
        control = Control(settings)
    except (SettingsError, IdentityError, TrackError, SpoolError) as error:
        log.error("%s", error)
        return EXIT_CONFIGURATION
    install_signals(control.stop)
    return control.run()


if __name__ == "__main__":
    sys.exit(main())
