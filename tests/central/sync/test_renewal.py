"""A kit that reaches the zone alone renews its certificate: real zone, link and authority, the kit's own code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central.base.settings import SettingsError, load_settings
from central.base.unit_of_work import open_store
from contract import door_auth
from contract.enrolment import parse_token
from contract.renewal import MEDIA_TYPE, RenewalRequest, sign_request
from edge.enrol import enrol
from edge.options import DoorSettings
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.uplink.carried_renewal import CarriedRenewal
from edge.uplink.door import Door
from edge.uplink.est import make_signing_request
from edge.uplink.renewal import LONGEST_WAIT_S, Renewer
from provisioning import authority
from provisioning.authority import Authority
from provisioning.est import EstServer
from provisioning.handover import STATE_FILE
from provisioning.state import open_transaction
from provisioning.zone import equip_zone
from tests.central.sync.conftest import Centre, free_port
from tests.central.sync.pki import Pki
from tests.fakes.clocks import FakeClock
from tests.provisioning.kit_side import PASSPHRASE, MovingClock, serving
from tests.waiting import wait_until

NOWHERE = "https://127.0.0.1:9"
"""The authority's address as a kit in the field knows it: nobody answers there."""


@dataclass
class World:
    """Zone, inside and authority; kits are enrolled 250 days ago, at a desk inside."""

    zone: Centre
    inside: Centre
    desk: Authority
    server: EstServer
    clock: MovingClock
    folder: Path
    starts: int = 0
    doors: list[Door] = field(default_factory=list)

    def start_link(self) -> None:
        self.inside.start("link")
        log = self.inside.folder / "link.log"
        self.starts += 1
        wait_until(lambda: log.read_text().count("link: ready") >= self.starts, 30, "the link to be ready")

    def held(self) -> list[Path]:
        return list((self.zone.folder / "data" / "zone" / "held").glob("*.body"))

    def enrol(self, kit_id: str) -> FieldKit:
        self.clock.move(days=-250)
        url = f"https://127.0.0.1:{self.server.port}"
        token = self.desk.add_kit(kit_id, court_code="云2901", label="样例", officer="样例警官甲", est_url=url)
        enrol(parse_token(token), self.folder / kit_id)
        self.clock.move(days=250)
        return FieldKit(self, self.folder / kit_id)

    def count_issued(self, kit_id: str) -> int:
        with open_transaction(self.desk.folder / STATE_FILE) as transaction:
            return len(transaction.list_certificates(kit_id))


