"""Boots of kits that nothing is told by any more are forgotten, past the age that any spool can have.

What is kept is told exactly as before: alarms and recordings not known to a second, receipts (told anew at each
look), every boot that is younger, and whatever the bounds of those rest on (`central.devices.times.find_spare`).
"""

from __future__ import annotations

from typing import Final

from sqlmodel import Session

from central.base.unit_of_work import Store
from central.devices import boots
from central.devices.steps import list_boots_of_steps
from central.devices.times import OLDEST_MS
from central.evidence.beginnings import list_boots_of_beginnings
from central.incidents.service import list_boots_of_alarms

KITS_AT_ONCE: Final = 20
"""So many are looked at in a turn, however many there are."""
TURN_MS: Final = 60_000
"""As often as the house is kept."""


def prune_boots(store: Store, *, bite: int) -> int:
    """Forget spare boots of the kits whose turn it is, at most ``bite`` in a transaction; returns how many."""
    now_ms = store.clock.now_ms()
    before_ms = now_ms - OLDEST_MS
    with store.read() as session:
        kits = boots.list_kits_with_old_boots(
            session, before_ms=before_ms, turn=now_ms // TURN_MS, at_once=KITS_AT_ONCE
        )
        kits = [kit_no for kit_no in kits if _list_spare(session, kit_no, before_ms)]
    total = 0
    for kit_no in kits:
        count = bite
        while count == bite:
            with store.write() as uow:
                spare = _list_spare(uow.session, kit_no, before_ms)
                count = boots.forget_boots(uow, kit_no, spare[:bite])
            total += count
    return total


def _list_spare(session: Session, kit_no: int, before_ms: int) -> list[str]:
    needed = (
        list_boots_of_steps(session, kit_no)
        | list_boots_of_beginnings(session, kit_no)
        | list_boots_of_alarms(session, kit_no)
    )
    return boots.list_spare_boots(session, kit_no, before_ms=before_ms, needed=needed)
