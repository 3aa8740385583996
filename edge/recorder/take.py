"""The recording that is being made: frames and sound in, sealed and signed segments on the card, and its end."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from edge.recorder.capture import Taken
from edge.recorder.closing import Gap
from edge.recorder.moment import Moment
from edge.recorder.notes import Notes
from edge.recorder.oddities import Oddities
from edge.recorder.opening import gather_facts, state_opening
from edge.recorder.priority import PriorityBook
from edge.recorder.proxy import ProxyMaker
from edge.recorder.recording import Recording, SignBody, StorageFullError
from edge.recorder.segmenter import ClearSegment, Segmenter
from edge.recorder.sources import AudioPacket, CameraSource
from edge.recorder.storage import StorageGuard
from edge.recorder.wish import POST_EVENT_CAUSES, Wishes
from edge.settings import Settings
from edge.spool import SegmentRow, Spool

log = logging.getLogger("zhixing.recorder")

# A microphone this long without a packet has gone silent; packets come every 20 to 100 ms.
SOUND_LIMIT_MS: Final = 2_000


class NoRoomError(StorageFullError):
    """The card cannot take what comes next; ``missing`` is what the recording lacks for it."""

    def __init__(self, reason: str, missing: Gap) -> None:
        super().__init__(reason)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Means:
    """What making recordings needs.

    ``find_missed`` gives the source's count of lost frames, ``find_dropped`` that of frames for which the card was
    too slow; ``note_row`` is told of each segment stored.
    """

    spool: Spool
    settings: Settings
    sign: SignBody
    guard: StorageGuard
    priority: PriorityBook
    oddities: Oddities
    load_recipients: Callable[[], Sequence[X25519PublicKey]]
    find_fix: Callable[[], dict[str, Any] | None]
    find_missed: Callable[[], int]
    find_dropped: Callable[[], int]
    note_row: Callable[[SegmentRow], None]
    proxies: ProxyMaker | None = None


@dataclass(frozen=True, slots=True)
class End:
    """An end that was asked for: why, when, and from when on it is due."""

    cause: str
    asked: Moment
    due_ms: int


class Take:
    """One recording with its segmenter. It is left open: whoever drops it closes ``recording``."""

    def __init__(
        self, recording: Recording, segmenter: Segmenter, means: Means, wishes: Wishes, *, hears: bool
    ) -> None:
        self.recording = recording
        self.end: End | None = None
        self.notes = Notes()
        self._segmenter, self._means, self._wishes = segmenter, means, wishes
        # Monotonic time of the newest sound; None when there is no microphone or it has gone silent.
        self._heard_ms: int | None = recording.last_end.monotonic_ms if hears else None
        self._hears = hears

    @classmethod
    def begin(cls, means: Means, wishes: Wishes, source: CameraSource, at: Moment, *, past_ms: int) -> Take:
        """Open a recording whose first frame came ``at``; ``past_ms`` of it were kept from before it was wanted.

        It gets the id that was announced for it, unless that one was used already. Raises StorageFullError.
        """
        announced = wishes.recording.recording_id
        used_up = not announced or means.spool.vault.find_last_record(announced) is not None
        hears = source.audio is not None
        recording = Recording.begin(
            means.spool,
            uuid.uuid4().hex if used_up else announced,
            means.sign,
            means.load_recipients(),
            kit_id=means.settings.kit.id,
            at=at,
            watermark=source.watermarked,
            **state_opening(wishes, means.settings, camera=source.name, source_has_sound=hears, past_ms=past_ms),
        )
        segmenter = Segmenter(target_s=means.settings.segments.seconds, fps=source.fps, audio=source.audio)
        return cls(recording, segmenter, means, wishes, hears=hears)

    @property
    def id(self) -> str:
        """Id of the recording, 32 hex."""
        return self.recording.id

    @property
    def ends_ms(self) -> int | None:
        """Wall time at which it ends by itself, after the end was asked for; None when nobody asked."""
        if self.end is None:
            return None
        return self.end.asked.wall_ms + self.end.due_ms - self.end.asked.monotonic_ms

    def describe(self) -> str:
        """What people should know of it besides that it runs; empty when all is as it should be."""
        words = []
        if self._wishes.held:
            words.append("the recording goes on until the centre has taken the SOS")
        if self.end is not None:
            words.append(f"the end was asked for by {self.end.cause}; it goes on for a while")
        if self._means.settings.camera.audio and not self._hears:
            words.append("sound is wanted, but the source gives none")
        if self._hears and self._heard_ms is None:
            words.append("the microphone has gone silent")
        return "; ".join(words)

    def wish(self, wishes: Wishes, now: Moment, *, post_event_ms: int) -> None:
        """Take in what is wanted now: notes for the next record, and an end planned, hastened or called off."""
        self.notes.compare(self._wishes, wishes, now)
        self._wishes = wishes
        wanted = wishes.recording
        if wanted.on:
            self.end = None
            return
        waits = wanted.cause in POST_EVENT_CAUSES and post_event_ms > 0
        if self.end is None and waits:
            self.notes.add("stop", now.wall_ms, cause=wanted.cause)
        if self.end is None or not waits:
            self.end = End(wanted.cause, now, now.monotonic_ms + (post_event_ms if waits else 0))

    def is_over(self, now: Moment) -> bool:
        """Whether the end that was asked for is due."""
        return self.end is not None and now.monotonic_ms >= self.end.due_ms

    def feed(self, taken: Taken) -> bool:
        """Take one item in; True when a segment was completed by it and stored.

        Raises SourceError (no cut is possible) and NoRoomError.
        """
        self._listen(taken)
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

    def prepare_end(self, now: Moment) -> None:
        """Gather what the final record is to state, and write oddities that are still to be stated."""
        self.recording.ending = self.notes.waiting()
        if self.end is not None and now.monotonic_ms > self.end.asked.monotonic_ms:
            self.recording.ending["post_event_ms"] = now.monotonic_ms - self.end.asked.monotonic_ms
        try:
            self._means.oddities.state(self.recording, now)
        except StorageFullError as error:
            log.error("recorder: %s", error)

    def _listen(self, taken: Taken) -> None:
        if not self._hears:
            return
        now_ms = taken.at.monotonic_ms
        if isinstance(taken.item, AudioPacket):
            if self._heard_ms is None:
                self.notes.add("sound", taken.at.wall_ms, sound="on")
            self._heard_ms = now_ms
        elif self._heard_ms is not None and now_ms - self._heard_ms > SOUND_LIMIT_MS:
            self._heard_ms = None
            self.notes.add("sound", taken.at.wall_ms, sound="lost")

    def _store(self, clear: ClearSegment) -> None:
        means, recording = self._means, self.recording
        shortage = means.guard.find_shortage()
        missing = Gap(clear.started, round(clear.duration_us / 1000))
        try:
            if shortage is not None:
                raise StorageFullError(shortage)
            recording.recipients = list(means.load_recipients())
            extra = self.notes.waiting()
            row = recording.add_segment(
                clear,
                fix=means.find_fix(),
                priority=means.priority.choose(recording.id, clear),
                facts=gather_facts(self._wishes),
                extra=extra,
            )
            means.note_row(row)
            if means.proxies is not None:
                means.proxies.make(clear, row, recording.recipients)
            self.notes.stated(extra)
            missing = Gap(recording.last_end, 0)
            means.oddities.note_missed(means.find_missed())
            means.oddities.note_dropped(means.find_dropped())
            means.oddities.state(recording, clear.started)
        except StorageFullError as error:
            raise NoRoomError(str(error), missing) from error
        log.info("segment %d of %s: %d bytes", row.seq, recording.id, row.length)
