"""Ending recordings whatever the state of the card, and catching up on ends that could not be written."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from contract.chain import MAX_CAUSE_CHARS
from edge.recorder.moment import Clock, Moment
from edge.recorder.recording import Recording, SignBody, StorageFullError
from edge.recorder.recovery import recover
from edge.recorder.storage import StorageGuard
from edge.spool import Spool

log = logging.getLogger("zhixing.recorder")


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing before an end: from when, how long, and in words why."""

    since: Moment
    missing_ms: int
    reason: str = ""


class Closer:
    """Knows whether an end is still owed (``recovery_due``) and pays it before anything new is recorded."""

    def __init__(self, spool: Spool, sign: SignBody, clock: Clock, guard: StorageGuard) -> None:
        self._spool, self._sign, self._clock, self._guard = spool, sign, clock, guard
        self.recovery_due = False

    def close(self, recording: Recording, cause: str, gap: Gap | None = None) -> None:
        """State the gap, if any, and the end; on a full card by giving up what was held in hand for this."""
        cause = cause[:MAX_CAUSE_CHARS]
        try:
            self._write(recording, cause, gap)
        except StorageFullError:
            self._guard.drop_ballast()
            try:
                self._write(recording, cause, None if recording.ends_in_gap else gap)
            except StorageFullError as error:
                log.critical("recorder: the end of %s could not be written: %s", recording.id, error)
                self.recovery_due = True
        log.info("recording %s closed: %s", recording.id, cause)

    def recover(self, *, cause: str | None) -> bool:
        """Close what was left open; False when the card has no room even for that."""
        try:
            recover(self._spool, self._sign, self._clock(), cause=cause)
        except StorageFullError as error:
            log.critical("recorder: %s", error)
            self._guard.drop_ballast()
            self.recovery_due = True
            return False
        self.recovery_due = False
        return True

    def _write(self, recording: Recording, cause: str, gap: Gap | None) -> None:
        if gap is not None:
            extra = {"reason": gap.reason[:200]} if gap.reason else {}
            recording.add_gap(cause, started=gap.since, duration_ms=gap.missing_ms, **extra)
        recording.close(cause, self._clock())
