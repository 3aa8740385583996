"""The recorder's main loop: wishes in, sealed and signed segments out, every gap stated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from edge.recorder.camera import Camera, CameraFailedError
from edge.recorder.capture import Ended, Taken
from edge.recorder.card_pace import CardWatch
from edge.recorder.closing import Closer, Gap
from edge.recorder.current import Current
from edge.recorder.moment import Clock, Moment
from edge.recorder.oddities import Oddities
from edge.recorder.priority import PriorityBook
from edge.recorder.proxy import ProxyMaker
from edge.recorder.recording import SignBody, StorageFullError
from edge.recorder.report import Reporter
from edge.recorder.sources import CameraSource, EncodedFrame, SourceError
from edge.recorder.storage import StorageGuard, StorageWatch
from edge.recorder.take import Means, NoRoomError
from edge.recorder.tapping import Tapping
from edge.recorder.watchdog import is_worth_waiting, name_cause
from edge.recorder.wish import LOST, Wishes, read_wishes
from edge.settings import Settings
from edge.spool import SegmentRow, Spool, ring

log = logging.getLogger("zhixing.recorder")

RETRY_MS: Final = 5_000
POLL_MS: Final = 1_000


class Recorder:
    """One per process. :meth:`turn` does one step of the loop; everything it must remember is on the card."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        *,
        sign: SignBody,
        load_recipients: Callable[[], Sequence[X25519PublicKey]],
        build_source: Callable[[], CameraSource],
        clock: Clock,
        sign_proxy: SignBody | None = None,
        tapping: Tapping | None = None,
    ) -> None:
        self._settings, self._spool, self._clock = settings, spool, clock
        self._guard = StorageGuard(spool, settings.storage)
        self._camera = Camera(settings, build_source, clock, tapping)
        self._past_ms = 0
        self._closer = Closer(spool, sign, clock, self._guard)
        self._oddities = Oddities(clock())
        self._wishes = self._read_wishes(clock())
        self._retry_at_ms = 0
        self._wishes_due_ms = 0
        self._priority = PriorityBook(spool, settings.segments.alarm_window_s)
        self._reporter = Reporter(spool, clock)
        self._means = Means(
            spool=spool,
            settings=settings,
            sign=sign,
            guard=self._guard,
            priority=self._priority,
            oddities=self._oddities,
            load_recipients=load_recipients,
            find_fix=self._reporter.find_fix,
            find_missed=lambda: self._camera.missed,
            find_dropped=lambda: self._camera.dropped,
            note_row=self._note_row,
            proxies=ProxyMaker(spool, sign_proxy) if sign_proxy and settings.segments.proxy else None,
        )
        self._current = Current(self._means, self._reporter, clock, lambda: self._camera.name)
        self._card = CardWatch(spool)
        self._storage = StorageWatch(spool, settings.storage, self._guard, settings.camera.bitrate_bps)

    @property
    def is_capturing(self) -> bool:
        """Whether frames are expected: the loop then looks for them several times a second."""
        return self._camera.capture is not None

    @property
    def is_behind(self) -> bool:
        """Whether frames are waiting to be taken."""
        return self._camera.waiting > 0

    @property
    def is_recording(self) -> bool:
        """Whether a recording is being made at this moment."""
        return self._current.take is not None

    def begin(self, *, after: str = "") -> None:
        """Recover what a crash, a power cut or a bad card left (``after``: its cause, if known); report as ready."""
        if self._closer.recover(cause=after or None):
            self._guard.set_ballast()
        self._card.begin()
        if after:
            self._card.note_back(self._clock(), after)
        self._current.report("idle")
        ring(self._spool.dir, "control")

    def turn(self, *, rung: bool, wait_s: float) -> None:
        """One step: apply wishes when rung or due, take one event of the camera, watch clocks and camera.

        Raises CameraFailedError after the gap is stated.
        """
        now = self._clock()
        if rung or now.monotonic_ms >= self._wishes_due_ms:
            self._wishes_due_ms = now.monotonic_ms + POLL_MS
            self._apply(self._read_wishes(now), now)
        self._end_if_over(now)
        self._oddities.note_clocks(now)
        self._storage.look(now)
        self._take_one(wait_s)

    def catch_up(self) -> None:
        """Take what else the camera has given by now, and no more: wishes and clocks are looked at in between.

        Raises CameraFailedError as :meth:`turn` does.
        """
        for _ in range(self._camera.waiting):
            self._take_one(0)

    def _take_one(self, wait_s: float) -> None:
        event = self._camera.take(wait_s)
        if isinstance(event, Ended):
            self._end(event.error)
        elif event is not None:
            self._accept(event)

    def finish(self, cause: str) -> None:
        """End in good order: the open segment is kept, the recording closed."""
        self._stop_recording(cause)
        self._camera.stop()
        self._current.report("stopped")

    # Wishes

    def _apply(self, wishes: Wishes, now: Moment) -> None:
        before, self._wishes = self._wishes, wishes
        wanted = wishes.recording
        if (take := self._current.take) is not None:
            take.wish(wishes, now, post_event_ms=round(self._settings.segments.post_event_s * 1000))
            self._end_if_over(now)
        if (take := self._current.take) is not None:
            self._priority.note(take.id, before, wishes)
            self._current.say()
        keeps_past = wishes.on_duty and self._camera.keeps_past
        if not (wanted.on or keeps_past or self.is_recording):
            self._camera.stop()
        elif self._camera.capture is None and now.monotonic_ms >= self._retry_at_ms:
            self._start_camera(now, wanted_on=wanted.on)
        elif self._camera.is_ready and wanted.on and not self.is_recording:
            self._drain_ring()
        if before.recording.on and not wanted.on and not self.is_recording:
            self._current.report("idle", "this kit was reported lost" if wanted.cause == LOST else "")

    def _read_wishes(self, now: Moment) -> Wishes:
        return read_wishes(self._spool, now, hold_ms=round(self._settings.segments.sos_hold_s * 1000))

    def _end_if_over(self, now: Moment) -> None:
        take = self._current.take
        if take is None or take.end is None or not take.is_over(now):
            return
        self._stop_recording(take.end.cause)
        self._current.report("idle")
        self._wishes_due_ms = now.monotonic_ms  # the camera may be let go

    def _start_camera(self, now: Moment, *, wanted_on: bool) -> None:
        shortage = self._guard.find_shortage(to_start=True)
        if shortage is not None:
            self._retry_at_ms = now.monotonic_ms + RETRY_MS
            if wanted_on:
                self._reporter.alarm_once("storage_full", shortage)
                self._current.report("storage_full", shortage)
            return
        if self._closer.recovery_due and not self._closer.recover(cause="storage_full"):
            self._retry_at_ms = now.monotonic_ms + RETRY_MS
            return
        self._guard.set_ballast()
        self._camera.start(now)
        self._oddities.begin_source()
        self._current.report("starting" if wanted_on else "idle")

    # Frames

    def _accept(self, taken: Taken) -> None:
        if not (self.is_recording or self._wishes.recording.on):
            if self._camera.keeps_past:
                self._camera.ring.push(taken)
            return
        if not self.is_recording:
            self._drain_ring()
        self._feed(taken)

    def _drain_ring(self) -> None:
        began_ms = self._camera.ring.began_ms
        if began_ms is None:
            return
        self._past_ms = max(0, self._clock().monotonic_ms - began_ms)
        for taken in self._camera.drain_past():
            self._feed(taken)

    def _feed(self, taken: Taken) -> None:
        if not (self.is_recording or self._begin_recording(taken)):
            return
        try:
            self._current.feed(taken)
        except NoRoomError as error:
            self._stop_for_storage(str(error), error.missing)
        except SourceError as error:
            self._end(error)

    def _begin_recording(self, taken: Taken) -> bool:
        source = self._camera.source
        if source is None or not (isinstance(taken.item, EncodedFrame) and taken.item.key):
            return False
        past_ms, self._past_ms = self._past_ms, 0
        try:
            self._current.begin(self._wishes, source, taken.at, past_ms=past_ms)
        except StorageFullError as error:
            self._stop_for_storage(str(error), Gap(taken.at, 0))
            return False
        return True

    def _note_row(self, row: SegmentRow) -> None:
        now = self._clock()
        self._storage.note_stored(row.length, row.duration_ms)
        self._card.note_stored(now, now.monotonic_ms - self._current.feeding_since_ms, row.duration_ms)

    def _flush(self) -> None:
        """Store the open segment; a full card ends the recording here, with its own cause."""
        try:
            self._current.flush()
        except NoRoomError as error:
            self._stop_for_storage(str(error), error.missing)

    def _stop_recording(self, cause: str) -> None:
        self._flush()
        take = self._current.let_go()
        if take is None:
            return
        take.prepare_end(self._clock())
        self._closer.close(take.recording, cause)
        self._current.ring("control", "panel")

    # What goes wrong

    def _stop_for_storage(self, reason: str, missing: Gap) -> None:
        take = self._current.let_go()
        log.error("recorder stops: %s", reason)
        self._camera.stop()
        self._retry_at_ms = self._clock().monotonic_ms + RETRY_MS
        if take is not None:
            self._closer.close(take.recording, "storage_full", missing)
        self._reporter.alarm_once("storage_full", reason, recording_id=take.id if take else None)
        self._current.report("storage_full", reason)

    def _end(self, error: SourceError | None) -> None:
        if error is None:
            self._stop_recording("source_ended")
            self._spool.state.set("recording_wanted", {"on": False, "cause": "source_ended", "by": ""})
            self._wishes = self._read_wishes(self._clock())
            self._camera.stop()
            self._current.report("idle", "the camera's input is at its end")
            return
        log.error("recorder: %s", error)
        take, cause = self._current.take, name_cause(error)
        self._state_stall(cause, str(error))
        if self._wishes.recording.on:
            self._reporter.alarm_once(cause, str(error), recording_id=take.id if take else None)
        self._current.report("camera_fault", str(error))
        if not is_worth_waiting(error):
            raise CameraFailedError(str(error))
        self._retry_at_ms = self._clock().monotonic_ms + RETRY_MS
        self._camera.stop()

    def _state_stall(self, cause: str, reason: str) -> None:
        self._flush()
        take = self._current.let_go()
        if take is None:  # none was made, or storing found the card full and closed it with that cause
            return
        since = take.recording.last_end
        missing_ms = self._clock().monotonic_ms - since.monotonic_ms
        self._closer.close(take.recording, cause, Gap(since, missing_ms, reason))
        ring(self._spool.dir, "control")
