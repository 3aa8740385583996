"""A centre with specimen data, fed through the real services, and its pages served over a real socket."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from central.base import db, schema
from central.base.bus import POSITIONS_SUBJECT, LocalBus
from central.base.clock import SystemClock
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.courts import service as courts
from central.devices import service as devices
from central.devices.boots import BootBook, place_kit
from central.devices.feed import encode_positions, live_position
from central.devices.rules import ItemKey, KitRef, digest_fix, position_row
from central.devices.times import UNKNOWN, Moment, claim_of_fix
from central.flows.felt import receive_command_receipt
from central.flows.sos import receive_alarm
from central.flows.times import settle_times
from central.people import service as people
from contract.health import Health
from contract.messages import Alarm, CommandReceipt, Fix
from contract.trust import KitEntry, Registry
from tests.cast import CAST, PASSWORD, cheap_hashes

BOOT = "b" * 32
USERS = CAST | {"xiangyun": ("样例祥云值班员", "duty_operator", "云2923")}
STEMS = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥天地玄黄宇宙洪荒"
SEATS = {
    "2901": (25.592, 100.230), "2922": (25.670, 99.958), "2923": (25.477, 100.554), "2924": (25.827, 100.575),
    "2925": (25.343, 100.491), "2926": (25.044, 100.509), "2927": (25.227, 100.307), "2928": (25.464, 99.541),
    "2929": (25.885, 99.371), "2930": (26.111, 99.951), "2931": (26.537, 99.905), "2932": (26.560, 100.176),
}  # fmt: skip

# Kits (by rank) that have been silent for so long, ms.
AGES = {9: 32_000, 13: 180_000, 17: 260_000, 20: 3_600_000, 26: 9_000_000}


@dataclass
class World:
    """One centre. `kits` by id; every act goes through the services the doors use."""

    store: Store
    settings: Settings
    bus: LocalBus
    kits: dict[str, KitRef] = field(default_factory=dict)
    directory: devices.KitDirectory = field(default_factory=devices.KitDirectory)
    seqs: dict[str, int] = field(default_factory=dict)
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    began_ms: int = 0
    """When the kits were switched on, once the centre knows it by satellite time; 0: it does not."""

    def now_ms(self) -> int:
        return self.store.clock.now_ms()

    def next_key(self, kit_id: str) -> ItemKey:
        self.seqs[kit_id] = self.seqs.get(kit_id, 0) + 1
        kit = self.kits[kit_id]
        with self.store.write() as uow:
            spool_no = self.directory.spool_no(uow, kit.kit_no, f"{kit.kit_no:032x}")
        return ItemKey(kit.kit_no, spool_no, self.seqs[kit_id])

    def add_kits(self, entries: list[KitEntry]) -> None:
        with self.store.write() as uow:
            devices.apply_registry(uow, Registry(epoch=1, issued_ms=1, kits=entries))
        with self.store.read() as session:
            self.directory.reload(session)
        self.kits = {ref.kit_id: ref for ref in self.directory.all()}

    def move(
        self, kit_id: str, lat: float, lon: float, *, age_ms: int = 0, speed_mps: float = 8, course_deg: float = 40
    ) -> None:
        """A fix arrives: into the trail, onto the marker and to the screens."""
        kit, at_ms = self.kits[kit_id], self.now_ms() - age_ms
        self.places[kit_id] = (lat, lon)
        fix = Fix(
            lat=lat, lon=lon, fix_ms=at_ms, speed_mps=speed_mps, course_deg=course_deg, accuracy_m=4, alt_m=1990
        )
        key = self.next_key(kit_id)
        row = position_row(*key, at_ms, fix, digest=digest_fix(at_ms, fix), received_ms=at_ms)
        with self.store.write() as uow:
            devices.store_positions(uow, [row])
            devices.save_markers(uow, [row])
        self.bus.nudge(POSITIONS_SUBJECT, encode_positions([live_position(kit_id, kit.court_code, row)]))

    def tell_health(
        self,
        kit_id: str,
        *,
        recording: bool = False,
        age_ms: int = 0,
        duty: bool = True,
        queue: int = 0,
        battery_pct: float = 82,
        recording_id: str | None = None,
        gps: str = "3D fix",
        **more: Any,
    ) -> None:
        at_ms = self.now_ms() - age_ms
        health = Health(
            recording=recording, duty=duty, queue_outbox=0, queue_segments=queue, free_bytes=41_300_000_000,
            vault_bytes=queue * 2_600_000, uptime_s=5400, version="0.3.0", recording_id=recording_id,
            source="file:patrol.mp4", gps=gps, clock="ok", temp_c=48.5, battery_pct=battery_pct, **more,
        )  # fmt: skip
        with self.store.write() as uow:
            devices.record_health(uow, self.kits[kit_id], health, at_ms=at_ms, received_ms=at_ms)

    def learn_clocks(self) -> None:
        """Every kit has said a satellite fix: the centre knows when it was switched on."""
        self.began_ms = self.now_ms() - 4 * 3_600_000
        book = BootBook()
        with self.store.write() as uow:
            for kit in self.kits.values():
                spool_no = self.directory.spool_no(uow, kit.kit_no, f"{kit.kit_no:032x}")
                anchor = book.see(uow, kit.kit_no, BOOT, spool_no, 1, uow.now_ms - self.began_ms)
                book.hear(kit.kit_no, anchor, claim_of_fix(uow.now_ms - 750, uow.now_ms - self.began_ms))
            book.flush(uow)

    def raise_alarm(
        self,
        kit_id: str,
        kind: str = "sos",
        *,
        place: tuple[float, float] | None = None,
        age_ms: int = 0,
        note: str = "",
        alarm_id: str = "",
        recording_id: str | None = None,
    ) -> str:
        """An alarm arrives; returns the incident's id."""
        at_ms = self.now_ms() - age_ms
        fix = Fix(lat=place[0], lon=place[1], fix_ms=at_ms, accuracy_m=5) if place else None
        alarm = Alarm(
            alarm_id=alarm_id or secrets.token_hex(16), kind=kind, pressed_ms=at_ms - 900, fix=fix,
            boot_ms=at_ms - 900 - self.began_ms if self.began_ms else 77_000,
            note=note, recording_id=recording_id,
        )  # fmt: skip
        key = self.next_key(kit_id)
        with self.store.write() as uow:
            outcome = receive_alarm(
                uow, self.kits[kit_id], alarm, key=key, digest=secrets.token_bytes(8), at_ms=at_ms, received_ms=at_ms,
                boot=BOOT if self.began_ms else "",
            )  # fmt: skip
            settle_times(uow, self.kits[kit_id].kit_no, place_kit(uow.session, self.kits[kit_id].kit_no))
        return outcome.incident_id or ""

    def answer(self, kit_id: str, state: str, number: int = 1) -> None:
        """The kit tells what became of a directive."""
        receipt = CommandReceipt(number=number, state=state, at_ms=self.now_ms())
        with self.store.write() as uow:
            assert receive_command_receipt(uow, self.kits[kit_id], receipt, moment=self.moment())

    def moment(self) -> Moment:
        """Now, by the kits' time since boot."""
        return Moment(BOOT, self.now_ms() - self.began_ms) if self.began_ms else UNKNOWN


