"""Faults of card and storage as alarms for the centre, and as states for everybody at the kit."""

from __future__ import annotations

import uuid

from contract.messages import Alarm, encode
from edge.recorder.moment import Moment


def build_fault(now: Moment, what: str, text: str, *, recording_id: str | None = None) -> bytes:
    """Body of a fault alarm; ``what`` is its code (e.g. ``storage_low``), which screens translate."""
    alarm = Alarm(
        alarm_id=uuid.uuid4().hex,
        kind="fault",
        pressed_ms=now.wall_ms,
        boot_ms=now.monotonic_ms,
        recording_id=recording_id,
        note=f"{what}: {text}"[:500],
    )
    return encode(alarm)
