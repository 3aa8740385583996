"""Boots past any spool's age are forgotten, and everything kept is told as before."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from sqlmodel import col, select

from central.base.unit_of_work import Store, UnitOfWork
from central.courts.permissions import Actor
from central.devices import boots
from central.devices.boots import place_kit
from central.devices.models import KitBoot, MailboxEntry, MailboxStep
from central.devices.rules import KitRef
from central.devices.steps import load_steps
from central.devices.times import OLDEST_MS
from central.evidence.models import Recording, SignerCertificate
from central.flows import old_boots
from central.incidents import queries as incidents
from central.incidents.models import AlarmRecord, Incident, IncidentEntry
from tests.fakes.clocks import FakeClock

pytestmark = pytest.mark.both_databases

DAY = 24 * 3600 * 1000
HOUR = DAY // 24


def boot_id(number: int) -> str:
    return f"{number:032x}"


def keep_boots(store: Store, clock: FakeClock, kit: KitRef, days_old: list[int], *, sky: bool = True) -> None:
    """A boot of an hour for each, oldest first, numbered from 1; seen under the sky or dark until a day later."""
    with store.write() as uow:
        for number, days in enumerate(days_old, 1):
            begins_ms = clock.now_ms() - days * DAY - HOUR
            row = KitBoot(
                kit_no=kit.kit_no,
                boot=boot_id(number),
                spool_no=1,
                first_seq=number,
                last_mono_ms=HOUR,
                upper_ms=begins_ms + (0 if sky else DAY),
                upper_mono_ms=HOUR,
            )
            if sky:
                row.low_ms, row.high_ms, row.claim_mono_ms, row.claimed_by = begins_ms - 900, begins_ms, HOUR, "gps"
            uow.session.add(row)


def numbers_left(store: Store, kit: KitRef) -> list[int]:
    with store.read() as session:
        rows = session.exec(select(KitBoot.boot).where(KitBoot.kit_no == kit.kit_no)).all()
    return sorted(int(boot, 16) for boot in rows)


OLD = OLDEST_MS // DAY


def test_only_what_is_past_the_age_goes_and_never_the_newest(
    store: Store, clock: FakeClock, kits: dict[str, KitRef]
) -> None:
    first, second = kits.values()
    keep_boots(store, clock, first, [OLD + 30, OLD + 20, OLD + 10, OLD + 1, OLD - 1, 5])
    keep_boots(store, clock, second, [OLD + 3, OLD + 2, OLD + 1])
    assert old_boots.prune_boots(store, bite=100) == 4
    # 4 stays for 5: it says when that one began at the earliest.
    assert numbers_left(store, first) == [4, 5, 6]
    assert numbers_left(store, second) == [2, 3]
    assert old_boots.prune_boots(store, bite=100) == 0


def test_a_kit_that_says_its_old_items_today_loses_no_boot(store: Store, clock: FakeClock, kit: KitRef) -> None:
    keep_boots(store, clock, kit, [OLD + 30, OLD + 20, OLD + 10, 1])
    with store.write() as uow:  # it was in a drawer: what it claims is old, what the centre saw is new
        for row in uow.session.exec(select(KitBoot)).all():
            row.upper_ms = clock.now_ms() - HOUR
            uow.session.add(row)
    assert old_boots.prune_boots(store, bite=100) == 0


def test_small_transactions_forget_as_much_and_others_write_between_them(
    store: Store, clock: FakeClock, kit: KitRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_boots(store, clock, kit, [OLD + 500 - number for number in range(40)])
    bites: list[int] = []
    real = boots.forget_boots

    def forget(uow: UnitOfWork, kit_no: int, gone: list[str]) -> int:
        bites.append(len(gone))
        return real(uow, kit_no, gone)

    monkeypatch.setattr(boots, "forget_boots", forget)
    assert old_boots.prune_boots(store, bite=15) == 38
    assert bites == [15, 15, 8]
    assert numbers_left(store, kit) == [39, 40]


def test_many_kits_take_turns(
    store: Store, clock: FakeClock, kits: dict[str, KitRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_boots, "KITS_AT_ONCE", 1)
    for kit in kits.values():
        keep_boots(store, clock, kit, [OLD + 30, OLD + 20, OLD + 10])
    counts = []
    for _ in kits:
        counts.append(old_boots.prune_boots(store, bite=100))
        clock.advance(ms=old_boots.TURN_MS)
    assert counts == [1] * len(kits)


def add_alarm(store: Store, clock: FakeClock, kit: KitRef, number: int, *, error_ms: int | None) -> None:
    with store.write() as uow:
        uow.session.add(
            AlarmRecord(
                kit_no=kit.kit_no,
                alarm_id=boot_id(number),
                kind="mark",
                court_code=kit.court_code,
                received_ms=clock.now_ms(),
                pressed_ms=0,
                boot_ms=1_000,
                boot=boot_id(number),
                happened_ms=1,
                happened_error_ms=error_ms,
            )
        )


def test_an_alarm_known_to_a_second_needs_its_boot_no_more_and_another_does(
    store: Store, clock: FakeClock, kit: KitRef
) -> None:
    keep_boots(store, clock, kit, [OLD + 100 - 10 * number for number in range(8)] + [1])
    add_alarm(store, clock, kit, 2, error_ms=400)
    add_alarm(store, clock, kit, 5, error_ms=HOUR)
    add_alarm(store, clock, kit, 5 + 100, error_ms=None)
    assert old_boots.prune_boots(store, bite=100) == 4
    assert numbers_left(store, kit) == [4, 5, 6, 8, 9]


def test_a_recording_keeps_its_boot_until_its_beginning_is_known(store: Store, clock: FakeClock, kit: KitRef) -> None:
    keep_boots(store, clock, kit, [OLD + 100 - 10 * number for number in range(8)] + [1])
    with store.write() as uow:
        uow.session.add(SignerCertificate(serial="ab", kit_no=kit.kit_no, chain_pem=b"x", first_ms=1))
        uow.session.flush()
        for number, error_ms in ((2, 700), (6, None)):
            uow.session.add(
                Recording(
                    id=boot_id(number),
                    kit_no=kit.kit_no,
                    kit_id=kit.kit_id,
                    court_code=kit.court_code,
                    serial="ab",
                    chain_pem=b"x",
                    received_ms=1,
                    last_ms=1,
                    started_ms=1,
                    begun_error_ms=error_ms,
                    opening={"boot": boot_id(number)},
                    head=b"h" * 32,
                )
            )
    assert old_boots.prune_boots(store, bite=100) == 4
    assert numbers_left(store, kit) == [5, 6, 7, 8, 9]


def test_receipts_are_told_as_before_to_the_millisecond(
    store: Store, clock: FakeClock, kit: KitRef, operator: Actor
) -> None:
    """Of a dark time: what each rests on are boots that nothing refers to."""
    keep_boots(store, clock, kit, [OLD + 100 - 10 * number for number in range(8)] + [1], sky=False)
    with store.write() as uow:
        for row in uow.session.exec(select(KitBoot).where(col(KitBoot.first_seq).in_([2, 7]))).all():
            row.low_ms, row.high_ms, row.claim_mono_ms = row.upper_ms - DAY - 900, row.upper_ms - DAY, HOUR
            row.claimed_by = "gps"
            uow.session.add(row)
        entry = MailboxEntry(kit_no=kit.kit_no, number=1, kind="task", body={}, issued_ms=1, state_ms=1)
        uow.session.add(entry)
        uow.session.add(
            MailboxStep(
                kit_no=kit.kit_no,
                number=1,
                state="accepted",
                received_ms=clock.now_ms(),
                kit_at_ms=7,
                boot=boot_id(4),
                mono_ms=1_000,
            )
        )
        incident = Incident(
            kit_no=kit.kit_no,
            kit_id=kit.kit_id,
            court_code=kit.court_code,
            kind="sos",
            alarm_id=boot_id(1),
            received_ms=1,
            pressed_ms=1,
        )
        uow.session.add(incident)
        uow.session.flush()
        detail = {"kit_at_ms": 9, "boot": boot_id(5), "mono_ms": 2_000}
        uow.session.add(
            IncidentEntry(incident_id=incident.id, at_ms=clock.now_ms(), kind="felt", actor="kit", detail=detail)
        )
        incident_id = incident.id

    def tell() -> tuple[object, ...]:
        with store.read() as session:
            entries = session.exec(select(MailboxEntry)).all()
            steps = load_steps(session, entries)
            lines = incidents.tell_timeline(session, operator, incident_id)
            placed = place_kit(session, kit.kit_no)
            return (
                [step.told for found in steps.values() for step in found],
                [line.told for line in lines],
                {number: asdict(placed[boot_id(number)]) for number in (4, 5, 9)},
            )

    before = tell()
    assert old_boots.prune_boots(store, bite=100) == 1, "what lies before the boot that knows its time"
    assert numbers_left(store, kit) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert tell() == before
