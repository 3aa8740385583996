"""The camera as the recorder has it: started and let go of, watched at every step, its past kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from edge.recorder.capture import Capture, Ended, Opened, Taken
from edge.recorder.moment import Clock, Moment
from edge.recorder.ring import PreEventRing
from edge.recorder.silence import make_silence
from edge.recorder.sources import CameraSource, EncodedFrame
from edge.recorder.tapping import Tapping
from edge.recorder.watchdog import FrameWatch, Limits
from edge.settings import Settings


class CameraFailedError(Exception):
    """The camera stopped in the middle; the process should end and be started anew."""


class Camera:
    """At most one source is open at a time. ``ring`` holds what came while nothing was recorded."""

    def __init__(
        self,
        settings: Settings,
        build_source: Callable[[], CameraSource],
        clock: Clock,
        tapping: Tapping | None = None,
    ) -> None:
        self._tapping = tapping
        self._camera, self._segments = settings.camera, settings.segments
        self._build_source, self._clock = build_source, clock
        self._reads_film = self._camera.kind == "pyav" and Path(self._camera.address).is_file()
        # A film that is read once is not to be spent on the seconds before a press.
        single_film = self._reads_film and not self._camera.loop
        self.keeps_past = self._segments.pre_event_s > 0 and not single_film
        self.ring = PreEventRing(self._segments.pre_event_s, sound=self._segments.pre_event_sound)
        self.capture: Capture | None = None
        self.is_ready = False
        self._watch: FrameWatch | None = None

    @property
    def source(self) -> CameraSource | None:
        """What is being read; None when nothing is."""
        return self.capture.source if self.capture else None

    @property
    def name(self) -> str:
        """The source for people."""
        return self.capture.source.name if self.capture else self._camera.kind

    @property
    def missed(self) -> int:
        """Frames that the open source has thrown away."""
        return self.capture.source.missed if self.capture else 0

    @property
    def dropped(self) -> int:
        """Frames of the open source that found no place in the recorder's queue."""
        return self.capture.dropped if self.capture else 0

    @property
    def waiting(self) -> int:
        """What the open source has given and nobody has taken yet."""
        return self.capture.waiting if self.capture else 0

    @property
    def has_sound(self) -> bool:
        """Whether the open source gives sound."""
        return self.capture is not None and self.capture.source.audio is not None

    def start(self, now: Moment) -> None:
        """Begin to open a source."""
        source, hurried = self._build_source(), not self._camera.realtime
        self.capture = Capture(
            source, self._clock, stamp_by_pts=hurried, patient=self._reads_film, tapping=self._tapping
        )
        self._watch = FrameWatch(source.name, Limits.of(self._camera, film=self._reads_film), now.monotonic_ms)
        self.is_ready = False
        self.capture.start()

    def stop(self) -> None:
        """Let go of the source and of the past; raise CameraFailedError when it does not let go."""
        capture, self.capture = self.capture, None
        self.is_ready = False
        self.ring.clear()
        if capture is not None and not capture.stop():
            raise CameraFailedError(f"{capture.source.name} does not let go: the recorder starts anew.")

    def take(self, wait_s: float) -> Taken | Ended | None:
        """The next item of use, or the end, which may be the watchdog's finding; None when nothing came."""
        if self.capture is None or self._watch is None:
            return None
        event = self.capture.take(wait_s)
        match event:
            case Ended():
                return event
            case Opened():
                self.is_ready = True
                self._watch.note_opened(self._clock().monotonic_ms)
                return None
        at = event.at if event is not None else self._clock()
        usable = event is not None and (
            not isinstance(event.item, EncodedFrame) or self._watch.note_frame(event.item, at.monotonic_ms)
        )
        # A camera may freeze while its microphone goes on, or give pictures of which none can be used.
        failure = self._watch.find_failure(at.monotonic_ms)
        if failure is not None:
            return Ended(failure)
        return event if usable else None

    def drain_past(self) -> Iterator[Taken]:
        """What was kept, oldest first; sound that was not kept is silence."""
        audio = self.capture.source.audio if self.capture else None
        return self.ring.drain(None if self._segments.pre_event_sound else make_silence(audio))
