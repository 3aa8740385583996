"""What cannot be used is kept with its reason; repeats of it are counted and kept once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

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
        fresh: dict[object, None] = {}
        for reject in rejects:
            key = (reject.kit_id, reject.reason, reject.source, hash(reject.payload))
            if key in fresh or self._lately.knows(key):
                repeats[reject.reason] += 1
            else:
                fresh[key] = None
                devices.keep_aside(uow, **reject._asdict(), limit=self._limit)
        # Only what is committed is known: after a failed commit the next try must keep it again.
        uow.after_commit(lambda: self._remember(fresh))
        for reason, count in repeats.items():
            devices.add_to_counter(uow, f"set_aside.{reason}", count)

    def _remember(self, kept: Iterable[object]) -> None:
        for key in kept:
            self._lately.add(key)


def reused(key: SpoolKey, seq: int, kind: str, payload: bytes) -> Reject:
    """Return the reject of an item whose number is another one's already."""
    text = f"Item {seq} of spool {key[1]} is another one already; the first one stays."
    return Reject(key[0], f"kits.{key[0]}.up.{kind}", "number_reused", text, payload)
