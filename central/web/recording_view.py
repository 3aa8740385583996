"""A recording laid out for its page and its player: segments end to end, gaps gathered, marks on the same scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from central.evidence.queries import SegmentEntry
from central.evidence.rules import Discontinuity


def place_segments(entries: Sequence[SegmentEntry]) -> list[dict[str, Any]]:
    """Lay segments and gaps end to end on the recording's own scale, so that a stepped clock distorts nothing."""
    at_ms, lines = 0, []
    for entry in entries:
        lines.append(
            {
                "seq": entry.seq,
                "is_gap": entry.is_gap,
                "cause": entry.cause if entry.is_gap else ("" if entry.stored else "not_received"),
                "at_ms": at_ms,
                "started_ms": entry.started_ms,
                "duration_ms": entry.duration_ms,
                "size_bytes": entry.size_bytes,
                "stored": entry.stored,
                "has_proxy": entry.has_proxy,
            }
        )
        at_ms += entry.duration_ms
    return lines


def gather_gaps(gaps: Sequence[Discontinuity]) -> list[tuple[Discontinuity, int]]:
    """Gaps with how many segments each is of: a row of segments that have not arrived is one line, not a thousand."""
    lines: list[tuple[Discontinuity, int]] = []
    for gap in gaps:
        last, count = lines[-1] if lines else (None, 0)
        if last is not None and last.cause == gap.cause == "not_received" and last.seq + count == gap.seq:
            whole_ms = (last.duration_ms or 0) + (gap.duration_ms or 0)
            lines[-1] = (replace(last, duration_ms=whole_ms), count + 1)
        else:
            lines.append((gap, 1))
    return lines


def place_at(happened_ms: int, begun_ms: int, total_ms: int) -> int:
    """Where on the recording's own scale a moment lies, in ms; what lies outside of it stands at its nearer end."""
    return min(max(0, happened_ms - begun_ms), total_ms)
