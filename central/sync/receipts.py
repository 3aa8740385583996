"""Receipts on their way to the kits: what was committed, gathered per spool as ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from contract.messages import TelemetryReceipt, encode
from contract.names import cmd_subject

# Keeps one receipt far below the broker's limit.
MAX_RANGES: Final = 2000

SpoolKey = tuple[str, str]
"""Kit id and spool id."""


class ReceiptBook:
    """Sequence numbers committed and not yet receipted."""

    def __init__(self) -> None:
        self._open: dict[SpoolKey, list[int]] = {}

    def note(self, key: SpoolKey, seqs: list[int]) -> None:
        """Add committed numbers of a spool."""
        held = self._open.get(key)
        if held is None:
            self._open[key] = seqs
        else:
            held.extend(seqs)

    def take(
        self, keys: Iterable[SpoolKey] | None = None, *, now_ms: int | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """Give (subject, payload) of the receipts due: those of ``keys``, or all; ``now_ms`` tells kits the time."""
        wanted = list(self._open) if keys is None else [key for key in keys if key in self._open]
        for kit_id, spool in wanted:
            ranges = merge_ranges(self._open.pop((kit_id, spool)))
            subject = cmd_subject(kit_id, "receipt")
            for start in range(0, len(ranges), MAX_RANGES):
                part = ranges[start : start + MAX_RANGES]
                yield subject, encode(TelemetryReceipt(spool=spool, ranges=part, now_ms=now_ms, unpacks=True))


def merge_ranges(seqs: list[int]) -> list[tuple[int, int]]:
    """Inclusive ranges covering exactly ``seqs``, ascending."""
    seqs.sort()
    ranges: list[tuple[int, int]] = []
    low = high = seqs[0]
    for seq in seqs:
        if seq > high + 1:
            ranges.append((low, high))
            low = seq
        high = seq
    ranges.append((low, high))
    return ranges
