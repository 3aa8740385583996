"""Which segments leave the kit first: the minutes around an alarm, then marked recordings, then the rest."""

from __future__ import annotations

from edge.recorder.segmenter import ClearSegment
from edge.recorder.wish import Wishes
from edge.spool import Spool
from edge.spool.vault import ALARM, MARKED, REST


class PriorityBook:
    """Raises the priority of what is stored and chooses that of what is to come; never lowers one."""

    def __init__(self, spool: Spool, window_s: float) -> None:
        self._spool = spool
        self._window_ms = round(window_s * 1000)
        self._marked: set[str] = set()
        self._alarm_ms: int | None = None

    def note(self, recording_id: str, before: Wishes, now: Wishes) -> None:
        """Compare what was said with what is said now, and raise what is stored of the running recording."""
        if now.sos is not None and (before.sos is None or now.sos.alarm_id != before.sos.alarm_id):
            self._alarm_ms = now.sos.pressed_ms
            self._mark(recording_id)
            self._spool.vault.raise_priority(
                recording_id,
                ALARM,
                from_ms=self._alarm_ms - self._window_ms,
                to_ms=self._alarm_ms + self._window_ms,
            )
        if now.mark is not None and now.mark != before.mark:
            self._mark(recording_id)

    def begin(self, recording_id: str, wishes: Wishes) -> None:
        """A recording begins: one that an alarm asked for, here or beside, is marked from its first segment on."""
        if wishes.recording.together:
            self._marked.add(recording_id)
        if wishes.recording.alarm_id and wishes.sos is not None:
            self._alarm_ms = wishes.sos.pressed_ms
            self._marked.add(recording_id)

    def choose(self, recording_id: str, clear: ClearSegment) -> int:
        """Priority of a segment about to be stored."""
        start_ms = clear.started.wall_ms
        end_ms = start_ms + clear.duration_us // 1000
        if self._alarm_ms is not None and (
            start_ms <= self._alarm_ms + self._window_ms and end_ms >= self._alarm_ms - self._window_ms
        ):
            self._marked.add(recording_id)
            return ALARM
        return MARKED if recording_id in self._marked else REST

    def _mark(self, recording_id: str) -> None:
        self._marked.add(recording_id)
        self._spool.vault.raise_priority(recording_id, MARKED)
