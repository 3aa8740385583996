"""How long each blow was felt: from the kill to the first work done again, as kit and centre wrote it down. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from demo.drill.faults import Blow


@dataclass
class Traces:
    """What was written down, sorted by the first number of each pair; all wall clock, ms, of the same machine.

    ``heard``: per kit (written at the kit, committed at the centre) of its fixes. ``stored``: when segments were
    stored at the centre. ``recorded``: per kit when segments began, in time since boot.
    """

    heard: list[list[tuple[int, int]]] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    recorded: list[list[int]] = field(default_factory=list)


def find_recovery_s(blow: Blow, traces: Traces) -> float | None:
    """Seconds until the victim did its work again; None when it never did, or when nothing tells."""
    if blow.recovered_s is not None:
        return blow.recovered_s
    fault = blow.fault
    if fault.what not in ("kill", "power_cut"):
        return None
    own = [traces.heard[fault.kit]] if fault.kit >= 0 else traces.heard
    spans = {
        "recorder": lambda: [_recorded(blow, traces)],
        "control": lambda: [_heard(blow, own)],
        "kit": lambda: [_recorded(blow, traces), _heard(blow, own)],
        "intake": lambda: [_heard(blow, own)],
        "broker": lambda: [_heard(blow, own)],
        "postgresql": lambda: [_heard(blow, own)],
        "door": lambda: [_stored(blow, traces)],
        "centre": lambda: [_heard(blow, own), _stored(blow, traces)],
    }.get(fault.victim, lambda: [None])()
    known = [span for span in spans if span is not None]
    return max(known) if len(known) == len(spans) else None


def _recorded(blow: Blow, traces: Traces) -> float | None:
    # What was begun before the kill belongs to the one killed, though it may have been taken in afterwards.
    return _after(traces.recorded[blow.fault.kit], blow.mono_ms)


def _stored(blow: Blow, traces: Traces) -> float | None:
    return _after(traces.stored, blow.at_ms)


def _heard(blow: Blow, heard: Sequence[Sequence[tuple[int, int]]]) -> float | None:
    """Until the first fix that was taken after the kill was committed."""
    committed = [received for pairs in heard for at, received in pairs if at >= blow.at_ms]
    return (min(committed) - blow.at_ms) / 1000 if committed else None


def _after(moments: Sequence[int], since: int) -> float | None:
    place = bisect_right(moments, since)
    return (moments[place] - since) / 1000 if place < len(moments) else None
