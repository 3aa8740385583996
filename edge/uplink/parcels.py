"""What is to be sent next: the most urgent sealed file that need not wait."""

import hashlib
import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from contract import door_auth
from edge.reach.backoff import Backoff
from edge.spool import ProxyRow, SegmentRow, Spool
from edge.spool.vault import ALARM
from edge.uplink.link_policy import LinkPolicy

LOOK_AHEAD = 32
Key = tuple[str, int, bool]


class Parcel(msgspec.Struct, frozen=True):
    """A file to be PUT: `digest` is its SHA-256, `length` its bytes, `priority` as in the vault."""

    recording_id: str
    seq: int
    digest: bytes
    length: int
    priority: int
    is_proxy: bool = False

    @property
    def key(self) -> Key:
        """What it is known by."""
        return (self.recording_id, self.seq, self.is_proxy)

    @property
    def where(self) -> str:
        """The path at the door."""
        find = door_auth.proxy_path if self.is_proxy else door_auth.segment_path
        return find(bytes.fromhex(self.recording_id), self.seq)

    def __str__(self) -> str:
        return f"{'proxy' if self.is_proxy else 'segment'} {self.seq}"


class _Deferred(msgspec.Struct):
    until_s: float
    backoff: Backoff
    is_held: bool = False


class Shelf:
    """Chooses among what waits in the vault; what the door would not take now is left aside for a while."""

    def __init__(
        self, spool: Spool, policy: LinkPolicy, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._spool = spool
        self._policy = policy
        self._monotonic_s = monotonic_s
        self._deferred: dict[Key, _Deferred] = {}

    def choose(self, besides: Collection[Key]) -> Parcel | None:
        """The most urgent parcel that is not among `besides` (those in flight)."""
        self._policy.look()
        count = LOOK_AHEAD + len(besides) + len(self._deferred)
        originals, proxies = self._find_originals(count), self._find_proxies(count)
        found = [
            next((parcel for parcel in parcels if self._is_due(parcel, besides)), None)
            for parcels in (proxies, originals)
        ]
        # Of equals the proxy goes first: it costs little, and shows something soon.
        return max((parcel for parcel in found if parcel), key=lambda parcel: parcel.priority, default=None)

    def _find_proxies(self, count: int) -> list[Parcel]:
        if not self._policy.wants_proxies:
            return []
        rows = self._spool.proxies.pending(count)
        return [_from_proxy(row) for row in rows if self._policy.wants_proxy_of(row.original)]

    def _find_originals(self, count: int) -> list[Parcel]:
        vault, asked = self._spool.vault, []
        for recording_id, low, high in self._policy.asked:
            asked += [_from_segment(row, ALARM) for row in vault.pending_between(recording_id, low, high, count)]
        waiting = [_from_segment(row, row.priority) for row in vault.pending_segments(count)]
        if self._policy.metered:
            waiting = [parcel for parcel in waiting if parcel.priority >= ALARM]
        alarms = [parcel for parcel in waiting if parcel.priority >= ALARM]
        return [*alarms, *asked, *(parcel for parcel in waiting if parcel.priority < ALARM)]

    def _is_due(self, parcel: Parcel, besides: Collection[Key]) -> bool:
        held = self._deferred.get(parcel.key)
        return parcel.key not in besides and (held is None or held.until_s <= self._monotonic_s())

    def has_more_urgent(self, parcel: Parcel) -> bool:
        """Whether something waits that should not wait for the end of this parcel."""
        best = self.choose([parcel.key])
        return best is not None and best.priority > parcel.priority

    def find_file(self, parcel: Parcel) -> Path:
        """Where its bytes lie."""
        home = self._spool.proxies.path_of if parcel.is_proxy else self._spool.vault.segment_path
        return home(parcel.recording_id, parcel.seq)

    def defer(self, parcel: Parcel, at_least_s: float) -> None:
        """This one waits, the others go on."""
        held = self._deferred.setdefault(parcel.key, _Deferred(0.0, Backoff(first_s=10.0, cap_s=1800.0)))
        held.until_s = self._monotonic_s() + held.backoff.next_s(at_least_s=at_least_s)

    def hold(self, parcel: Parcel, wait_s: float) -> None:
        """It is on its way beyond the door: ask for the answer then, however often that was said before."""
        held = self._deferred.setdefault(parcel.key, _Deferred(0.0, Backoff(first_s=10.0, cap_s=1800.0)))
        held.until_s, held.is_held = self._monotonic_s() + wait_s, True

    def is_deferred(self, parcel: Parcel) -> bool:
        """Whether it was deferred before."""
        return parcel.key in self._deferred

    def forget(self, parcel: Parcel) -> None:
        """It arrived; what is held beyond the door has an answer by now, too."""
        arrived = self._deferred.pop(parcel.key, None)
        if arrived is not None and arrived.is_held:
            for held in self._deferred.values():
                held.until_s = 0.0 if held.is_held else held.until_s

    def next_due_s(self) -> float | None:
        """In how many seconds the first that was deferred may be tried again; asked when there is nothing to send.

        One that is due and was not chosen does not wait for the time: it is gone, or waits for another link.
        """
        now = self._monotonic_s()
        self._deferred = {key: held for key, held in self._deferred.items() if held.until_s > now}
        return min((held.until_s - now for held in self._deferred.values()), default=None)


def _from_segment(row: SegmentRow, priority: int) -> Parcel:
    return Parcel(row.recording_id, row.seq, row.cipher_hash, row.length, priority)


def _from_proxy(row: ProxyRow) -> Parcel:
    return Parcel(row.recording_id, row.seq, row.digest, row.length, row.priority, is_proxy=True)


def find_fault(path: Path, wanted: bytes) -> str:
    """Why the file is not what was signed, or ""."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(256 * 1024):
                digest.update(block)
    except FileNotFoundError:
        return "the sealed file is missing on the card"
    except OSError as error:
        return f"the sealed file cannot be read ({error.strerror})"
    return "" if digest.digest() == wanted else "the sealed file was changed on the card"
