"""A recorder process whose camera fails as real ones do: ``python -m tests.fakes.failing_camera --config kit.toml``.

The stand-in is the camera alone: pictures come from the synthetic camera, and in each life of the process one failure
of ``failures.txt`` (one name a line, in the kit's folder) befalls it after `GOOD_FRAMES` frames; with the list at its
end it stays sound. The moment of each failure goes to ``failed.txt`` as ``name ms-since-boot``. Everything else is
``edge.recorder.main``. Run with ``--kit`` it is the kit's manager with this process in place of the recorder.
"""

from __future__ import annotations

import ctypes
import errno
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from edge.recorder import main as recorder_main
from edge.recorder.moment import read_clocks
from edge.recorder.sources import AudioPacket, EncodedFrame
from edge.recorder.sources.synthetic import SyntheticCamera

GOOD_FRAMES = 30
FPS = 25
Items = Iterator[EncodedFrame | AudioPacket]


class FailingCamera:
    """The synthetic camera with one failure to come."""

    watermarked = False

    def __init__(self, folder: Path, failure: str) -> None:
        self._inner = SyntheticCamera("dl-2901-01", width=96, height=64, fps=FPS, bitrate_bps=50_000, sound=True)
        self._folder, self._failure = folder, failure
        self._closed = threading.Event()
        self.name, self.fps, self.audio, self.missed = (
            f"camera that fails: {failure}",
            float(FPS),
            self._inner.audio,
            0,
        )

    def open(self) -> None:
        """Nothing to wait for."""

    def items(self) -> Items:
        """Good pictures first, then the failure."""
        frames = 0
        for item in self._inner.items():
            if frames < GOOD_FRAMES or not self._failure:
                frames += isinstance(item, EncodedFrame)
                yield item
                continue
            with (self._folder / "failed.txt").open("a") as file:
                file.write(f"{self._failure} {read_clocks().monotonic_ms}\n")
            yield from FAILURES[self._failure](self)
            return

    def close(self) -> None:
        """A camera that is asked to stop."""
        self._closed.set()
        self._inner.close()

    def fall_silent(self) -> Items:
        """Frames stop while everything claims to run."""
        self._closed.wait()
        yield from ()

    def freeze_picture(self) -> Items:
        """The picture stops, the microphone goes on."""
        yield from (item for item in self._inner.items() if isinstance(item, AudioPacket))

    def stick_in_driver(self) -> Items:
        """The thread is inside a driver, and no close reaches it."""
        ctypes.CDLL(None).sleep(120)
        yield from ()

    def hold_interpreter(self) -> Items:
        """A library that hangs and does not let any other thread of the process run."""
        ctypes.PyDLL(None).sleep(120)
        yield from ()

    def time_out(self) -> Items:
        """What libcamera's pipeline says."""
        raise TimeoutError("Camera frontend has timed out!")

    def lose_memory(self) -> Items:
        """What the kernel's allocator says once contiguous memory has been lost by reconfiguring."""
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    def stand_still(self) -> Items:
        """The encoder gives pictures of one and the same moment."""
        yield from self._retime(lambda _count, at_us: at_us)

    def run_backwards(self) -> Items:
        """The times of the pictures run backwards."""
        yield from self._retime(lambda count, at_us: at_us - count * 40_000)

    def give_no_key(self) -> Items:
        """A black box: pictures come, but none at which a segment could begin or end."""
        for item in self._inner.items():
            yield replace(item, key=False) if isinstance(item, EncodedFrame) else item

    def _retime(self, stamp: Callable[[int, int], int]) -> Items:
        start_us: int | None = None
        for count, item in enumerate(item for item in self._inner.items() if isinstance(item, EncodedFrame)):
            start_us = item.pts_us if start_us is None else start_us
            yield replace(item, pts_us=stamp(count, start_us))


FAILURES: dict[str, Callable[[FailingCamera], Items]] = {
    "silent": FailingCamera.fall_silent,
    "frozen_picture": FailingCamera.freeze_picture,
    "stuck_in_driver": FailingCamera.stick_in_driver,
    "holds_interpreter": FailingCamera.hold_interpreter,
    "time_out": FailingCamera.time_out,
    "memory": FailingCamera.lose_memory,
    "still": FailingCamera.stand_still,
    "backwards": FailingCamera.run_backwards,
    "no_key": FailingCamera.give_no_key,
}


def next_failure(folder: Path) -> str:
    """The first failure of the list that has not befallen a process yet; "" at its end."""
    listed = (folder / "failures.txt").read_text().split()
    failed = folder / "failed.txt"
    count = len(failed.read_text().splitlines()) if failed.exists() else 0
    return listed[count] if count < len(listed) else ""


def use_camera(folder: Path) -> None:
    """Let recorders of this process have the camera that fails."""
    recorder_main.build_source = lambda *_: FailingCamera(folder, next_failure(folder))


def main() -> int:
    """The recorder, or with ``--kit`` the manager over it."""
    config = Path(sys.argv[-1])
    if "--kit" in sys.argv:
        from edge import manager

        manager.PROCESSES = {"recorder": "tests.fakes.failing_camera"}
        manager.RESERVES = {"recorder": "tests.fakes.failing_reserve"}
        return manager.main(["run", "--config", str(config)])
    use_camera(config.parent)
    return recorder_main.main(sys.argv[1:])


if __name__ == "__main__":
    status = main()
    recorder_main.end_process(status)
