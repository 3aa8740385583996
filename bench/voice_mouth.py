"""When the synthetic camera of a kit ticks, by its pictures at the recorder's tap.

The tick's first sample is in the air at the moment for which each second's first picture is due. A picture bears the
moment at which it was drawn (`edge.recorder.sources.time_strip`), and that can be late: the earliest counts for all.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from contract.live import Type, unpack
from edge.recorder.sources.time_strip import PERIOD_MS, find_rows, read_row
from edge.tap import LENGTH, connect_tap


class Mouth:
    """Reads along at the tap of the kit in ``folder``, whose camera gives ``fps`` pictures; a context manager."""

    def __init__(self, folder: Path, fps: int) -> None:
        self._fps = fps
        self._connection = connect_tap(folder)
        self._thread = threading.Thread(target=self._run, name="mouth", daemon=True)
        self._drawn: list[tuple[int, float]] = []

    def __enter__(self) -> Mouth:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(2)
        self._thread.join()
        self._connection.close()

    @property
    def onsets(self) -> list[float]:
        """When each tick began, ms since 1970."""
        began_ms = min(drawn_ms - 1000 * second for second, drawn_ms in self._drawn)
        return [began_ms + 1000 * second for second, _ in self._drawn]

    def _run(self) -> None:
        with self._connection.makefile("rb") as messages:
            while len(length := messages.read(LENGTH.size)) == LENGTH.size:
                frame = unpack(messages.read(LENGTH.unpack(length)[0]))
                # The first picture has the number 1; each second's first one is a key frame.
                second, rest = divmod(frame.seq - 1, self._fps)
                if frame.type is Type.VIDEO and frame.is_key and rest == 0:
                    self._drawn.append((second, _read_moment(bytes(frame.payload), frame.time_us / 1000)))


def _read_moment(key_frame: bytes, near_ms: float) -> float:
    """When a key frame of the synthetic camera was drawn, ms since 1970."""
    decoder = VideoCodecContext.create("h264", "r")
    picture = [*decoder.decode(av.Packet(key_frame)), *decoder.decode(None)][0].reformat(format="gray")
    plane, row = picture.planes[0], sum(find_rows(picture.height)) // 2
    told = read_row(memoryview(plane)[row * plane.line_size : row * plane.line_size + picture.width])
    if told is None:
        raise ValueError("The picture bears no moment: the bench needs the synthetic camera.")
    return near_ms - (near_ms - told) % PERIOD_MS
