"""Where a kit's recordings have holes, by its signed records alone, and whether each hole is stated. Pure.

Time is that since boot, which nothing can set. The machine of the drill does not really boot, so it goes on across
the power cuts that are played on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from contract.chain import Kind, Record

# Two segments of one recording meet within a frame; below this nothing is missing that anybody could see.
SEEN_MS: Final = 400


@dataclass(frozen=True)
class Hole:
    """Nothing was recorded from ``from_ms`` to ``to_ms`` (time since boot). ``cause``: as signed; "" unstated."""

    from_ms: int
    to_ms: int
    cause: str

    @property
    def seconds(self) -> float:
        """How long."""
        return (self.to_ms - self.from_ms) / 1000


def find_holes(records: Iterable[Record]) -> list[Hole]:
    """Holes between the segments of one kit. ``records``: all of its chains, in any order."""
    chains: dict[bytes, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.seq):
        chains.setdefault(record.recording_id, []).append(record)
    segments = sorted(
        (record for chain in chains.values() for record in chain if record.kind is Kind.SEGMENT),
        key=lambda record: record.monotonic_ms,
    )
    holes = []
    for before, after in pairwise(segments):
        end_ms = before.monotonic_ms + before.duration_ms
        if after.monotonic_ms - end_ms > SEEN_MS:
            holes.append(Hole(end_ms, after.monotonic_ms, _find_cause(chains[before.recording_id], before, after)))
    return holes


def count_silent_ends(records: Iterable[Record]) -> int:
    """Recordings that do not name the one before them on this kit, or name one that has no signed end."""
    openings = sorted((record for record in records if record.kind is Kind.OPEN), key=lambda each: each.monotonic_ms)
    ended = {record.recording_id for record in records if record.kind is Kind.FINAL}
    wrong = 0
    for before, after in pairwise(openings):
        previous = after.extra.get("previous") or [b""]
        is_named = previous[0] == before.recording_id
        wrong += not (is_named and before.recording_id in ended)
    return wrong


def _find_cause(chain: list[Record], before: Record, after: Record) -> str:
    """The signed cause of what is missing after ``before``: of a gap within the recording, or of its end."""
    for record in chain:
        if record.seq > before.seq and record.kind in (Kind.GAP, Kind.FINAL):
            if record.recording_id == after.recording_id and record.seq > after.seq:
                return ""
            return record.cause
    return ""
