"""What the centre believes of a kit's moments: the truth always lies within the error it states."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

import pytest

from central.devices.times import (
    OLDEST_MS,
    PRECISE_MS,
    Anchor,
    Claim,
    Told,
    claim_of_fix,
    claim_of_report,
    find_spare,
    place_boots,
    tell_by_wall,
)

UTC = 1_795_500_000_000  # when the boot began
HOUR = 3_600_000
DAY = 24 * HOUR
YEAR = 365 * DAY


def anchor(boot="a", *, first_seq=1, mono_ms=0, delay_ms=200, begins=UTC, spool_no=1):
    return Anchor(boot, spool_no, first_seq, mono_ms, begins + delay_ms, mono_ms)


def tell(boots, boot, mono_ms, *, wall_ms=0, received_ms=UTC + YEAR):
    return place_boots(boots)[boot].tell(mono_ms, wall_ms=wall_ms, received_ms=received_ms)


class TestOneBoot:
    """Bounds of one boot, narrowed by what arrives."""

    @pytest.mark.parametrize("wall_ms", [0, 1_000, UTC + 12 * YEAR])
    def test_satellite_time_tells_it_whatever_the_wall_clock_says(self, wall_ms):
        mine = anchor()
        mine.hear(claim_of_fix(UTC + 60_000 - 400, 60_000))
        told = tell([mine], "a", 90_000, wall_ms=wall_ms)
        assert abs(told.at_ms - (UTC + 90_000)) <= told.error_ms <= PRECISE_MS
        assert told.by == "gps"

    def test_a_report_of_the_kits_own_belief_tells_it_too(self):
        mine = anchor()
        mine.hear(claim_of_report(UTC + 60_000 + 120, 150, 60_000, "centre"))
        told = tell([mine], "a", 5_000)
        assert abs(told.at_ms - (UTC + 5_000)) <= told.error_ms <= 250
        assert told.by == "centre"

    def test_without_any_claim_a_wall_clock_that_is_possible_is_told_without_error(self):
        mine = anchor()
        assert tell([mine], "a", 50_000, wall_ms=UTC + 49_000) == Told(UTC + 49_000, None, "kit_clock")

    @pytest.mark.parametrize("wall_ms", [0, UTC + YEAR])
    def test_without_any_claim_an_impossible_one_gives_way_to_the_receipt(self, wall_ms):
        mine = anchor()
        assert tell([mine], "a", 50_000, wall_ms=wall_ms) == Told(UTC + 50_202, None, "received")

    def test_the_error_grows_away_from_where_the_clock_was_compared(self):
        mine = anchor()
        mine.hear(claim_of_report(UTC, 100, 0, "ntp"))
        near, far = tell([mine], "a", 1_000), tell([mine], "a", 10 * DAY)
        assert far.error_ms - near.error_ms == pytest.approx(10 * DAY * 50 / 1_000_000, rel=0.01)

    def test_a_claim_of_the_future_is_refused(self):
        mine = anchor()
        assert not mine.hear(claim_of_fix(UTC + 60_000 + HOUR, 60_000))
        assert mine.claim is None

    def test_a_claim_found_out_later_is_dropped_and_all_is_told_again(self):
        mine = anchor(delay_ms=DAY)  # the first items waited a day in darkness
        mine.hear(claim_of_fix(UTC + 60_000 + HOUR, 60_000))
        assert tell([mine], "a", 60_000).by == "gps"
        assert mine.see(9, DAY, UTC + DAY + 100)
        assert mine.claim is None and mine.is_recast

    def test_a_late_fix_does_not_push_time_back(self):
        mine = anchor()
        mine.hear(claim_of_fix(UTC + 60_000 - 300, 60_000))
        held = mine.claim
        mine.hear(claim_of_fix(UTC + 70_000 - 9_000, 70_000))  # written down nine seconds late: a slow card
        assert mine.claim == held

    def test_nothing_is_told_later_than_it_was_received(self):
        mine = anchor(delay_ms=5_000)
        assert tell([mine], "a", 10_000, wall_ms=0, received_ms=UTC + 10_050).at_ms == UTC + 10_050

    def test_what_changes_nothing_is_not_worth_a_write(self):
        mine = anchor()
        assert not mine.see(2, 1_000, UTC + 1_000 + 210)
        assert not mine.see(3, 2_000, UTC + 2_000 + 199)
        assert mine.see(4, 2_000, UTC + 2_000 + 5 - 300)
        assert mine.see(5, 61_000, UTC + 62_000), "how long the boot lasted, once a minute"
        mine = anchor()
        assert mine.hear(claim_of_fix(UTC + 1_000 - 300, 1_000))
        assert not mine.hear(claim_of_fix(UTC + 11_000 - 350, 11_000))


class TestSeveralBoots:
    """A kit that restarts in darkness: what lies between two boots that are known lies between them."""

    def test_the_interval_and_the_order(self):
        first = anchor("a", first_seq=1)
        first.hear(claim_of_fix(UTC - 300, 0))
        first.see(50, HOUR, UTC + 9 * HOUR)
        dark = anchor("b", first_seq=51, begins=UTC + 2 * HOUR, delay_ms=7 * HOUR)
        dark.see(60, HOUR, UTC + 9 * HOUR)
        last = anchor("c", first_seq=61, begins=UTC + 8 * HOUR)
        last.hear(claim_of_fix(UTC + 8 * HOUR - 300, 0))
        told = tell([last, dark, first], "b", HOUR // 2, wall_ms=0)
        assert told.by == "boots"
        assert told.at_ms - told.error_ms <= UTC + 2.5 * HOUR <= told.at_ms + told.error_ms
        assert told.at_ms - told.error_ms >= UTC + HOUR, "after the last word of the boot before"
        assert told.at_ms + told.error_ms <= UTC + 8 * HOUR + 2_000, "before the next boot"
        before, after = tell([last, dark, first], "a", HOUR), tell([last, dark, first], "c", 0)
        assert before.at_ms < told.at_ms < after.at_ms

    def test_another_card_comes_after_the_one_before(self):
        old = anchor("a", first_seq=900)
        old.hear(claim_of_fix(UTC - 300, 0))
        new = anchor("b", first_seq=1, spool_no=2, begins=UTC + DAY, delay_ms=HOUR)
        assert tell([new, old], "b", 0).at_ms >= UTC

    def test_no_boots(self):
        assert place_boots([]) == {}


@pytest.mark.parametrize(
    ("wall_ms", "by"),
    [(UTC - 1, "kit_clock"), (UTC + 1_999, "kit_clock"), (UTC + 2_001, "received"), (UTC - 3 * YEAR, "received")],
)
def test_a_wall_clock_alone_is_told_while_it_is_possible(wall_ms, by):
    told = tell_by_wall(wall_ms, UTC)
    assert (told.by, told.error_ms) == (by, None)
    assert told.at_ms <= UTC


@pytest.mark.parametrize("mono_ms", [0, 2**53 - 1])
@pytest.mark.parametrize("said_ms", [0, 2**53 - 1])
@pytest.mark.parametrize("claimed_ms", [0, 7_258_118_400_000])
def test_whatever_a_kit_says_no_moment_is_older_than_any_spool_or_to_come(mono_ms, said_ms, claimed_ms):
    mine, next_one = anchor("a", mono_ms=mono_ms), anchor("b", first_seq=2, mono_ms=said_ms)
    for boot in (mine, next_one):
        boot.see(3, said_ms, UTC)
        boot.hear(claim_of_fix(claimed_ms, said_ms))
        boot.hear(claim_of_report(claimed_ms, said_ms, mono_ms, "gps"))
    for boot, pressed_ms in itertools.product(("a", "b"), (0, mono_ms, said_ms)):
        told = tell([mine, next_one], boot, pressed_ms, wall_ms=claimed_ms, received_ms=UTC)
        assert UTC - OLDEST_MS <= told.at_ms <= UTC
        assert told.error_ms is None or told.error_ms <= OLDEST_MS


def test_claims_that_agree_narrow_each_other():
    mine = anchor()
    mine.hear(Claim(UTC - 700, UTC + 800, 0, "gps"))
    mine.hear(Claim(UTC - 300, UTC + 1_200, 0, "gps"))
    assert mine.claim == Claim(UTC - 300, UTC + 800, 0, "gps")


@dataclass
class FieldKit:
    """A kit that lives through days: it boots, writes, loses the link and the satellites; its crystal drifts."""

    dice: random.Random
    at_ms: int = UTC
    seq: int = 0
    truth: list[tuple[str, int, int, int]] = field(default_factory=list)
    queue: list[tuple[str, int, int, str, int]] = field(default_factory=list)
    """boot, number, mono, kind of claim, claimed time"""
    boots: int = 0

    def live_one_boot(self, anchors: dict[str, Anchor]) -> None:
        dice = self.dice
        self.boots += 1
        boot, begins = f"{self.boots:032x}", self.at_ms
        drift = 1 + dice.uniform(-40, 40) / 1e6
        has_sky, has_link = dice.random() < 0.5, dice.random() < 0.5
        for _ in range(dice.randint(3, 60)):
            self.at_ms += dice.randint(500, 600_000)
            if dice.random() < 0.1:
                has_link = not has_link
            if dice.random() < 0.1:
                has_sky = not has_sky
            mono_ms = round((self.at_ms - begins) * drift)
            self.seq += 1
            kind, claimed_ms = "", 0
            if has_sky:
                kind, claimed_ms = "fix", self.at_ms - dice.randint(50, 1_400)
            elif has_link and dice.random() < 0.3:
                kind, claimed_ms = "report", self.at_ms + dice.randint(-200, 200)
            self.truth.append((boot, self.seq, mono_ms, self.at_ms))
            self.queue.append((boot, self.seq, mono_ms, kind, claimed_ms))
            if has_link:
                self.send(anchors)
        self.at_ms += dice.randint(1_000, 6 * HOUR)

    def send(self, anchors: dict[str, Anchor]) -> None:
        self.dice.shuffle(self.queue)  # telemetry, alarms and chains overtake each other
        for boot, seq, mono_ms, kind, claimed_ms in self.queue:
            received_ms = self.at_ms + self.dice.randint(20, 3_000)
            held = anchors.get(boot)
            if held is None:
                held = anchors[boot] = Anchor(boot, 1, seq, mono_ms, received_ms - mono_ms, mono_ms)
            held.see(seq, mono_ms, received_ms)
            if kind == "fix":
                held.hear(claim_of_fix(claimed_ms, mono_ms))
            elif kind == "report":
                held.hear(claim_of_report(claimed_ms, 250, mono_ms, "centre"))
        self.queue.clear()


@pytest.mark.parametrize("seed", range(40))
def test_the_truth_lies_within_what_is_told_and_the_order_is_that_of_the_acts(seed):
    kit, anchors = FieldKit(random.Random(seed)), {}
    for _ in range(kit.dice.randint(2, 8)):
        kit.live_one_boot(anchors)
    kit.send(anchors)
    placed = place_boots(list(anchors.values()))
    told = [
        (placed[boot].tell(mono_ms, wall_ms=-1, received_ms=kit.at_ms + 3_000), at_ms)
        for boot, _, mono_ms, at_ms in kit.truth
    ]
    for moment, at_ms in told:
        if moment.error_ms is None:
            assert moment.by == "received" and at_ms <= moment.at_ms + 5
        else:
            assert abs(moment.at_ms - at_ms) <= moment.error_ms + 5, moment
    sure = [moment.at_ms for moment, _ in told if moment.error_ms is not None]
    assert all(late >= early - 2 * PRECISE_MS for early, late in itertools.pairwise(sure))
    assert any(moment.error_ms is not None and moment.error_ms <= PRECISE_MS for moment, _ in told)


class TestSpareBoots:
    """What may be forgotten without any other boot being told less exactly."""

    @staticmethod
    def live(*, sky: str, hours: int = 2) -> list[Anchor]:
        """Boots a, b, c ... one after the other, dark and seen at last; those of `sky` saw satellites."""
        found = []
        for number, boot in enumerate("abcdefgh"):
            begins = UTC + number * 3 * HOUR
            mine = anchor(boot, first_seq=number + 1, mono_ms=hours * HOUR, delay_ms=YEAR, begins=begins)
            if boot in sky:
                mine.hear(claim_of_fix(begins + HOUR - 400, HOUR))
            found.append(mine)
        return found

    def test_a_neighbour_that_knows_its_own_time_ends_what_is_kept(self):
        assert find_spare(self.live(sky="abcdefgh"), {"d"}) == set("abfgh")

    def test_a_boot_of_a_dark_time_keeps_all_up_to_the_next_that_knows_its_time(self):
        assert find_spare(self.live(sky="bg"), {"d"}) == set("ah")

    def test_without_any_need_nothing_is_kept_and_the_other_way_round(self):
        boots = self.live(sky="b")
        assert find_spare(boots, set()) == set("abcdefgh")
        assert find_spare(boots, set("abcdefgh")) == set()
        assert find_spare([], {"a"}) == set()

    def test_boots_in_one_place_have_no_sure_order_and_stay(self):
        boots = self.live(sky="abcdefgh")
        boots[0].first_seq = boots[1].first_seq
        assert find_spare(boots, {"h"}) == set("def")

    @pytest.mark.parametrize("seed", range(40))
    def test_what_is_kept_is_placed_as_before_to_the_millisecond(self, seed):
        kit, anchors = FieldKit(random.Random(seed)), {}
        for _ in range(kit.dice.randint(6, 14)):
            kit.live_one_boot(anchors)
        kit.send(anchors)
        boots = list(anchors.values())
        needed = {boot for boot in anchors if kit.dice.random() < 0.25}
        before, spare = place_boots(boots), find_spare(boots, needed)
        assert not spare & needed
        for some in (spare, set(sorted(spare)[::2])):  # in more than one transaction, too
            after = place_boots([mine for mine in boots if mine.boot not in some])
            assert {boot: after[boot] for boot in needed} == {boot: before[boot] for boot in needed}
        kept_for_it = set(anchors) - spare - needed
        for boot in kept_for_it:  # and none of them stays for nothing
            after = place_boots([mine for mine in boots if mine.boot not in spare | {boot}])
            assert any(after[other] != before[other] for other in needed), boot
