"""What arrives from a kit, in one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from central.base.unit_of_work import Store
from central.devices.rules import ItemKey, KitRef, digest_item
from central.flows import sos
from contract.messages import Alarm, Fix
from tests.fakes.clocks import FakeClock

ALARM_ID = "a" * 32
FIX = Fix(lat=25.601, lon=100.211, fix_ms=1_795_500_000_000)


@pytest.fixture
def raise_alarm(store: Store, clock: FakeClock, kit: KitRef) -> Callable[..., sos.AlarmOutcome]:
    """Take an alarm as the intake does: in a transaction of its own, numbered on."""
    numbers = iter(range(1, 1000))

    def take(
        kind="sos",
        *,
        alarm_id=ALARM_ID,
        of=kit,
        fix=FIX,
        pressed_ms=None,
        at_ms=None,
        note="",
        recording_id=None,
        radius_m=0,
        unstored=False,
    ):
        now_ms = clock.now_ms()
        alarm = Alarm(
            alarm_id=alarm_id,
            kind=kind,
            pressed_ms=now_ms - 300 if pressed_ms is None else pressed_ms,
            boot_ms=5000,
            fix=fix,
            recording_id=recording_id,
            note=note,
            unstored=unstored,
        )
        seq = next(numbers)
        with store.write() as uow:
            return sos.receive_alarm(
                uow,
                of,
                alarm,
                key=ItemKey(of.kit_no, 1, seq),
                digest=digest_item(f"{kind}{alarm_id}{seq}".encode()),
                at_ms=now_ms if at_ms is None else at_ms,
                received_ms=now_ms,
                neighbour_radius_m=radius_m,
            )

    return take
