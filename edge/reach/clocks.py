"""Which of a kit's clocks is right: satellites, network time, the centre, the battery clock. Pure.

Every reading says by how much UTC stands before the time since boot (CLOCK_BOOTTIME). That difference stays what
it is whatever is done to the wall clock, so readings of different moments compare. A reading ages: a crystal
drifts, so its error grows with the time since it was taken.

Trust goes down in the order of ``RANKS``: the centre speaks over an authenticated connection, satellites can be
imitated nearby, NTP by anybody on the way, and a battery clock was set by one of the others long ago.
"""

import math
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

Source = Literal["centre", "gps", "ntp", "rtc"]
RANKS: Final[dict[str, int]] = {"centre": 0, "gps": 1, "ntp": 2, "rtc": 3}
# A cheap crystal in a car park in winter; 20 ppm is usual at 25 degrees.
DRIFT_PPM: Final = 50
# What surely has passed may be this much ahead of a clock that is right: the floor itself was read with an error.
FLOOR_SLACK_MS: Final = 5_000
BEFORE_FLOOR: Final = "says a time that has passed"
LEAP: Final = "is off by whole leap seconds"
MOVED: Final = "disagrees"
_LEAP_MOST_S: Final = 18  # between GPS time and UTC since 2017 (IERS Bulletin C)
_LEAP_NEAR_MS: Final = 400


class Reading(msgspec.Struct, frozen=True):
    """What one source said. `offset_ms`: UTC minus time since boot; `taken_ms`: time since boot when it was read.

    `doubt` says why it is not to be believed, whatever the others say.
    """

    source: Source
    offset_ms: int
    error_ms: int
    taken_ms: int
    doubt: str = ""


class Dispute(msgspec.Struct, frozen=True):
    """A source that is not believed: by how much it stands off what is (None: nothing is), and why."""

    source: Source
    off_ms: int | None
    why: str


class Belief(msgspec.Struct, frozen=True):
    """The judgement. `source` "none": no clock can be believed, and offset and error are None."""

    source: Literal["centre", "gps", "ntp", "rtc", "none"]
    offset_ms: int | None
    error_ms: int | None
    disputes: tuple[Dispute, ...] = ()

    def tell(self) -> str:
        """One sentence for log and screen."""
        told = "no clock can be believed" if self.source == "none" else f"{self.source}, ±{_tell_span(self.error_ms)}"
        return "; ".join([told, *(_tell_dispute(dispute) for dispute in self.disputes)])


def age(reading: Reading, now_ms: int) -> int:
    """The reading's error at `now_ms` since boot: what it was, and what a crystal may have drifted since."""
    return reading.error_ms + abs(now_ms - reading.taken_ms) * DRIFT_PPM // 1_000_000


def judge(readings: Iterable[Reading], *, now_ms: int, floor_ms: int, tolerance_ms: int) -> Belief:
    """Tell the time to be believed from one reading a source.

    `now_ms` is since boot, `floor_ms` a moment (UTC) that surely has passed. The most trusted source that says
    nothing impossible leads; those that agree with it to `tolerance_ms` beyond both errors may make it more
    exact, the others are named.
    """
    known = sorted(readings, key=lambda reading: RANKS[reading.source])
    impossible: dict[Source, str] = {reading.source: _find_fault(reading, now_ms, floor_ms) for reading in known}
    sound = [reading for reading in known if not impossible[reading.source]]
    lead = sound[0] if sound else None
    if lead is None:
        return Belief("none", None, None, tuple(Dispute(each, None, why) for each, why in impossible.items()))
    agreeing = [each for each in sound if _agree(each, lead, now_ms, tolerance_ms)]
    best = min(agreeing, key=lambda reading: age(reading, now_ms))
    disputes = [
        Dispute(each.source, each.offset_ms - best.offset_ms, impossible[each.source] or _name_distance(each, best))
        for each in known
        if each not in agreeing
    ]
    return Belief(best.source, best.offset_ms, age(best, now_ms), tuple(disputes))


def _find_fault(reading: Reading, now_ms: int, floor_ms: int) -> str:
    if reading.doubt:
        return reading.doubt
    at_most_ms = now_ms + reading.offset_ms + age(reading, now_ms)
    return BEFORE_FLOOR if at_most_ms < floor_ms - FLOOR_SLACK_MS else ""


def _agree(one: Reading, other: Reading, now_ms: int, tolerance_ms: int) -> bool:
    allowed_ms = tolerance_ms + age(one, now_ms) + age(other, now_ms) if one is not other else math.inf
    return abs(one.offset_ms - other.offset_ms) <= allowed_ms


def _name_distance(reading: Reading, best: Reading) -> str:
    """A receiver just switched on may not know the leap seconds yet: it is then off by a few whole seconds."""
    off_ms = abs(reading.offset_ms - best.offset_ms)
    whole_s = round(off_ms / 1000)
    is_leap = 1 <= whole_s <= _LEAP_MOST_S and abs(off_ms - whole_s * 1000) <= _LEAP_NEAR_MS
    return LEAP if reading.source == "gps" and is_leap else MOVED


def _tell_dispute(dispute: Dispute) -> str:
    if dispute.off_ms is None:
        return f"{dispute.source} {dispute.why}"
    sign = "+" if dispute.off_ms >= 0 else "-"
    return f"{dispute.source} {dispute.why} ({sign}{_tell_span(abs(dispute.off_ms))})"


def _tell_span(span_ms: int | None) -> str:
    seconds = (span_ms or 0) / 1000
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 86_400:.0f} days" if seconds >= 2 * 86_400 else f"{seconds / 60:.0f} min"
