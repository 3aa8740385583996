"""When a recording began: by the satellites where its record says so, else by what is known of the kit's boot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from central.base.unit_of_work import Store
from central.courts.permissions import Actor
from central.devices.rules import KitRef
from central.devices.times import Anchor, claim_of_fix, place_boots
from central.evidence import queries
from central.evidence.models import Recording
from central.flows.times import settle_times
from tests.central.sync.kit_client import BOOT
from tests.central.sync.recorder import Recorder
from tests.fakes.clocks import FakeClock

pytestmark = pytest.mark.both_databases

HOUR = 3_600_000
NewRecorder = Callable[..., Recorder]
Accept = Callable[..., Any]


def find(store: Store, rid: str) -> Recording:
    with store.read() as session:
        return session.get_one(Recording, rid)


def known_boot(begins_ms: int, *, late_ms: int = 300) -> Anchor:
    anchor = Anchor(BOOT, 1, 1, 0, begins_ms + 7 * HOUR, 0)
    anchor.hear(claim_of_fix(begins_ms - late_ms, 0))
    return anchor


def settle(store: Store, kit: KitRef, anchor: Anchor) -> None:
    with store.write() as uow:
        settle_times(uow, kit.kit_no, place_boots([anchor]))


def test_the_satellite_time_of_its_opening_counts(
    store: Store, new_recorder: NewRecorder, accept: Accept, clock: FakeClock
) -> None:
    recorder, true_ms = new_recorder(), clock.now_ms() - 5 * HOUR
    accept(recorder.open(started_ms=0, gps_ms=true_ms))
    told = find(store, recorder.rid)
    assert (told.begun_ms, told.begun_by, told.started_ms) == (true_ms, "gps", 0)
    assert told.begun_error_ms is not None and told.begun_error_ms <= 1_000


@pytest.mark.parametrize("off_ms", [HOUR, 3 * 365 * 24 * HOUR, -20 * 365 * 24 * HOUR])
def test_an_impossible_satellite_time_does_not(
    store: Store, new_recorder: NewRecorder, accept: Accept, clock: FakeClock, off_ms: int
) -> None:
    recorder, now_ms = new_recorder(), clock.now_ms()
    accept(recorder.open(started_ms=now_ms - 2_000, gps_ms=now_ms + off_ms))
    told = find(store, recorder.rid)
    assert (told.begun_ms, told.begun_by) == (now_ms - 2_000, "kit_clock")


def test_what_is_learnt_of_the_boot_later_settles_it(
    store: Store, new_recorder: NewRecorder, accept: Accept, clock: FakeClock, kit: KitRef
) -> None:
    recorder, begins_ms = new_recorder(), clock.now_ms() - 6 * HOUR
    accept(recorder.open(started_ms=0))
    assert find(store, recorder.rid).begun_by == "received"
    settle(store, kit, known_boot(begins_ms))
    told = find(store, recorder.rid)
    assert told.begun_by == "gps"
    assert abs(told.begun_ms - (begins_ms + recorder.monotonic_ms)) <= (told.begun_error_ms or 0) <= 1_000
    settle(store, kit, known_boot(begins_ms, late_ms=0))
    assert find(store, recorder.rid).begun_ms == told.begun_ms, "known to a second, it stays"


def test_a_boot_found_to_be_told_wrongly_is_told_again(
    store: Store, new_recorder: NewRecorder, accept: Accept, clock: FakeClock, kit: KitRef
) -> None:
    recorder, begins_ms = new_recorder(), clock.now_ms() - 6 * HOUR
    accept(recorder.open(started_ms=0))
    settle(store, kit, known_boot(begins_ms - HOUR))
    anchor = known_boot(begins_ms)
    anchor.is_recast = True
    settle(store, kit, anchor)
    told = find(store, recorder.rid)
    assert abs(told.begun_ms - (begins_ms + recorder.monotonic_ms)) <= 1_000


def test_recordings_are_listed_by_when_they_began(
    store: Store, new_recorder: NewRecorder, accept: Accept, clock: FakeClock, operator: Actor
) -> None:
    now_ms = clock.now_ms()
    early, late = new_recorder(), new_recorder()
    accept(late.open(started_ms=now_ms - HOUR, gps_ms=now_ms - HOUR))
    clock.advance(ms=5_000)
    accept(early.open(started_ms=now_ms + 9 * HOUR, gps_ms=now_ms - 3 * HOUR))  # dark until now, its clock ahead
    with store.read() as session:
        rows = queries.list_recordings(session, operator)
        assert [row.id for row in rows] == [late.rid, early.rid]
        older = queries.list_recordings(session, operator, before_ms=rows[0].begun_ms)
        assert [row.id for row in older] == [early.rid]
