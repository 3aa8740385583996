"""Compares the kit's clocks every few seconds, states what it believes, and reports once that two disagree.

It sets no clock: that is the operating system's office (timesyncd, chrony). Whatever the wall clock says, every
record also carries the time since boot, and satellite time where it is known.
"""

import logging
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from contract.messages import Alarm, encode
from edge.options import ClockSettings
from edge.reach.clocks import DRIFT_PPM, Belief, Reading, judge
from edge.reach.trusted_time import TrustedTime
from edge.spool import Spool
from edge.spool.gps_time import note_gps
from edge.spool.last_fix import find_last_fix
from edge.spool.store import read_boot_ms
from edge.uplink.clock_sources import SatelliteClock, read_ntp, read_rtc

log = logging.getLogger("zhixing.clock")

EVERY_MS: Final = 5_000
# A dispute that is over by the next look is a receiver waking up, not a fault.
LOOKS_BEFORE_ALARM: Final = 3
STEP_MS: Final = 1_000
# Satellite time is noted for the recorder when it has moved, and otherwise rarely: each note costs the card a write.
GPS_MOVED_MS: Final = 50
GPS_NOTED_EVERY_MS: Final = 600_000
STATED_EVERY_MS: Final = 600_000
_ReadSource = Callable[[], Reading | None]


class ClockWatch:
    """Call `turn()` often; it looks every five seconds. Its spool must be the calling thread's own."""

    def __init__(
        self,
        spool: Spool,
        trusted_time: TrustedTime,
        settings: ClockSettings,
        *,
        read_os_clock: _ReadSource = read_ntp,
        read_battery_clock: _ReadSource = read_rtc,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        boot_ms: Callable[[], int] = read_boot_ms,
    ) -> None:
        self._spool = spool
        self._time = trusted_time
        self._tolerance_ms = round(settings.disagree_s * 1000)
        self._read_others = (read_os_clock, read_battery_clock)
        self._wall_ms, self._boot_ms = wall_ms, boot_ms
        self._satellites = SatelliteClock()
        self._due_ms = 0
        self._wall_offset_ms: int | None = None
        self._disputed: dict[str, int] = {}
        self._noted: tuple[int, int] | None = None
        self._told = ""

    def note_fix(self, fix_ms: int, suspect: str) -> None:
        """A new fix of a satellite receiver has come in just now."""
        self._satellites.note(fix_ms, self._boot_ms(), suspect)

    def turn(self) -> Belief | None:
        """Look when it is time; returns the judgement then."""
        now_ms = self._boot_ms()
        if now_ms < self._due_ms:
            return None
        self._due_ms = now_ms + EVERY_MS
        gps = self._satellites.read()
        readings = [self._time.find_reading(), gps, *(read() for read in self._read_others)]
        belief = judge(
            [reading for reading in readings if reading is not None],
            now_ms=now_ms,
            floor_ms=self._time.floor_ms(),
            tolerance_ms=self._tolerance_ms,
        )
        self._watch_steps(now_ms)
        self._note_satellites(gps, belief, now_ms)
        self._state(belief, now_ms)
        self._report(belief, now_ms)
        return belief

    def _watch_steps(self, now_ms: int) -> None:
        offset_ms = self._wall_ms() - now_ms
        before_ms, self._wall_offset_ms = self._wall_offset_ms, offset_ms
        if before_ms is not None and abs(offset_ms - before_ms) >= STEP_MS:
            step_ms = offset_ms - before_ms
            log.warning("clock: the wall clock was set by %+.1f s", step_ms / 1000)
            self._spool.state.set("clock_step", {"boot": self._spool.boot, "at_boot_ms": now_ms, "step_ms": step_ms})

    def _note_satellites(self, gps: Reading | None, belief: Belief, now_ms: int) -> None:
        """Only what no more trusted clock disputes goes into evidence as satellite time."""
        if gps is None or any(dispute.source == "gps" for dispute in belief.disputes):
            return
        if self._noted is not None:
            offset_ms, noted_ms = self._noted
            if abs(gps.offset_ms - offset_ms) < GPS_MOVED_MS and now_ms - noted_ms < GPS_NOTED_EVERY_MS:
                return
        self._noted = (gps.offset_ms, now_ms)
        note_gps(self._spool, offset_ms=gps.offset_ms, error_ms=gps.error_ms, taken_ms=gps.taken_ms)

    def _state(self, belief: Belief, now_ms: int) -> None:
        """Written anew when it tells something new, and every ten minutes: each time costs the card a write."""
        wall_off_ms = None if belief.offset_ms is None else self._wall_ms() - now_ms - belief.offset_ms
        facts: dict[str, Any] = {
            "source": belief.source,
            "error_ms": belief.error_ms,
            "offset_ms": wall_off_ms,
            "disagree": [dispute.source for dispute in belief.disputes],
            "text": belief.tell()[:200],
            "utc_offset_ms": belief.offset_ms,
            "boot": self._spool.boot,
            "at_boot_ms": now_ms,
        }
        news = (
            f"{belief.source} {facts['disagree']} {_coarse(belief.error_ms)} {_coarse(wall_off_ms)} "
            f"{_coarse(belief.offset_ms)} {now_ms // STATED_EVERY_MS}"
        )
        if news != self._told:
            if self._told.split(" ", 1)[0] != belief.source:
                log.info("clock: %s", facts["text"])
            self._told = news
            self._spool.state.set("clock_status", facts)

    def _report(self, belief: Belief, now_ms: int) -> None:
        named = {dispute.source: dispute for dispute in belief.disputes}
        self._disputed = {source: self._disputed.get(source, 0) + 1 for source in named}
        lasting = sorted(source for source, looks in self._disputed.items() if looks >= LOOKS_BEFORE_ALARM)
        known = self._spool.state.get("clock_fault") or []
        if not named and known:
            self._spool.state.set("clock_fault", None)
        if not set(lasting) - set(known):
            return
        alarm = Alarm(
            alarm_id=uuid.uuid4().hex,
            kind="fault",
            pressed_ms=max(0, self._wall_ms()),
            boot_ms=now_ms,
            fix=find_last_fix(self._spool),
            note=f"clock_dispute: {belief.tell()}"[:500],
        )
        with self._spool.transaction():
            self._spool.outbox.append("alarm", encode(alarm), urgent=True)
            self._spool.state.set("clock_fault", sorted({*known, *lasting}))


def find_belief(spool: Spool, *, boot_ms: Callable[[], int] = read_boot_ms) -> dict[str, Any]:
    """What a health report says of the clocks: `clock_source`, `clock_error_ms`, `utc_ms`; empty before a look."""
    told: Any = spool.state.get("clock_status")
    if not isinstance(told, dict) or told.get("boot") != spool.boot:
        return {}
    facts: dict[str, Any] = {"clock_source": told["source"]}
    if told["utc_offset_ms"] is not None:
        now_ms = boot_ms()
        drift_ms = max(0, now_ms - told["at_boot_ms"]) * DRIFT_PPM // 1_000_000
        facts["clock_error_ms"] = told["error_ms"] + drift_ms
        facts["utc_ms"] = max(0, now_ms + told["utc_offset_ms"])
    return facts


def _coarse(value_ms: int | None) -> str:
    """Steps of a fifth of a second below ten seconds, whole tens of seconds above."""
    if value_ms is None:
        return "-"
    return str(round(value_ms / (200 if abs(value_ms) < 10_000 else 10_000)))