class FieldKit:
    """The kit's own renewal over its own door to the zone; only its sense of minutes is the test's."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder, self.minutes = world, folder, FakeClock()
        self.identity = Identity(folder)
        self.door = self.open_door(self.identity)
        self.renewer = Renewer(
            self.identity, TrustedTime(self.identity.floor_ms()), NOWHERE, monotonic_s=self.minutes.monotonic_s
        )
        self.renewer.carried = CarriedRenewal(self.door)

    def open_door(self, identity: Identity) -> Door:
        settings = DoorSettings(url=f"https://127.0.0.1:{self.world.zone.settings.door_port}")
        self.world.doors.append(Door(settings, identity, TrustedTime(identity.floor_ms())))
        return self.world.doors[-1]

    def turn(self) -> bool:
        """As after the longest wait somebody told it."""
        self.minutes.advance(s=LONGEST_WAIT_S)
        return self.renewer.turn()

    def renew(self) -> x509.Certificate:
        """Ask until it is there: on a busy machine the zone may say "held" at first."""
        wait_until(self.turn, 60, "the next certificate")
        return self.leaf()

    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / "device.crt").read_bytes())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("renewal")
    inside_dir, zone_dir = folder / "inside", folder / "zone"
    clock = MovingClock()
    clock.move(days=-300)
    desk = authority.create(
        folder / "authority",
        centre_folder=inside_dir,
        escrow_file=folder / "escrow.age",
        passphrase=PASSPHRASE,
        hosts=["127.0.0.1", "localhost"],
        est_url=NOWHERE,
        clock=clock,
        work_factor=4,
    )
    equip_zone(desk, zone_dir, ["127.0.0.1", "localhost"])
    clock.move(days=300)
    ports = {name: free_port() for name in ("mqtt_port", "nats_port", "door_port", "zone_port")}
    lines = [f"{name} = {port}" for name, port in ports.items()]
    (zone_dir / "centre.toml").write_text("\n".join(['role = "zone"', *lines, "evidence_min_free_bytes = 0", ""]))
    (inside_dir / "data").mkdir(exist_ok=True)
    shutil.copy(migrated_database, inside_dir / "data" / "centre.db")
    with ExitStack() as stack:
        server = stack.enter_context(serving(desk))
        own = [f"{name} = {free_port()}" for name in ("mqtt_port", "nats_port", "door_port", "web_port")]
        own += [f'zone_url = "https://127.0.0.1:{ports["zone_port"]}"', 'zone_broker_url = "tls://127.0.0.1:9"']
        own += [f'authority_url = "https://127.0.0.1:{server.port}"', 'role = "inside"']
        (inside_dir / "centre.toml").write_text("\n".join([*own, ""]))
        centres = []
        for place in (zone_dir, inside_dir):
            settings = load_settings(place / "centre.toml", environ={})
            store = open_store(settings)
            centre = Centre(place, cast(Pki, None), settings, store, {}, X25519PrivateKey.generate())
            stack.callback(centre.stop)
            centres.append(centre)
        world = World(centres[0], centres[1], desk, server, clock, folder)
        world.zone.start("zone")
        world.zone.wait_port(ports["door_port"])
        world.zone.wait_port(ports["zone_port"])
        world.start_link()
        yield world


@pytest.fixture(autouse=True)
def closed_doors(world: World) -> Iterator[None]:
    yield
    while world.doors:
        world.doors.pop().close()


def test_it_renews_through_the_zone_and_is_known_there_at_once(world: World) -> None:
    kit = world.enrol("dl-2901-01")
    wait_until(lambda: kit.door.get("/v1/trust").status == 200, 20, "the zone to know the kit")
    old = kit.leaf()
    fresh = kit.renew()
    assert fresh.public_key() == old.public_key() and fresh.not_valid_after_utc > old.not_valid_after_utc
    fresh.verify_directly_issued_by(world.desk.kits_ca.certificate)
    # No moment between: the register that names it was in force in zone and inside before the answer.
    door = kit.open_door(Identity(kit.folder))
    assert door.get("/v1/trust").status == 200
    answer = wait_until(
        lambda: (
            told
            if (told := door.post(door_auth.chain_path(bytes(16)), b"x", "application/cbor")).status != 202
            else None
        ),
        30,
        "the inside's answer",
    )
    assert (answer.status, answer.problem) == (400, door_auth.BAD_REQUEST), "judged by what it says, not by who it is"
    assert world.count_issued("dl-2901-01") == 2
    assert not (world.zone.folder / "keys" / "kits-ca.key").exists(), "what issues stands at the authority alone"


def test_asked_while_the_inside_is_away_it_comes_when_that_is_back(world: World) -> None:
    kit = world.enrol("dl-2901-02")
    wait_until(lambda: kit.door.get("/v1/trust").status == 200, 20, "the zone to know the kit")
    world.inside.kill("link")
    for _ in range(3):
        wait_until(lambda: not kit.turn() and "holds the renewal" in kit.renewer.trouble, 30, "the zone to hold it")
    assert len(world.held()) == 1, "asked again it is the same request"
    assert world.count_issued("dl-2901-02") == 1
    world.start_link()
    kit.renew()
    assert world.count_issued("dl-2901-02") == 2, "and one certificate"
    wait_until(lambda: not world.held(), 20, "the zone to be empty")


def test_what_a_zone_keeps_and_plays_again_brings_nothing_new(world: World) -> None:
    kit = world.enrol("dl-2901-03")
    wait_until(lambda: kit.door.get("/v1/trust").status == 200, 20, "the zone to know the kit")
    world.inside.kill("link")
    assert not kit.turn()
    wait_until(world.held, 20, "it to be held")
    (body,) = world.held()
    kept = {path.name: path.read_bytes() for path in (body, body.with_suffix(".json"))}
    world.start_link()
    kit.renew()
    for _ in range(2):
        world.zone.kill("zone")
        for name, data in kept.items():
            (body.parent / name).write_bytes(data)
        world.zone.start("zone")
        world.zone.wait_port(world.zone.settings.door_port)
        wait_until(lambda: not world.held(), 30, "the inside to answer")
    assert world.count_issued("dl-2901-03") == 2


def test_a_revoked_kit_gets_none(world: World) -> None:
    kit = world.enrol("dl-2901-04")
    wait_until(lambda: kit.door.get("/v1/trust").status == 200, 20, "the zone to know the kit")
    world.desk.revoke("dl-2901-04", reason="lost")
    wait_until(lambda: kit.door.get("/v1/trust").problem == door_auth.REVOKED, 20, "the zone to know it")
    assert not kit.turn()
    assert world.count_issued("dl-2901-04") == 1


def test_the_authoritys_refusal_is_told_in_its_own_words(world: World) -> None:
    """Its certificate is none of the kit's any more in the authority's book, but not yet in the zone's register."""
    kit = world.enrol("dl-2901-05")
    wait_until(lambda: kit.door.get("/v1/trust").status == 200, 20, "the zone to know the kit")
    with open_transaction(world.desk.folder / STATE_FILE) as transaction:
        transaction.revoke_certificates("dl-2901-05", 1)
    wait_until(
        lambda: not kit.turn() and "refuses: This certificate was revoked" in kit.renewer.trouble, 30, "its sentence"
    )


