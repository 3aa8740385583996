"""Kits whose wall clock is wrong by years, dark for days, restarted meanwhile: when was the button pressed?

The kit's side is the kit's own code (spool, telemetry, clock watch) over clocks that the test moves; the centre's
is its own intake. Only the broker between them is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import msgspec
import pytest
from sqlmodel import select

from central.base.unit_of_work import Store, UnitOfWork
from central.courts.permissions import Actor
from central.devices import service as devices
from central.devices.models import KitBoot, KitState
from central.devices.rules import KitRef
from central.devices.times import PlacedBoot
from central.flows.times import settle_times
from central.incidents import queries
from central.incidents.models import AlarmRecord, Incident
from central.sync import intake as intake_module
from central.sync.intake import Batch, Intake
from central.sync.receipts import ReceiptBook
from contract import messages
from contract.health import Health
from contract.messages import Alarm, Fix
from edge.options import ClockSettings
from edge.reach.trusted_time import TrustedTime
from edge.spool import Spool, open_spool
from edge.uplink.clock_watch import EVERY_MS, ClockWatch, find_belief
from edge.uplink.link import Link
from edge.uplink.telemetry import Telemetry
from tests.fakes.clocks import START_MS, FakeClock, KitClock
from tests.fakes.recording_link import RecordingLink

pytestmark = pytest.mark.both_databases

KIT = "dl-2901-01"
HOUR = 3_600_000
DAY = 24 * HOUR
IN_1970 = 100_000
IN_2038 = 2_147_483_640_000


@pytest.fixture
def intake(store: Store, kits: dict[str, KitRef]) -> Intake:
    directory = devices.KitDirectory()
    with store.read() as session:
        directory.reload(session)
    return Intake(store, directory)


class FieldKit:
    """One boot of a kit: its own spool and telemetry; `carry` takes what it sends to the centre and back."""

    def __init__(self, spool: Spool, clock: KitClock, intake: Intake, centre_clock: FakeClock) -> None:
        self.spool, self.clock, self.intake, self.centre_clock = spool, clock, intake, centre_clock
        self.time = TrustedTime(START_MS - DAY, clock_ms=clock.wall_ms, monotonic_ms=clock.boot_ms)
        self.link = RecordingLink()
        self.telemetry = Telemetry(
            spool,
            cast(Link, self.link),
            monotonic_s=lambda: clock.boot_ms() / 1000,
            trusted_time=self.time,
        )
        self.watch = ClockWatch(
            spool,
            self.time,
            ClockSettings(),
            read_os_clock=lambda: None,
            read_battery_clock=lambda: None,
            wall_ms=clock.wall_ms,
            boot_ms=clock.boot_ms,
        )

    def run(self, ms: int) -> None:
        self.clock.run(ms)
        self.centre_clock.advance(ms=self.clock.true_ms() - self.centre_clock.now_ms())

    def press(self, letter: str, kind: str = "sos") -> int:
        """Press; returns the true time of it."""
        alarm = Alarm(
            alarm_id=letter * 32,
            kind=kind,  # type: ignore[arg-type]
            pressed_ms=self.clock.wall_ms(),
            boot_ms=self.clock.boot_ms(),
        )
        self.spool.outbox.append("alarm", messages.encode(alarm), urgent=True)
        return self.clock.true_ms()

    def say_health(self) -> None:
        self.run(EVERY_MS)
        self.watch.turn()
        body = Health(
            recording=False,
            duty=True,
            queue_outbox=0,
            queue_segments=0,
            free_bytes=1,
            vault_bytes=0,
            uptime_s=1,
            version="0.3.0",
            **find_belief(self.spool, boot_ms=self.clock.boot_ms),
        )
        self.spool.outbox.append("health", messages.encode(body))

    def say_fix(self, late_ms: int = 400) -> None:
        fix = Fix(lat=25.6, lon=100.2, fix_ms=self.clock.true_ms() - late_ms)
        self.spool.outbox.append("position", messages.encode(fix))

    def connect(self) -> None:
        self.telemetry.on_connected(version="0.3.0", trust_epoch=1)

    def carry(self, transit_ms: int = 150) -> None:
        """Everything due goes to the centre, its receipts come back."""
        self.telemetry.drain()
        heard = self.link.take()
        self.run(transit_ms)
        raw = [(f"kits.{KIT}.up.{item.kind}", messages.encode(item.message)) for item in heard]
        outcome = self.intake.commit(Batch(messages=raw, flush_markers=True))
        book = ReceiptBook()
        for key, seqs in outcome.receipts.items():
            book.note(key, seqs)
        for _, payload in book.take(now_ms=self.centre_clock.now_ms()):
            self.run(transit_ms)
            self.telemetry.on_receipt(payload)


Boot = Callable[..., FieldKit]


@pytest.fixture
def boot(tmp_path: Path, intake: Intake, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Boot:
    """Starts the kit (again) with this wall clock; the card is the same."""
    count = iter(range(1, 100))
    opened: list[Spool] = []

    def start(wall_ms: int) -> FieldKit:
        while opened:
            opened.pop().close()
        kit_clock = KitClock(wall_ms=wall_ms, true_ms=clock.now_ms(), since_boot_ms=20_000)
        monkeypatch.setattr("edge.spool.outbox.read_boot_ms", kit_clock.boot_ms)
        monkeypatch.setattr("edge.uplink.telemetry.read_boot_ms", kit_clock.boot_ms)
        spool = open_spool(tmp_path / "kit" / "spool.db", clock_ms=kit_clock.wall_ms, boot=f"{next(count):032x}")
        opened.append(spool)
        return FieldKit(spool, kit_clock, intake, clock)

    return start


def find_incident(store: Store, letter: str) -> Incident:
    with store.read() as session:
        return session.exec(select(Incident).where(Incident.alarm_id == letter * 32)).one()


@pytest.mark.parametrize("wall_ms", [IN_1970, IN_2038, START_MS])
def test_an_sos_of_days_in_darkness_shows_its_true_time(store: Store, boot: Boot, wall_ms: int) -> None:
    kit = boot(wall_ms)
    kit.run(HOUR)
    pressed_ms = kit.press("a")
    kit.run(3 * DAY)
    kit.connect()
    kit.carry()
    at_once = find_incident(store, "a")
    assert at_once.happened_ms >= pressed_ms, "at once: not later than"
    assert at_once.received_ms - pressed_ms > 3 * DAY
    kit.say_health()
    kit.carry()
    kit.say_health()  # by now the kit knows the centre's time and says so
    kit.carry()
    told = find_incident(store, "a")
    assert told.happened_by == "centre"
    # Half a round trip, and what a crystal may drift in three days.
    assert abs(told.happened_ms - pressed_ms) <= (told.happened_error_ms or 0) <= 1_000 + 3 * DAY * 50 // 1_000_000
    assert told.clock_doubt == (wall_ms != START_MS)


def test_satellites_tell_it_to_a_second(store: Store, boot: Boot) -> None:
    kit = boot(IN_1970)
    kit.say_fix()
    pressed_ms = kit.press("a")
    kit.run(HOUR)
    kit.connect()
    kit.carry()
    told = find_incident(store, "a")
    assert (told.happened_by, told.clock_doubt) == ("gps", True)
    assert abs(told.happened_ms - pressed_ms) <= (told.happened_error_ms or 0) <= 1_000


def test_after_boots_in_darkness_the_order_holds_and_the_error_is_an_interval(
    store: Store, boot: Boot, operator: Actor
) -> None:
    first = boot(START_MS)
    first.say_fix()
    pressed = [first.press("a")]
    first.connect()
    first.carry()
    first.run(2 * HOUR)
    dark = boot(IN_2038)
    dark.run(HOUR)
    pressed.append(dark.press("b"))
    dark.run(HOUR)
    again = boot(IN_1970)
    again.run(HOUR)
    pressed.append(again.press("c", "mark"))
    again.run(HOUR)
    last = boot(IN_1970)
    pressed.append(last.press("d"))
    last.say_fix()
    last.connect()
    for _ in range(3):
        last.carry()
    with store.read() as session:
        told = {row.alarm_id[0]: row for row in session.exec(select(AlarmRecord))}
        listed = [row.alarm_id[0] for row in queries.list_kit_alarms(session, operator, KIT)]
    assert listed == ["d", "c", "b", "a"]
    for letter, true_ms in zip("abcd", pressed, strict=True):
        row = told[letter]
        assert row.happened_error_ms is not None
        assert abs(row.happened_ms - true_ms) <= row.happened_error_ms, letter
    assert [told[letter].happened_by for letter in "abcd"] == ["gps", "boots", "boots", "gps"]
    assert told["b"].happened_error_ms <= 4 * HOUR  # type: ignore[operator]


def test_a_receiver_found_to_be_wrong_has_told_nothing_that_stays(store: Store, boot: Boot) -> None:
    kit = boot(START_MS)
    pressed_ms = kit.press("a")
    kit.say_fix(late_ms=5 * HOUR)  # hours behind: nothing contradicts it yet
    kit.connect()
    kit.carry()
    assert find_incident(store, "a").happened_by == "gps"
    for _ in range(2):
        kit.say_health()
        kit.carry()
    told = find_incident(store, "a")
    assert told.happened_by == "centre" and abs(told.happened_ms - pressed_ms) <= 1_500


def test_a_report_of_hours_ago_puts_no_clock_in_doubt(store: Store, boot: Boot, kit: KitRef) -> None:
    late = boot(START_MS)
    late.say_health()
    late.run(5 * HOUR)
    late.connect()
    late.carry()
    with store.read() as session:
        state = session.get_one(KitState, kit.kit_no)
        assert abs(state.clock_offset_ms or 0) < 60_000


def test_what_is_known_survives_the_intake(
    store: Store, boot: Boot, intake: Intake, kit: KitRef, kits: dict[str, KitRef]
) -> None:
    field_kit = boot(IN_1970)
    field_kit.say_fix()
    field_kit.connect()
    field_kit.carry()
    with store.read() as session:
        row = session.exec(select(KitBoot)).one()
        assert (row.kit_no, row.claimed_by) == (kit.kit_no, "gps")
    directory = devices.KitDirectory()
    with store.read() as session:
        directory.reload(session)
    field_kit.intake = Intake(store, directory)  # as after a kill: nothing in memory
    pressed_ms = field_kit.press("a")
    field_kit.carry()
    told = find_incident(store, "a")
    assert told.happened_by == "gps" and abs(told.happened_ms - pressed_ms) <= 1_000


def test_a_kit_of_before_says_no_time_since_boot_and_is_told_by_its_wall_clock(
    store: Store, intake: Intake, clock: FakeClock
) -> None:
    now_ms = clock.now_ms()
    alarm = Alarm(alarm_id="a" * 32, kind="sos", pressed_ms=now_ms - 700, boot_ms=9)
    item = messages.Item(seq=1, at_ms=now_ms, body=msgspec.Raw(messages.encode(alarm)))
    message = messages.UpMessage(spool="5" * 32, boot="b" * 32, items=[item])
    intake.commit(Batch(messages=[(f"kits.{KIT}.up.alarm", messages.encode(message))], flush_markers=True))
    told = find_incident(store, "a")
    assert (told.happened_ms, told.happened_error_ms, told.happened_by) == (now_ms - 700, None, "kit_clock")


def test_a_kit_whose_moments_are_all_told_costs_no_more_reads(
    store: Store, boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[int] = []
    real = settle_times

    def count(uow: UnitOfWork, kit_no: int, boots: Mapping[str, PlacedBoot]) -> bool:
        settled.append(kit_no)
        return real(uow, kit_no, boots)

    monkeypatch.setattr(intake_module, "settle_times", count)
    field_kit = boot(START_MS)
    field_kit.say_fix()
    field_kit.press("a")
    field_kit.connect()
    field_kit.carry()
    assert settled
    settled.clear()
    for _ in range(5):
        field_kit.run(120_000)
        field_kit.say_fix()
        field_kit.carry()
    assert settled == []
    field_kit.press("b", "mark")
    field_kit.carry()
    assert settled != []