def make_world(folder: Path) -> World:
    """A migrated database with courts and users, no kit yet."""
    folders = {"data_dir": str(folder / "data"), "keys_dir": str(folder / "keys"), "handover_dir": str(folder)}
    settings = Settings(second_factor="optional", **folders)
    schema.migrate(settings)
    bus = LocalBus()
    store = Store(db.create_engine(db.database_url(settings)), SystemClock(), bus)
    with cheap_hashes(), store.write() as uow:
        courts.seed_courts(uow)
        for login, (name, role, court) in USERS.items():
            people.add_user(
                uow, login=login, name=name, role=role, court_code=court, password=PASSWORD, by="system:test"
            )
    return World(store, settings, bus)


def fill(world: World) -> None:
    """Thirty kits over the twelve counties in every state of presence, with a trail behind each."""
    entries = []
    for number, stem in enumerate(STEMS):
        code = list(SEATS)[number % 12]
        entries.append(
            KitEntry(
                kit_id=f"dl-{code}-{number // 12 + 1:02}", court_code=f"云{code}",
                label=f"执法记录仪 {number + 1:02}", officer=f"样例警官{stem}",
                serials=[f"{number + 1:04x}c0de"], revoked_serials=[],
            )
        )  # fmt: skip
    world.add_kits(entries)
    world.learn_clocks()
    for number, kit_id in enumerate(sorted(world.kits)):
        lat, lon = SEATS[kit_id[3:7]]
        angle, age_ms = number * 2.399, AGES.get(number, 0)
        place = (lat + 0.05 * math.sin(angle), lon + 0.06 * math.cos(angle))
        steps = 24 if number < 4 else 2
        for step in range(steps, -1, -1):
            back = step * 0.0022
            world.move(
                kit_id, place[0] - back * math.cos(angle / 2), place[1] - back * math.sin(angle / 2 + step / 9),
                age_ms=age_ms + step * 15_000, course_deg=math.degrees(angle / 2) % 360,
                speed_mps=0 if number % 3 == 0 else 9,
            )  # fmt: skip
        world.tell_health(
            kit_id, recording=number % 5 == 0, age_ms=age_ms, queue=number * 3 if number % 10 == 0 else 0,
            battery_pct=95 - number * 2, power="battery", memory_pct=41 + number, card="ok", storage="ok",
            clock_source="gps", clock_error_ms=40, certificate_until_ms=world.now_ms() + 200 * 86_400_000,
        )  # fmt: skip
