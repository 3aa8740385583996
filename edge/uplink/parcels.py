"""What is to be sent next: the most urgent sealed file that need not wait."""

import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from contract import door_auth
from edge.spool import SegmentRow, Spool
from edge.uplink.backoff import Backoff

LOOK_AHEAD = 32
Key = tuple[str, int]


class Parcel(msgspec.Struct, frozen=True):
    """A sealed file to be PUT: `digest` is its SHA-256, `length` its bytes, `priority` as in the vault."""

    recording_id: str
    seq: int
    digest: bytes
    length: int
    priority: int

    @property
    def key(self) -> Key:
        """What it is known by."""
        return (self.recording_id, self.seq)

    @property
    def where(self) -> str:
        """The path at the door."""
        return door_auth.segment_path(bytes.fromhex(self.recording_id), self.seq)

    def __str__(self) -> str:
        return f"segment {self.seq}"


class _Deferred(msgspec.Struct):
    until_s: float
    backoff: Backoff


class Shelf:
    """Chooses among what waits in the vault; what the door would not take now is left aside for a while."""

    def __init__(self, spool: Spool, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._spool = spool
        self._monotonic_s = monotonic_s
        self._deferred: dict[Key, _Deferred] = {}

    def choose(self, besides: Collection[Key]) -> Parcel | None:
        """The most urgent parcel that is not among `besides` (those in flight)."""
        now = self._monotonic_s()
        for row in self._spool.vault.pending_segments(LOOK_AHEAD + len(besides) + len(self._deferred)):
            key = (row.recording_id, row.seq)
            held = self._deferred.get(key)
            if key not in besides and (held is None or held.until_s <= now):
                return _to_parcel(row)
        return None

    def has_more_urgent(self, parcel: Parcel) -> bool:
        """Whether something waits that should not wait for the end of this parcel."""
        best = self.choose([parcel.key])
        return best is not None and best.priority > parcel.priority

    def find_file(self, parcel: Parcel) -> Path:
        """Where its bytes lie."""
        return self._spool.vault.segment_path(parcel.recording_id, parcel.seq)

    def defer(self, parcel: Parcel, at_least_s: float) -> None:
        """This one waits, the others go on."""
        held = self._deferred.setdefault(parcel.key, _Deferred(0.0, Backoff(first_s=10.0, cap_s=1800.0)))
        held.until_s = self._monotonic_s() + held.backoff.next_s(at_least_s=at_least_s)

    def is_deferred(self, parcel: Parcel) -> bool:
        """Whether it was deferred before."""
        return parcel.key in self._deferred

    def forget(self, parcel: Parcel) -> None:
        """It arrived."""
        self._deferred.pop(parcel.key, None)

    def next_due_s(self) -> float | None:
        """In how many seconds the first that was deferred may be tried again."""
        now = self._monotonic_s()
        return min((max(0.0, held.until_s - now) for held in self._deferred.values()), default=None)


def _to_parcel(row: SegmentRow) -> Parcel:
    return Parcel(row.recording_id, row.seq, row.cipher_hash, row.length, row.priority)
