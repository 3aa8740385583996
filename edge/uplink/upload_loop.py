"""The upload thread: turn after turn, woken by the bell, with what else may use its connection in between."""

import threading
import time
from collections.abc import Callable

from edge.uplink.evidence_upload import Uploader

BETWEEN_EVERY_S = 60.0


def run_uploader(
    uploader: Uploader,
    *,
    stopping: threading.Event,
    bell: threading.Event,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Turn until stopped; `bell` says that there may be something new to send.

    `between` runs while it rests, and on a link that never lets it rest now and then all the same.
    """
    between_s = 0.0
    while not stopping.is_set():
        wait_s = uploader.turn()
        if wait_s > 0 or time.monotonic() - between_s > BETWEEN_EVERY_S:
            between_s = time.monotonic()
            between()
        if wait_s <= 0:
            continue
        bell.wait(wait_s)
        bell.clear()
