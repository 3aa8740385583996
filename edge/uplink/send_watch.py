"""While a parcel is being sent over a slow link: whether something else should go first, and what to remember."""

import time
from collections.abc import Callable

from edge.spool import Spool
from edge.uplink.parcels import Key, Parcel, Shelf

SLOW_AFTER_S = 2.0
LOOK_EVERY_S = 1.0


class SendWatch:
    """Looks, while a parcel is being sent, whether something else should go first."""

    def __init__(self, spool: Spool, shelf: Shelf, parcel: Parcel, is_stopping: Callable[[], bool]) -> None:
        self._spool = spool
        self._shelf = shelf
        self._parcel = parcel
        self._is_stopping = is_stopping
        self._look_s = time.monotonic() + SLOW_AFTER_S
        self._noted = False

    def should_stop(self) -> bool:
        """Asked while the link takes no more; the database is not asked more often than once a second."""
        if self._is_stopping():
            return True
        if time.monotonic() < self._look_s:
            return False
        self._look_s = time.monotonic() + LOOK_EVERY_S
        if not self._noted:
            # After a restart the rest goes on from where it came to.
            self._noted = True
            self._spool.state.set("upload_begun", [self._parcel.recording_id, self._parcel.seq])
        return self._shelf.has_more_urgent(self._parcel)


def read_begun(spool: Spool) -> set[Key]:
    """The parcel that a slow link had not taken whole when the process ended."""
    match spool.state.get("upload_begun"):
        case [str(recording_id), int(seq)]:
            return {(recording_id, seq, False)}
    return set()
