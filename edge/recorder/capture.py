"""Reads a camera source in a thread of its own, so that a camera that hangs never hangs the recorder."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import Final

from edge.recorder.moment import Clock, Moment
from edge.recorder.sources import AudioPacket, CameraSource, EncodedFrame, SourceError, SourceFailedError
from edge.recorder.tapping import Tapping

# About ten seconds: a card that is slow for a moment costs no frame, one that hangs costs no memory.
_QUEUE_ITEMS: Final = 500
_PUT_TIMEOUT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Taken:
    """An item and when it arrived."""

    item: EncodedFrame | AudioPacket
    at: Moment


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is ready; its rate and sound are known from here on."""


@dataclass(frozen=True, slots=True)
class Ended:
    """No more will come: ``error`` says why, None when the input was simply over."""

    error: SourceError | None


class Capture:
    """Runs ``source`` from :meth:`start` to :meth:`stop`; a stopped capture is not started again."""

    def __init__(
        self,
        source: CameraSource,
        clock: Clock,
        *,
        stamp_by_pts: bool = False,
        patient: bool = True,
        tapping: Tapping | None = None,
    ) -> None:
        self.source = source
        self._tapping = tapping
        # A film waits for a slow card; a camera does not, and what finds no place any more is counted in ``dropped``.
        self._patient = patient
        self._clock = clock
        # A film read faster than it plays has no times of its own: they follow its picture from the first one on.
        self._stamp_by_pts = stamp_by_pts
        self._first: tuple[int, Moment] | None = None
        self._queue: queue.Queue[Taken | Opened | Ended] = queue.Queue(_QUEUE_ITEMS)
        self._stopped = threading.Event()
        self._waits_for_key = False
        self.dropped = 0
        # A daemon: a thread stuck inside a driver must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Begin to open and read."""
        self._thread.start()

    def take(self, timeout_s: float) -> Taken | Opened | Ended | None:
        """The next thing that happened, or None when nothing did within ``timeout_s``."""
        try:
            return self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None

    @property
    def waiting(self) -> int:
        """How many events can be taken at once."""
        return self._queue.qsize()

    def stop(self, timeout_s: float = 3.0) -> bool:
        """Close the source; False when its thread does not come back (the process should then end)."""
        self._stopped.set()
        self.source.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        error: SourceError | None = None
        try:
            self.source.open()
            self._put(Opened())
            if self._tapping is not None:
                self._tapping.begin(self.source)
            for item in self.source.items():
                # First, for whoever watches now; the recorder has time.
                if self._tapping is not None:
                    self._tapping.offer(item)
                if not self._keep(Taken(item, self._stamp(item))):
                    break
        except SourceError as failure:
            error = failure
        except Exception as failure:  # drivers raise anything; here it becomes a named, stated gap
            error = SourceFailedError(f"{self.source.name} failed ({failure!r}): check the camera.")
            error.__cause__ = failure
        finally:
            if self._tapping is not None:
                self._tapping.end_camera()
        self._put(Ended(error))

    def _stamp(self, item: EncodedFrame | AudioPacket) -> Moment:
        if not self._stamp_by_pts:
            return self._clock()
        if self._first is None:
            self._first = (item.pts_us, self._clock())
        since_ms = (item.pts_us - self._first[0]) // 1000
        first = self._first[1]
        return Moment(first.wall_ms + since_ms, first.monotonic_ms + since_ms)

    def _keep(self, taken: Taken) -> bool:
        """Queue an item; without a place for it drop it and all up to the next key frame. False once stopped."""
        if self._patient:
            return self._put(taken)
        is_picture = isinstance(taken.item, EncodedFrame)
        if self._waits_for_key and not (isinstance(taken.item, EncodedFrame) and taken.item.key):
            self.dropped += is_picture
            return not self._stopped.is_set()
        try:
            self._queue.put_nowait(taken)
        except queue.Full:
            # What follows a hole cannot be shown before the next key frame.
            self._waits_for_key = True
            self.dropped += is_picture
        else:
            self._waits_for_key = False
        return not self._stopped.is_set()

    def _put(self, event: Taken | Opened | Ended) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(event, timeout=_PUT_TIMEOUT_S)
            except queue.Full:
                continue
            return True
        return False