def test_with_the_authority_away_nothing_is_held_and_the_kit_comes_again(world: World) -> None:
    kit = world.enrol("dl-2901-06")
    wait_until(lambda: kit.door.get("/v1/trust").status == 200, 20, "the zone to know the kit")
    world.inside.kill("link")
    config = world.inside.folder / "centre.toml"
    text = config.read_text()
    config.write_text(text.replace(f":{world.server.port}", f":{free_port()}"))
    world.start_link()
    wait_until(
        lambda: not kit.turn() and not world.held() and "does not answer" in kit.renewer.trouble, 30, "to know"
    )
    world.inside.kill("link")
    config.write_text(text)
    world.start_link()
    kit.renew()
    assert world.count_issued("dl-2901-06") == 2


def test_a_centre_that_knows_no_authority_says_so(world: World) -> None:
    kit = world.enrol("dl-2901-07")
    wait_until(lambda: kit.door.get("/v1/trust").status == 200, 20, "the zone to know the kit")
    world.inside.kill("link")
    config = world.inside.folder / "centre.toml"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if "authority_url" not in line))
    world.start_link()

    request = RenewalRequest(kit_id=kit.identity.kit_id, serial="a1", csr=b"x")
    statement = sign_request(kit.identity.key, request)

    def ask() -> str:
        return kit.door.post(door_auth.RENEWAL_PATH, statement, MEDIA_TYPE).detail

    wait_until(lambda: "(authority_url)" in ask(), 30, "the centre's word")
    config.write_text("\n".join([*lines, ""]))
    world.inside.kill("link")
    world.start_link()


def test_a_kit_asks_for_itself_alone(world: World) -> None:
    kit, other = world.enrol("dl-2901-08"), world.enrol("dl-2901-09")
    wait_until(lambda: kit.door.get("/v1/trust").status == 200, 20, "the zone to know the kit")
    serial = f"{other.identity.chain[0].serial_number:x}"
    request = RenewalRequest(
        kit_id="dl-2901-09", serial=serial, csr=make_signing_request(kit.identity.key, "dl-2901-09")
    )
    statement = sign_request(other.identity.key, request)

    def ask() -> str:
        return kit.door.post(door_auth.RENEWAL_PATH, statement, MEDIA_TYPE).detail

    wait_until(lambda: "its own certificate alone" in ask(), 30, "the inside's word")
    assert world.count_issued("dl-2901-09") == 1


def test_the_authoritys_address_is_https(tmp_path: Path) -> None:
    path = tmp_path / "centre.toml"
    path.write_text('authority_url = "authority.example:8443"')
    with pytest.raises(SettingsError, match="authority_url is no https address"):
        load_settings(path, environ={})
