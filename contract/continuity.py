"""The continuity statement of a recording: what time it covers, every gap with its cause, and how it ends.

Rule 4 of evidence: a gap is stated, never hidden. A hole between segments that no record states is listed too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contract.chain import Kind, Record

# Segments are cut at key frames and timed by capture; a hole shorter than this is jitter, not a gap.
TOLERANCE_MS: Final = 1500
UNSTATED: Final = "unstated"


@dataclass(frozen=True)
class Gap:
    """Time not recorded before record `seq`; `cause` is the recorder's, or UNSTATED when no record states it."""

    seq: int
    cause: str
    started_ms: int
    duration_ms: int


@dataclass(frozen=True)
class Continuity:
    """Times in ms since the epoch by the kit's clock; `end_cause` is None for an open end."""

    started_ms: int
    ended_ms: int
    recorded_ms: int
    gaps: tuple[Gap, ...]
    end_cause: str | None


def state_continuity(records: Sequence[Record], *, with_holes: bool = True) -> Continuity:
    """Read the statement off a whole, checked chain (at least its opening record).

    `with_holes`: silence between two segments is a gap; not so in a session's record, as nobody may have looked.
    """
    gaps: list[Gap] = []
    before: Record | None = None
    for record in records:
        if record.kind is Kind.GAP:
            gaps.append(Gap(record.seq, record.cause, record.started_ms, record.duration_ms))
            before = None
        elif record.kind is Kind.SEGMENT:
            hole = _find_hole(before, record) if with_holes and before is not None else None
            if hole is not None:
                gaps.append(hole)
            before = record
    last = records[-1]
    return Continuity(
        started_ms=records[0].started_ms,
        ended_ms=max(record.started_ms + record.duration_ms for record in records),
        recorded_ms=sum(record.duration_ms for record in records if record.kind is Kind.SEGMENT),
        gaps=tuple(gaps),
        end_cause=last.cause if last.kind is Kind.FINAL else None,
    )


def _find_hole(before: Record, after: Record) -> Gap | None:
    """The hole between two segments by the monotonic clock, which a set clock cannot bend."""
    started_ms = before.started_ms + before.duration_ms
    hole_ms = after.monotonic_ms - before.monotonic_ms - before.duration_ms
    if after.monotonic_ms < before.monotonic_ms:
        # The kit started anew in between: only the wall clock spans it.
        return Gap(after.seq, UNSTATED, started_ms, max(0, after.started_ms - started_ms))
    return Gap(after.seq, UNSTATED, started_ms, hole_ms) if hole_ms > TOLERANCE_MS else None
