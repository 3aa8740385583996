"""The recording that is being made, if one is: begun, fed and told about here; whoever ends it says why."""

from __future__ import annotations

from collections.abc import Callable

from edge.recorder.capture import Taken
from edge.recorder.moment import Clock, Moment
from edge.recorder.report import Reporter
from edge.recorder.sources import CameraSource
from edge.recorder.take import Means, Take
from edge.recorder.wish import Wishes
from edge.spool import ring


class Current:
    """At most one recording at a time. ``take`` is the one, None when nothing is recorded.

    ``feeding_since_ms``: since when (monotonic) the item in hand is being taken in and perhaps stored.
    """

    def __init__(self, means: Means, reporter: Reporter, clock: Clock, name_camera: Callable[[], str]) -> None:
        self._means, self._reporter, self._clock, self._name_camera = means, reporter, clock, name_camera
        self._said: str | None = None
        self.take: Take | None = None
        self.feeding_since_ms = 0

    def begin(self, wishes: Wishes, source: CameraSource, at: Moment, *, past_ms: int) -> None:
        """Begin one with a picture that arrived at ``at``. Raises StorageFullError; none is made then."""
        self.take = Take.begin(self._means, wishes, source, at, past_ms=past_ms)
        self._means.priority.begin(self.take.id, wishes)
        self._means.oddities.begin_recording()
        self._said = None
        self.say()
        self.ring("control", "panel")

    def feed(self, taken: Taken) -> None:
        """Take one item in. Raises SourceError (no cut is possible) and NoRoomError."""
        self.feeding_since_ms = self._clock().monotonic_ms
        if self.take is not None and self.take.feed(taken):
            self._note_stored()

    def flush(self) -> None:
        """Store the open segment. Raises NoRoomError."""
        self.feeding_since_ms = self._clock().monotonic_ms
        if self.take is not None and self.take.flush():
            self._note_stored()

    def let_go(self) -> Take | None:
        """Nothing is recorded from here on; what was, for whoever closes it."""
        take, self.take = self.take, None
        return take

    def say(self) -> None:
        """Report what is being recorded, when something worth a word of it has changed."""
        words = self.take.describe() if self.take else self._said
        if words is not None and words != self._said:
            self._said = words
            self.report("recording", words)

    def report(self, state: str, note: str = "") -> None:
        """``state`` as `Reporter.report` has it, with what is recorded and by which camera."""
        take = self.take
        ends_ms = take.ends_ms if take else None
        self._reporter.report(state, take.id if take else None, self._name_camera(), note, ends_ms=ends_ms)

    def ring(self, *names: str) -> None:
        """Wake these processes."""
        for name in names:
            ring(self._means.spool.dir, name)

    def _note_stored(self) -> None:
        self._reporter.end_fault()
        self.say()
        self.ring("control")
