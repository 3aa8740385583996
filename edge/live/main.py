"""``python -m edge.live.main --config kit.toml``: the process of live picture and voice.

A process of its own: whatever the link, a decoder or the relay does to it, the recording goes on. It connects only
while the kit is in a session of remote command, and loads libav only when a picture must be made smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
import sys
from pathlib import Path

from edge.live.picture import run_picture
from edge.live.process import LiveProcess, Task
from edge.live.voice import run_voice
from edge.logbook import keep_log, log_to_stderr
from edge.reach.identity import IdentityError
from edge.restarts import EXIT_CONFIGURATION, EXIT_SPOOL_DAMAGED
from edge.settings import Settings, SettingsError, load_settings
from edge.spool import SpoolDamagedError, SpoolError, open_spool

log = logging.getLogger("zhixing.live")

TASKS: tuple[Task, ...] = (run_picture, run_voice)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 78 when settings or identity do not allow a start."""
    parser = argparse.ArgumentParser(prog="edge.live.main", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    options = parser.parse_args(arguments)
    log_to_stderr()
    try:
        settings = load_settings(options.config)
        keep_log("live", settings.data_dir)
        asyncio.run(_run(settings))
    except SpoolDamagedError as error:
        print(f"live: {error}", file=sys.stderr)
        return EXIT_SPOOL_DAMAGED
    except sqlite3.DatabaseError as error:
        print(f"live: the spool cannot be used ({error})", file=sys.stderr)
        return 1 if isinstance(error, sqlite3.OperationalError) else EXIT_SPOOL_DAMAGED
    except (SettingsError, IdentityError, SpoolError) as error:
        print(f"live: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    return 0


async def _run(settings: Settings) -> None:
    with open_spool(settings.spool_path, check=False) as spool:
        await LiveProcess(settings, spool, TASKS).run()


if __name__ == "__main__":
    sys.exit(main())
