"""Moments of a kit are told anew when the centre knows its boots better: alarms, incidents, recordings."""

from __future__ import annotations

from collections.abc import Mapping

from central.base.unit_of_work import UnitOfWork
from central.devices.times import PlacedBoot, Told
from central.evidence import service as evidence
from central.incidents import service as incidents


def settle_times(uow: UnitOfWork, kit_no: int, boots: Mapping[str, PlacedBoot]) -> bool:
    """Tell when the kit's alarms were pressed and its recordings begun, as exactly as `boots` allow.

    Tells whether all of them are known to a second by now. What is known so stays as it is, unless a clock it rested
    on has turned out wrong since.
    """

    def tell(boot: str, mono_ms: int, wall_ms: int, received_ms: int) -> Told | None:
        placed = boots.get(boot)
        return None if placed is None else placed.tell(mono_ms, wall_ms=wall_ms, received_ms=received_ms)

    recast = [boot for boot, placed in boots.items() if placed.anchor.is_recast]
    left = incidents.settle_alarms(uow, kit_no, tell, recast)
    return evidence.settle_beginnings(uow, kit_no, tell, recast) + left == 0
