"""Reads the position once an interval and reports it while the officer is on task.

On task: on duty (a state the officer sees and ends), or while an SOS of this kit is open. The last fix is
always kept in the spool, so that an SOS and every segment carry it.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

import msgspec

from contract import messages
from contract.messages import Fix
from edge.options import PositionSettings, StorageSettings
from edge.reach.trusted_time import TrustedTime
from edge.spool import Spool
from edge.uplink.clock_watch import ClockWatch
from edge.uplink.fixes import judge_time
from edge.uplink.gpsd_source import GpsdSource, PositionSource, Reading
from edge.uplink.track import TrackSource
from edge.uplink.track_files import load_track

log = logging.getLogger("zhixing.position")
THIN_EVERY = 3600


class NoSource:
    """A kit without a receiver says so."""

    def read(self) -> Reading:
        """Never a position."""
        return Reading(None, "no source configured")

    def close(self) -> None:
        """Nothing is held open."""


def open_source(settings: PositionSettings) -> PositionSource:
    """The source the settings name; raises track.TrackError for an unusable track."""
    if settings.source == "gpsd":
        return GpsdSource(settings.host, settings.port, stale_s=settings.stale_s)
    if settings.source == "track":
        from pathlib import Path

        track = load_track(Path(settings.track))
        return TrackSource(track, speed=settings.speed, loop=settings.loop, start_at_s=settings.start_at_s)
    return NoSource()


class PositionReporter:
    """One reading at a time: into the spool's state, and into the outbox while on task."""

    def __init__(
        self,
        spool: Spool,
        source: PositionSource,
        trusted_time: TrustedTime,
        storage: StorageSettings,
        watch: ClockWatch | None = None,
    ) -> None:
        self._spool = spool
        self._source = source
        self._trusted_time = trusted_time
        self._max_positions = storage.max_positions
        self._watch = watch
        self._known_fix_ms: int | None = None
        self._last_fix_ms: int | None = None
        self._status = ""
        self._turns = 0

    def turn(self) -> bool:
        """Read once; True when a position went into the outbox."""
        reading = self._source.read()
        if reading.status != self._status:
            log.info("position: %s", reading.status)
            self._status = reading.status
        self._turns += 1
        if self._turns % THIN_EVERY == 0:
            self._spool.outbox.thin_positions(self._max_positions)
        with self._spool.transaction():
            self._spool.state.set("gps_status", reading.status)
            if reading.fix is None:
                return False
            fix = self._judge(reading.fix)
            self._tell_watch(fix)
            self._remember(fix)
            if not self._is_on_task() or (fix.fix_ms is not None and fix.fix_ms == self._last_fix_ms):
                return False
            self._last_fix_ms = fix.fix_ms
            self._spool.outbox.append("position", messages.encode(fix))
        return True

    def _tell_watch(self, fix: Fix) -> None:
        """A replayed track tells the kit's own time: only a receiver's fixes are a clock, each of them once."""
        if self._watch is None or fix.source != "gpsd" or fix.fix_ms in (None, self._known_fix_ms):
            return
        self._known_fix_ms = fix.fix_ms
        self._watch.note_fix(fix.fix_ms or 0, fix.suspect)

    def _judge(self, fix: Fix) -> Fix:
        if fix.fix_ms is None or fix.suspect:
            return fix
        suspect = judge_time(
            fix.fix_ms, floor_ms=self._trusted_time.floor_ms(), now_ms=self._trusted_time.find_now_ms()
        )
        return msgspec.structs.replace(fix, suspect=suspect) if suspect else fix

    def _remember(self, fix: Fix) -> None:
        facts = msgspec.to_builtins(fix)
        facts["at_ms"] = time.time_ns() // 1_000_000
        # Since boot, suspended time included: what judges this fix's age when the wall clock steps.
        facts["monotonic_ms"] = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        facts["boot"] = self._spool.boot
        self._spool.state.set("last_fix", facts)

    def _is_on_task(self) -> bool:
        if self._spool.state.get("duty", False) or self._spool.state.get("lost") is not None:
            return True  # a lost kit is with nobody whose whereabouts are his own matter
        sos = self._spool.state.get("sos")
        return isinstance(sos, dict) and not sos.get("withdrawn") and not sos.get("acked")


def run_reporter(
    reporter: PositionReporter,
    *,
    interval_s: float,
    stopping: threading.Event,
    wake: Callable[[], None],
    watch: ClockWatch | None = None,
) -> None:
    """Turn once an interval until stopped, the clocks compared between; the pace is the monotonic clock's."""
    next_s = time.monotonic()
    while not stopping.is_set():
        try:
            if reporter.turn():
                wake()
            if watch is not None:
                watch.turn()
        except sqlite3.OperationalError as error:
            log.warning("position: the spool cannot be written (%s)", error)
        next_s = max(next_s + interval_s, time.monotonic())
        stopping.wait(next_s - time.monotonic())
