"""What the recorder tells the rest of the kit: its status, and faults that a person must see."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from contract.messages import Alarm, encode
from edge.recorder.moment import Clock
from edge.spool import Spool, ring
from edge.spool.last_fix import find_last_fix


class Reporter:
    """Writes the states ``recorder_status`` and ``recorder_fault``, and fault alarms into the outbox."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock

    def report(
        self, state: str, recording_id: str | None, source: str, note: str, *, ends_ms: int | None = None
    ) -> None:
        """``state``: idle, starting, recording, storage_full, camera_fault or stopped.

        ``ends_ms``: wall time at which a recording whose stop was asked for ends by itself.
        """
        self._spool.state.set(
            "recorder_status",
            {
                "state": state,
                "recording": recording_id is not None,
                "recording_id": recording_id,
                "since_ms": self._clock().wall_ms,
                "source": source[:64],
                "note": note,
                "ends_ms": ends_ms,
            },
        )

    def alarm_once(self, what: str, text: str, *, recording_id: str | None = None) -> None:
        """One fault alarm per fault, not one per attempt; the next stored segment ends the fault."""
        if self._spool.state.get("recorder_fault") == what:
            return
        now = self._clock()
        alarm = Alarm(
            alarm_id=uuid.uuid4().hex,
            kind="fault",
            pressed_ms=now.wall_ms,
            boot_ms=now.monotonic_ms,
            recording_id=recording_id,
            note=f"{what}: {text}"[:500],
        )
        with self._spool.transaction():
            self._spool.outbox.append("alarm", encode(alarm), urgent=True)
            self._spool.state.set("recorder_fault", what)
        ring(self._spool.dir, "control")

    def end_fault(self) -> None:
        """Pictures are being stored again."""
        self._spool.state.set("recorder_fault", None)

    def find_fix(self) -> dict[str, Any] | None:
        """The last position known, as the fields of ``messages.Fix`` that are set."""
        fix = find_last_fix(self._spool)
        return None if fix is None else msgspec.to_builtins(fix)
