"""When something happened at a kit, and how sure that is, whatever the kit's wall clock says. Pure.

A kit's wall clock may be wrong by years and step; its time since boot may not. So the centre learns for every boot
of every kit by how much UTC stands before the time since boot, between two bounds:

- nothing arrives before it is written: each item received gives an upper bound;
- a claim (a satellite fix, or the time a health report believes with its error) gives both bounds, for as long as
  it does not contradict the upper one;
- a boot begins after everything written in the boot before it, and ends before the next one begins.

Offsets are UTC minus time since boot, in ms; ``mono`` is time since boot. A crystal drifts, so bounds widen away
from where they were seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

DRIFT_PPM: Final = 50
# A fix is fetched and written down up to so long after the moment it names, never before it.
FIX_LATENCY_MS: Final = 1_500
# Between writing a report and stamping it.
CLAIM_SLACK_MS: Final = 50
# The centre's own clock may be behind satellite time by a little before a claim counts as impossible.
CENTRE_CLOCK_MS: Final = 2_000
# What is known to this is not looked at again.
PRECISE_MS: Final = 1_000
# A change below this is not worth a write.
MATERIAL_MS: Final = 250
_STORE_EVERY_MS: Final = 60_000
# Older than this no spool can be (a kit may be dark for a year): the wall clock that says so is wrong.
OLDEST_MS: Final = 800 * 24 * 3600 * 1000


class Told(NamedTuple):
    """A moment as the centre believes it: `at_ms` give or take `error_ms`; None: it cannot be said.

    `by`: gps, ntp, centre, rtc (whose time it rests on), boots (between two boots that are known), kit_clock (only
    the kit's wall clock says so), received (not later than it was received).
    """

    at_ms: int
    error_ms: int | None
    by: str


class Moment(NamedTuple):
    """A moment by a kit's time since boot; `mono_ms` None: the kit does not say it."""

    boot: str = ""
    mono_ms: int | None = None


UNKNOWN: Final = Moment()

TellMoment = Callable[[str, int, int, int], Told | None]
"""Tells a moment from boot, time since boot, the kit's wall clock and the time received; None: boot unknown."""


class Claim(NamedTuple):
    """Both bounds of a boot's offset at `mono_ms`, and whose time they rest on."""

    low_ms: int
    high_ms: int
    mono_ms: int
    by: str


@dataclass(slots=True)
class Anchor:
    """What is known of one boot."""

    boot: str
    spool_no: int
    first_seq: int
    last_mono_ms: int
    upper_ms: int
    upper_mono_ms: int
    claim: Claim | None = None
    looked_mono_ms: int = -(2**62)
    is_recast: bool = False
    """Whether what was told before rested on a claim that has turned out wrong: then all of it is told again."""

    def see(self, seq: int, mono_ms: int, received_ms: int) -> bool:
        """Note an item of this boot; tells whether it makes a difference worth keeping."""
        news = False
        if seq < self.first_seq:
            self.first_seq, news = seq, True
        if mono_ms > self.last_mono_ms:
            # How long a boot lasted tells when the next one began at the earliest.
            news = news or mono_ms // _STORE_EVERY_MS != self.last_mono_ms // _STORE_EVERY_MS
            self.last_mono_ms = mono_ms
        upper_ms = received_ms - mono_ms
        gain_ms = self.upper_ms + _drift(mono_ms - self.upper_mono_ms) - upper_ms
        if gain_ms > 0:
            self.upper_ms, self.upper_mono_ms = upper_ms, mono_ms
            news = news or gain_ms >= MATERIAL_MS
            if self.claim is not None and self._contradicts(self.claim):
                self.claim, self.is_recast, news = None, True, True
        return news

    def hear(self, fresh: Claim) -> bool:
        """Take a claim; tells whether it makes a difference worth keeping."""
        if self._contradicts(fresh):
            return False
        held = self.claim
        self.claim = fresh if held is None else _merge(held, fresh)
        if held is None or self.claim is held:
            return held is None
        self.is_recast = self.is_recast or self.claim is fresh
        moved_ms = max(abs(self.claim.low_ms - held.low_ms), abs(self.claim.high_ms - held.high_ms))
        return moved_ms >= MATERIAL_MS or self.claim.mono_ms - held.mono_ms >= _STORE_EVERY_MS

    def guess(self, mono_ms: int | None) -> int | None:
        """When something at `mono_ms` was written, for ordering: no error is said. None: no time since boot."""
        if mono_ms is None:
            return None
        claim = self.claim
        return mono_ms + (self.upper_ms if claim is None else (claim.low_ms + claim.high_ms) // 2)

    def _contradicts(self, claim: Claim) -> bool:
        upper_ms = self.upper_ms + _drift(claim.mono_ms - self.upper_mono_ms)
        return claim.low_ms > upper_ms + CENTRE_CLOCK_MS


def claim_of_fix(fix_ms: int, mono_ms: int) -> Claim:
    """What a fix, written down at `mono_ms` as soon as it was had, says of the boot's offset."""
    low_ms = fix_ms - mono_ms
    return Claim(low_ms, low_ms + FIX_LATENCY_MS, mono_ms, "gps")


def claim_of_report(utc_ms: int, error_ms: int, mono_ms: int, by: str) -> Claim:
    """What a health report that believes `utc_ms` to `error_ms` says of the boot's offset."""
    offset_ms, error_ms = utc_ms - mono_ms, error_ms + CLAIM_SLACK_MS
    return Claim(offset_ms - error_ms, offset_ms + error_ms, mono_ms, by)


def _merge(held: Claim, fresh: Claim) -> Claim:
    """What both allow; where they exclude each other the later time, for a claim may be late but not early."""
    spread_ms = _drift(fresh.mono_ms - held.mono_ms)
    low_ms, high_ms = max(held.low_ms - spread_ms, fresh.low_ms), min(held.high_ms + spread_ms, fresh.high_ms)
    if low_ms > high_ms:
        return max(held, fresh)
    narrower = min(held, fresh, key=lambda claim: claim.high_ms - claim.low_ms)
    return Claim(low_ms, high_ms, fresh.mono_ms, narrower.by)


def _drift(span_ms: int) -> int:
    return abs(span_ms) * DRIFT_PPM // 1_000_000


@dataclass(frozen=True, slots=True)
class PlacedBoot:
    """A boot among the others of its kit: its anchor, and when (UTC) it began at the earliest and at the latest."""

    anchor: Anchor
    begins_after_ms: int | None
    begins_before_ms: int | None

    def tell(self, mono_ms: int, *, wall_ms: int, received_ms: int) -> Told:
        """When something at `mono_ms` of this boot happened; `wall_ms` is what the kit's wall clock said then."""
        anchor = self.anchor
        latest_ms = mono_ms + anchor.upper_ms + _drift(mono_ms - anchor.upper_mono_ms)
        if self.begins_before_ms is not None:
            latest_ms = min(latest_ms, mono_ms + self.begins_before_ms + _drift(mono_ms))
        earliest_ms, by = None, ""
        if self.begins_after_ms is not None:
            earliest_ms, by = mono_ms + self.begins_after_ms - _drift(mono_ms), "boots"
        claim = anchor.claim
        if claim is not None:
            spread_ms = _drift(mono_ms - claim.mono_ms)
            claimed_ms = mono_ms + claim.low_ms - spread_ms
            if earliest_ms is None or claimed_ms >= earliest_ms:
                earliest_ms, by = claimed_ms, claim.by
            latest_ms = min(latest_ms, mono_ms + claim.high_ms + spread_ms)
        latest_ms = min(latest_ms, received_ms)
        oldest_ms = received_ms - OLDEST_MS
        if latest_ms < oldest_ms:
            return Told(received_ms, None, "received")  # older than any spool: what the kit says of its boot is false
        if earliest_ms is None:
            return tell_by_wall(wall_ms, latest_ms)
        earliest_ms = max(earliest_ms, oldest_ms)
        earliest_ms = min(earliest_ms, latest_ms)
        half_ms = (latest_ms - earliest_ms + 1) // 2
        return Told(earliest_ms + half_ms, max(half_ms, 1), by)


def place_boots(anchors: Sequence[Anchor]) -> dict[str, PlacedBoot]:
    """Set all boots of one kit between each other, by boot id; their order is that of their spool and numbers.

    Each began after the last item seen of the one before it, and all it wrote was written before the next began.
    """
    ordered = sorted(anchors, key=lambda anchor: (anchor.spool_no, anchor.first_seq))
    after: list[int | None] = []
    floor_ms: int | None = None
    for anchor in ordered:
        after.append(floor_ms)
        claimed_ms = _low_at_zero(anchor)
        lows = [low for low in (floor_ms, claimed_ms) if low is not None]
        if lows:
            floor_ms = max(lows) + anchor.last_mono_ms - _drift(anchor.last_mono_ms)
    before: list[int | None] = []
    ceiling_ms: int | None = None
    for anchor in reversed(ordered):
        last_ms = anchor.last_mono_ms - _drift(anchor.last_mono_ms)
        limit_ms = None if ceiling_ms is None else ceiling_ms - last_ms
        before.append(limit_ms)
        own_ms = _high_at_zero(anchor)
        ceiling_ms = own_ms if limit_ms is None else min(own_ms, limit_ms)
    placed = zip(ordered, after, reversed(before), strict=True)
    return {anchor.boot: PlacedBoot(anchor, low_ms, high_ms) for anchor, low_ms, high_ms in placed}


def find_spare(anchors: Sequence[Anchor], needed: Collection[str]) -> set[str]:
    """Of all boots of one kit those that can be forgotten: what `place_boots` says of the `needed` ones stays.

    A needed boot's bounds rest on its neighbours up to the first whose own claim says more than what lies beyond it;
    so far they stay, too. Boots of one and the same place have no sure order, and stay.
    """
    ordered = list(place_boots(anchors).values())
    shared = Counter((anchor.spool_no, anchor.first_seq) for anchor in anchors)
    wanted = {*needed, *(item.boot for item in anchors if shared[item.spool_no, item.first_seq] > 1)}
    kept = set(wanted)
    for walk, leans_on in ((reversed(ordered), _leans_back), (iter(ordered), _leans_forward)):
        is_leant_on = False
        for placed in walk:
            boot = placed.anchor.boot
            if is_leant_on:
                kept.add(boot)
            is_wanted = boot in wanted
            is_leant_on = (is_wanted or is_leant_on) and leans_on(placed, is_wanted)
    return {anchor.boot for anchor in anchors} - kept


def _leans_back(placed: PlacedBoot, is_wanted: bool) -> bool:
    """Whether what lies before says when this boot began at the earliest, or when the next one did."""
    low_ms, after_ms = _low_at_zero(placed.anchor), placed.begins_after_ms
    return after_ms is not None and (is_wanted or low_ms is None or low_ms < after_ms)


def _leans_forward(placed: PlacedBoot, is_wanted: bool) -> bool:
    """Whether what follows says when this boot began at the latest, or when the one before did."""
    before_ms = placed.begins_before_ms
    return before_ms is not None and (is_wanted or before_ms < _high_at_zero(placed.anchor))


def _low_at_zero(anchor: Anchor) -> int | None:
    claim = anchor.claim
    return None if claim is None else claim.low_ms - _drift(claim.mono_ms)


def _high_at_zero(anchor: Anchor) -> int:
    upper_ms = anchor.upper_ms + _drift(anchor.upper_mono_ms)
    claim = anchor.claim
    return upper_ms if claim is None else min(upper_ms, claim.high_ms + _drift(claim.mono_ms))


def tell_answer(
    boots: Mapping[str, PlacedBoot], moment: Moment, *, wall_ms: int, received_ms: int, ordered_ms: int
) -> Told:
    """When a kit answered an order of `ordered_ms`: by its time since boot where known, else by its wall clock.

    No answer is older than its order, so what lies before it is taken off the error.
    """
    placed = boots.get(moment.boot)
    if placed is None or moment.mono_ms is None:
        told = tell_by_wall(wall_ms, received_ms)
    else:
        told = placed.tell(moment.mono_ms, wall_ms=wall_ms, received_ms=received_ms)
    if told.error_ms is None:
        return told if told.at_ms >= ordered_ms else Told(received_ms, None, "received")
    first_ms, last_ms = max(told.at_ms - told.error_ms, ordered_ms), told.at_ms + told.error_ms
    if first_ms > last_ms:  # that clock is wrong after all: the centre's own two moments hold
        first_ms, last_ms, told = ordered_ms, max(received_ms, ordered_ms), told._replace(by="centre")
    return Told((first_ms + last_ms) // 2, (last_ms - first_ms + 1) // 2, told.by)


def tell_by_wall(wall_ms: int, latest_ms: int) -> Told:
    """Nothing but the kit's wall clock and `latest_ms`: the former as long as it says nothing impossible."""
    if latest_ms - OLDEST_MS <= wall_ms <= latest_ms + CENTRE_CLOCK_MS:
        return Told(min(wall_ms, latest_ms), None, "kit_clock")
    return Told(latest_ms, None, "received")
