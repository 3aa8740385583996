"""Which entries of the outbox go together in one message, and how many have room. Pure."""

from collections.abc import Iterable
from itertools import groupby

from contract import messages
from edge.spool import Entry

BATCH_BYTES = 96 * 1024
ENVELOPE_BYTES = 64  # of an item around its body
SMALL_KINDS = ("receipt", "health", "chain")
_SMALL_ORDER = {kind: place for place, kind in enumerate(SMALL_KINDS)}


def fit(due: list[Entry], room: int) -> list[Entry]:
    """The first entries that together have room; one at least while there is any."""
    total = 0
    for count, entry in enumerate(due):
        if total >= room:
            return due[:count]
        total += len(entry.body) + ENVELOPE_BYTES
    return due


def split_batches(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Entries of one kind and boot together, within the contract's limits; urgent ones come alone."""
    batches: list[list[Entry]] = []
    ordered = sorted(entries, key=lambda entry: (not entry.urgent, _SMALL_ORDER.get(entry.kind, 9), entry.seq))
    for _, group in groupby(ordered, key=lambda entry: (entry.urgent, entry.kind, entry.boot)):
        batch: list[Entry] = []
        size = 0
        for entry in group:
            full = size + len(entry.body) > BATCH_BYTES or len(batch) >= messages.MAX_ITEMS or entry.urgent
            if batch and full:
                batches.append(batch)
                batch, size = [], 0
            batch.append(entry)
            size += len(entry.body) + ENVELOPE_BYTES
        batches.append(batch)
    return batches
