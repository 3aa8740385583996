"""What cannot be used is kept with its reason; repeats of it are counted and kept once."""

from __future__ import annotations

from collections import Counter

from central.base.unit_of_work import UnitOfWork
from central.devices import service as devices
from central.sync.batch import Memory
from central.sync.decoding import Reject
from central.sync.receipts import SpoolKey


class Aside:
    """Keeps rejects, at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lately = Memory()

    def keep(self, uow: UnitOfWork, rejects: list[Reject]) -> None:
        """Keep what is new, count what comes again."""
        repeats: Counter[str] = Counter()
        for reject in rejects:
            if self._lately.add((reject.kit_id, reject.reason, reject.source, hash(reject.payload))):
                devices.keep_aside(uow, **reject._asdict(), limit=self._limit)
            else:
                repeats[reject.reason] += 1
        for reason, count in repeats.items():
            devices.add_to_counter(uow, f"set_aside.{reason}", count)


def reused(key: SpoolKey, seq: int, kind: str, payload: bytes) -> Reject:
    """Return the reject of an item whose number is another one's already."""
    text = f"Item {seq} of spool {key[1]} is another one already; the first one stays."
    return Reject(key[0], f"kits.{key[0]}.up.{kind}", "number_reused", text, payload)
