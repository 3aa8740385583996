"""The recorder in reserve (``edge.recorder.reserve``) with the camera that fails."""

from __future__ import annotations

import sys
from pathlib import Path

from edge.recorder import main as recorder_main
from edge.recorder import reserve
from tests.fakes.failing_camera import use_camera

if __name__ == "__main__":
    use_camera(Path(sys.argv[sys.argv.index("--config") + 1]).parent)
    recorder_main.end_process(reserve.main())
