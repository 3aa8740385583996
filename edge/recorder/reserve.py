"""``python -m edge.recorder.reserve --config kit.toml``: a recorder with everything loaded that waits for its turn.

Loading Python and its libraries is most of what a restart takes. So a second process does that beforehand, and when
the first one ends, the manager writes a line on the standard input of this one: it then is the recorder.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib
import os
import sys
from pathlib import Path
from typing import Final

from edge.recorder import main as recorder_main
from edge.recorder.moment import read_clocks
from edge.recorder.sources import encoding
from edge.settings import SettingsError, load_settings

WAITING_NAME: Final = b"edge.recorder.reserve"
TURN_NAME: Final = b"edge.recorder.main"
_ARGUMENTS: Final = slice(45, 47)  # proc(5): fields 48 and 49 of stat, arg_start and arg_end, from field 3 on
_SOURCES: Final = {
    "synthetic": ("edge.recorder.sources.synthetic",),
    "pyav": ("edge.recorder.sources.pyav",),
    "picamera2": ("edge.recorder.sources.picamera2", "picamera2", "picamera2.encoders", "picamera2.outputs"),
}


def main(arguments: list[str] | None = None) -> int:
    """Load, wait, and be the recorder; 0 when its turn never comes."""
    parser = argparse.ArgumentParser(prog="edge.recorder.reserve", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    options = parser.parse_args(arguments)
    preload(options.config)
    after = wait_for_turn()
    if after is None:
        return 0
    take_name(WAITING_NAME, TURN_NAME)
    told = ["--after", after] if after else []
    return recorder_main.main(["--config", str(options.config), *told], started_ms=read_clocks().monotonic_ms)


def preload(config: Path) -> None:
    """Load what a recorder with this camera will need; whatever is wrong shows when its turn comes."""
    with contextlib.suppress(SettingsError, ImportError):
        for name in _SOURCES[load_settings(config).camera.kind]:
            importlib.import_module(name)
        encoding.PictureEncoder(64, 64, 25, 100_000)


def wait_for_turn() -> str | None:
    """Wait for ``go [CAUSE]`` on standard input: the cause or ""; None when the manager is gone or needs nobody."""
    words = sys.stdin.buffer.readline().split()
    if not words:
        return None
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    return words[1].decode() if len(words) > 1 else ""


def take_name(old: bytes, new: bytes) -> None:
    """Show the true name from now on: ps and whoever looks for a kit's processes read it from this memory."""
    begin, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[_ARGUMENTS])
    line = ctypes.string_at(begin, end - begin)
    at = line.find(old)
    if at >= 0 and len(new) <= len(old):
        ctypes.memmove(begin + at, new.ljust(len(old), b"\0"), len(old))


if __name__ == "__main__":
    recorder_main.end_process(main())
