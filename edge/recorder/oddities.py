"""Small irregularities of a running recording that its chain must state: clock steps, frames thrown away."""

from __future__ import annotations

import logging

from edge.recorder.moment import Moment, StepWatch
from edge.recorder.recording import Recording

log = logging.getLogger("zhixing.recorder")


class Oddities:
    """Gathers them while a segment is open, so that stating them splits no segment and loses no frame."""

    def __init__(self, first: Moment) -> None:
        self._watch = StepWatch(first)
        self._steps: list[int] = []
        self._missed = self._missed_stated = 0
        self._dropped = self._dropped_stated = 0

    def note_clocks(self, now: Moment) -> None:
        """Compare the two clocks; call it at every turn of the loop."""
        step_ms = self._watch.check(now)
        if step_ms:
            self._steps.append(step_ms)

    def note_missed(self, missed: int) -> None:
        """How many frames the source has thrown away so far."""
        self._missed = missed

    def note_dropped(self, dropped: int) -> None:
        """How many frames found no place any more because the card did not keep up."""
        self._dropped = dropped

    def begin_source(self) -> None:
        """A source opened anew counts from zero."""
        self._missed = self._missed_stated = 0
        self._dropped = self._dropped_stated = 0

    def begin_recording(self) -> None:
        """What happened before a recording is none of its business."""
        self._steps.clear()
        self._missed_stated = self._missed
        self._dropped_stated = self._dropped

    def state(self, recording: Recording, since: Moment) -> None:
        """Write them into the chain. Raises StorageFullError; what was not written is kept."""
        while self._steps:
            step_ms = self._steps[0]
            recording.add_gap("clock_step", started=recording.last_end, duration_ms=0, step_ms=step_ms)
            self._steps.pop(0)
            log.warning("recorder: the clock was stepped by %d ms", step_ms)
        if self._missed > self._missed_stated:
            count = self._missed - self._missed_stated
            recording.add_gap("camera_stall", started=since, duration_ms=0, frames_missed=count)
            self._missed_stated = self._missed
        if self._dropped > self._dropped_stated:
            count = self._dropped - self._dropped_stated
            recording.add_gap("card_slow", started=since, duration_ms=0, frames_missed=count)
            self._dropped_stated = self._dropped
