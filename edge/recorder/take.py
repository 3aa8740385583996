"""The recording that is being made: frames and sound in, sealed and signed segments on the card."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from edge.recorder.capture import Taken
from edge.recorder.closing import Gap
from edge.recorder.moment import Moment
from edge.recorder.oddities import Oddities
from edge.recorder.priority import PriorityBook
from edge.recorder.recording import Recording, StorageFullError
from edge.recorder.segmenter import ClearSegment, Segmenter
from edge.recorder.storage import StorageGuard

log = logging.getLogger("zhixing.recorder")


class NoRoomError(StorageFullError):
    """The card cannot take what comes next; ``missing`` is what the recording lacks for it."""

    def __init__(self, reason: str, missing: Gap) -> None:
        super().__init__(reason)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Means:
    """What storing needs besides the recording; ``find_missed`` gives the source's count of lost frames."""

    guard: StorageGuard
    priority: PriorityBook
    oddities: Oddities
    load_recipients: Callable[[], Sequence[X25519PublicKey]]
    find_fix: Callable[[], dict[str, Any] | None]
    find_missed: Callable[[], int]


class Take:
    """One recording with its segmenter. It is left open: whoever drops it closes ``recording``."""

    def __init__(self, recording: Recording, segmenter: Segmenter, means: Means) -> None:
        self.recording = recording
        self._segmenter = segmenter
        self._means = means

    @property
    def id(self) -> str:
        """Id of the recording, 32 hex."""
        return self.recording.id

    def feed(self, taken: Taken) -> bool:
        """Take one item in; True when a segment was completed by it and stored.

        Raises SourceError (no cut is possible) and NoRoomError.
        """
        finished = self._segmenter.feed(taken.item, taken.at)
        if finished is None:
            return False
        self._store(finished)
        return True

    def flush(self) -> bool:
        """Store what is being gathered, whatever its length; False when that was nothing. Raises NoRoomError."""
        last = self._segmenter.flush()
        if last is None:
            return False
        self._store(last)
        return True

    def _store(self, clear: ClearSegment) -> None:
        means, recording = self._means, self.recording
        shortage = means.guard.find_shortage()
        missing = Gap(clear.started, round(clear.duration_us / 1000))
        try:
            if shortage is not None:
                raise StorageFullError(shortage)
            recording.recipients = list(means.load_recipients())
            priority = means.priority.choose(recording.id, clear)
            row = recording.add_segment(clear, fix=means.find_fix(), priority=priority)
            missing = Gap(recording.last_end, 0)
            means.oddities.note_missed(means.find_missed())
            means.oddities.state(recording, clear.started)
        except StorageFullError as error:
            raise NoRoomError(str(error), missing) from error
        log.info("segment %d of %s: %d bytes", row.seq, recording.id, row.length)

    def state_oddities(self, now: Moment) -> None:
        """Write what is still to be stated before the end; on a full card it stays unsaid but in the log."""
        try:
            self._means.oddities.state(self.recording, now)
        except StorageFullError as error:
            log.error("recorder: %s", error)
