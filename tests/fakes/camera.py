"""A camera whose every frame, silence and failure is told by the test; its frames come from a real encoder."""

import functools
import queue

from edge.recorder.moment import Moment
from edge.recorder.sources import AudioPacket, EncodedFrame, SourceError
from edge.recorder.sources.encoding import describe_aac
from edge.recorder.sources.synthetic import SyntheticCamera

FPS = 25


@functools.cache
def real_frames(count: int = 1000) -> list[EncodedFrame]:
    source = SyntheticCamera("dl-2901-01", width=96, height=64, fps=FPS, bitrate_bps=50_000, paced=False)
    items = source.items()
    return [next(items) for _ in range(count)]


class Clocks:
    """Wall and monotonic clock that move only when told; read from two threads."""

    def __init__(self, wall_ms: int = 1_760_000_000_000, monotonic_ms: int = 50_000) -> None:
        self.now = Moment(wall_ms, monotonic_ms)

    def __call__(self) -> Moment:
        return self.now

    def advance(self, ms: int) -> None:
        self.now = Moment(self.now.wall_ms + ms, self.now.monotonic_ms + ms)

    def step(self, ms: int) -> None:
        self.now = Moment(self.now.wall_ms + ms, self.now.monotonic_ms)


class ScriptedCamera:
    """A CameraSource. `give(n)` gives the next n frames; `fail` and `end` end the stream."""

    name = "scripted"
    fps = float(FPS)
    missed = 0
    watermarked = False

    def __init__(self, *, first: int = 0, open_error: SourceError | None = None, sound: bool = False) -> None:
        self.closed = False
        self.audio = describe_aac(48_000, "mono") if sound else None
        self._next = first
        self._open_error = open_error
        self._script: queue.Queue[EncodedFrame | AudioPacket | SourceError | None] = queue.Queue()

    def give(self, count: int = 1) -> None:
        for frame in real_frames()[self._next : self._next + count]:
            self._script.put(frame)
        self._next += count

    def hum(self) -> None:
        """A packet of sound at the time of the next frame."""
        self._script.put(AudioPacket(b"", real_frames()[self._next].pts_us, 21_333))

    def say(self, data: bytes) -> None:
        """A packet of real sound at the time of the next frame."""
        self._script.put(AudioPacket(data, real_frames()[self._next].pts_us, 21_333))

    def heard(self) -> bool:
        """Whether everything given so far was taken."""
        return self._script.empty()

    def fail(self, error: SourceError) -> None:
        self._script.put(error)

    def end(self) -> None:
        self._script.put(None)

    def open(self) -> None:
        if self._open_error is not None:
            raise self._open_error

    def items(self):
        while (step := self._script.get()) is not None:
            if isinstance(step, SourceError):
                raise step
            yield step

    def close(self) -> None:
        self.closed = True
        self._script.put(None)
