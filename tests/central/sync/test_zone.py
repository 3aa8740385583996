"""The zone's doors and the inside's link, as the processes they are: held, answered, refused, full, killed."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from central.base.settings import load_settings
from central.main import main
from central.sync.zone_store import Held
from contract import door_auth
from contract.receipts import verify_segment_receipt
from contract.signing import dumps
from tests.central.sync.conftest import Centre, free_port, make_centre
from tests.central.sync.kit_client import Answer
from tests.central.sync.recorder import Recorder
from tests.waiting import wait_until

KIT, LOST, GONE = "dl-2901-01", "dl-2901-02", "yb-2922-01"
ZONE_KEYS = ("server.crt", "server.key", "kits-ca.crt", "services-ca.crt", "root.crt")
MEGABYTE = 1024 * 1024


@dataclass
class TwoRoles:
    """A zone and an inside in two folders, one machine between them; nothing runs yet."""

    zone: Centre
    inside: Centre
    starts: int = 0

    def start_zone(self) -> None:
        self.zone.start("zone")
        self.zone.wait_port(self.zone.settings.door_port)

    def start_inside(self) -> None:
        """The link alone: the door of the inside is in it."""
        self.inside.start("link")
        log = self.inside.folder / "link.log"
        self.starts += 1
        wait_until(lambda: log.read_text().count("link: ready") >= self.starts, 20, "the link to be ready")

    @property
    def held(self) -> list[Path]:
        return sorted((self.zone.folder / "data" / "zone" / "held").glob("*.body"))

    def describe(self, body: Path) -> Held:
        return msgspec.json.decode(body.with_suffix(".json").read_bytes(), type=Held)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Iterator[TwoRoles]:
    """Both folders; the tests stand in an order: at first nothing runs, then the zone, then also the link."""
    inside, zone = (make_centre(tmp_path_factory.mktemp(name), migrated_database) for name in ("inside", "zone"))
    for name in ("centre.age", "receipt.key"):
        (zone.folder / "keys" / name).unlink()
    for name in ZONE_KEYS:
        (zone.folder / "keys" / name).write_bytes((inside.folder / "keys" / name).read_bytes())
    for name in ("registry.cbor", "trust.cbor"):
        (zone.folder / "handover" / name).write_bytes((inside.folder / "handover" / name).read_bytes())
    (zone.folder / "data" / "centre.db").unlink()
    hand_over(inside)
    zone_port = free_port()
    with (zone.folder / "centre.toml").open("a") as file:
        file.write(f'\nrole = "zone"\nzone_port = {zone_port}\nzone_hold_max_bytes = {2 * MEGABYTE}\n')
        file.write("evidence_min_free_bytes = 0\n")
    with (inside.folder / "centre.toml").open("a") as file:
        file.write(f'\nrole = "inside"\nzone_url = "https://localhost:{zone_port}"\n')
        file.write(f'zone_broker_url = "tls://localhost:{zone.settings.nats_port}"\n')
    zone.pki, zone.kits = inside.pki, inside.kits
    for centre in (zone, inside):
        centre.settings = load_settings(centre.folder / "centre.toml", environ={})
    yield TwoRoles(zone, inside)
    zone.stop()
    inside.stop()


def hand_over(inside: Centre) -> None:
    """The authority's register, for the inside and without people for the zone; these specimens name none."""
    inside.write_registry()
    folder = inside.folder / "handover"
    draft = folder / "draft"
    draft.write_bytes((folder / "registry.cbor").read_bytes())
    draft.rename(folder / "registry-zone.cbor")


class ZoneKit:
    """One kit at the zone's door, with a recording of two segments of which nothing was sent yet."""

    def __init__(self, two: TwoRoles, kit_id: str = KIT) -> None:
        self.door = two.zone.door(kit_id)
        self.recorder = Recorder(two.inside.kits[kit_id], kit_id, [two.inside.centre_identity.public_key()])
        self.recorder.open()
        self.recorder.segment()
        self.recorder.segment()

    def post_records(self) -> Answer:
        body = dumps([list(record) for record in self.recorder.records])
        return self.door.request("POST", door_auth.chain_path(self.recorder.recording_id), body)

    def where(self, seq: int) -> str:
        return door_auth.segment_path(self.recorder.recording_id, seq)

    def put(self, seq: int) -> Answer:
        return self.door.request("PUT", self.where(seq), self.recorder.sealed[seq])

    def tell_offset(self, seq: int) -> int:
        return int(self.door.request("HEAD", self.where(seq)).headers[door_auth.OFFSET_HEADER.lower()])

    def ask_again(self, seq: int) -> Answer:
        """As a kit does that was told "held": how far did it come, and then the rest, which is nothing."""
        offset = self.tell_offset(seq)
        assert offset == len(self.recorder.sealed[seq])
        return self.send_rest(seq, offset)

    def send_rest(self, seq: int, offset: int) -> Answer:
        body = self.recorder.sealed[seq]
        headers = {
            "Authorization": f"Bearer {self.door.token('PUT', self.where(seq), body)}",
            door_auth.OFFSET_HEADER: str(offset),
            "Content-Length": str(len(body) - offset),
        }
        return self.door.send("PUT", self.where(seq), body[offset:], headers)


def wait_answer(ask: Callable[[], Answer]) -> Answer:
    """Ask until the inside has answered: on a busy machine the zone may say "held" at first."""
    return wait_until(lambda: answer if (answer := ask()).status != 202 else None, 30, "the inside's answer")


@pytest.mark.parametrize("name", ["receipt.key", "centre.age", "fields.json"])
def test_a_zone_does_not_start_beside_a_key_of_the_inside(
    two: TwoRoles, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = two.inside.folder / "keys" / name, two.zone.folder / "keys" / name
    target.write_bytes(source.read_bytes() if source.exists() else b"{}")
    try:
        assert main(["--config", str(two.zone.folder / "centre.toml")]) == 2
    finally:
        target.unlink()
    assert f"{name} is a key that belongs to the inside alone" in capsys.readouterr().err


def test_held_while_the_inside_is_away_and_receipted_when_it_comes(two: TwoRoles) -> None:
    two.start_zone()
    kit = ZoneKit(two)
    for answer in (kit.post_records(), kit.put(1)):
        assert (answer.status, answer.problem["type"]) == (202, door_auth.HELD)
        assert int(answer.headers["retry-after"]) >= 5
    assert len(two.held) == 2
    assert kit.ask_again(1).status == 202
    assert kit.put(1).status == 202
    assert len(two.held) == 2, "a repeat is the same request"
    two.start_inside()
    answer = wait_answer(lambda: kit.ask_again(1))
    assert answer.status == 201
    receipt = verify_segment_receipt([two.inside.pki.receipt_key.public_key()], answer.body)
    assert (receipt.recording_id, receipt.seq) == (kit.recorder.recording_id, 1)
    assert wait_answer(lambda: kit.put(2)).status == 201
    assert kit.ask_again(1).body == answer.body, "a receipt is given as often as it is asked for"
    assert two.inside.scalar("SELECT count(*) FROM stored_segment") == 2
    wait_until(lambda: not two.held, 10, "the zone to be empty")


def test_the_insides_refusal_reaches_the_kit_and_is_given_once(two: TwoRoles) -> None:
    kit = ZoneKit(two)
    answer = wait_answer(lambda: kit.put(1))
    assert (answer.status, answer.problem["type"]) == (409, door_auth.CHAIN_RECORD_MISSING)
    assert wait_answer(kit.post_records).status == 200
    assert wait_answer(lambda: kit.put(1)).status == 201


def test_a_segment_that_came_in_part_goes_on_from_there(two: TwoRoles) -> None:
    kit = ZoneKit(two)
    assert wait_answer(kit.post_records).status == 200
    body, path = kit.recorder.sealed[1], kit.where(1)
    half = len(body) // 2
    connection = http.client.HTTPSConnection("127.0.0.1", kit.door.port, context=kit.door._context, timeout=20)
    connection.putrequest("PUT", path)
    connection.putheader("Authorization", f"Bearer {kit.door.token('PUT', path, body)}")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:half])
    kit.door.nonce = ""
    wait_until(lambda: kit.tell_offset(1) == half, 10, "the part to be written")  # asking ends the older request
    connection.close()
    answer = kit.send_rest(1, 3)
    assert (answer.status, answer.problem["type"]) == (409, door_auth.OFFSET_MISMATCH)
    answer = kit.send_rest(1, half)
    assert (answer if answer.status != 202 else wait_answer(lambda: kit.ask_again(1))).status == 201


def test_what_exceeds_the_zones_room_is_not_begun(two: TwoRoles) -> None:
    kit = ZoneKit(two)
    answer = kit.door.request("PUT", kit.where(1), bytes(2 * MEGABYTE + 1))
    assert (answer.status, answer.problem["type"]) == (507, door_auth.STORE_FULL)
    assert two.held == []


def test_an_unproven_or_changed_request_is_not_held(two: TwoRoles) -> None:
    kit = ZoneKit(two)
    assert kit.door.send("PUT", kit.where(1), b"x", {"Authorization": "Bearer none"}).status == 401
    body = kit.recorder.sealed[1]
    assert kit.door.request("PUT", kit.where(1), body, bh=door_auth.body_hash(bytes(32))).status == 400
    assert two.held == []


def test_neither_strangers_nor_kits_nor_the_outer_door_lead_to_the_inner_one(two: TwoRoles) -> None:
    two.zone.wait_port(two.zone.settings.zone_port)
    kit = two.inside.pki.kit_context(two.inside.kits[KIT], two.inside.folder / "kit")
    stranger = ssl.create_default_context(cadata=two.inside.pki.root.cert_pem().decode())
    for context in (kit, stranger):
        connection = http.client.HTTPSConnection(
            "localhost", two.zone.settings.zone_port, context=context, timeout=10
        )
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            connection.request("GET", "/inside/held")
            connection.getresponse()
        connection.close()
    assert ZoneKit(two).door.send("GET", "/inside/held").status == 404


def test_killed_it_still_holds_and_what_was_changed_meanwhile_is_refused_inside(two: TwoRoles) -> None:
    """A conquered zone alters a body, and claims another for another place: the kit's proof fits neither."""
    two.inside.kill("link")
    kit = ZoneKit(two)
    other = ZoneKit(two)
    for each in (kit, other):
        each.post_records()
        each.put(1)
    other.put(2)
    two.zone.kill("zone")
    (two.zone.folder / "data" / "zone" / "held" / f"{'0' * 32}-{'1' * 64}.json").write_bytes(b"half")
    mine = {two.describe(body).path: body for body in two.held}
    changed, moved = mine[other.where(1)], mine[other.where(2)]
    changed.write_bytes(bytes([changed.read_bytes()[0] ^ 1]) + changed.read_bytes()[1:])
    held = msgspec.structs.replace(two.describe(moved), path=other.where(7))
    moved.with_suffix(".json").write_bytes(msgspec.json.encode(held))
    before = two.inside.scalar("SELECT count(*) FROM stored_segment")
    two.start_zone()
    two.start_inside()
    kit.door.nonce = other.door.nonce = ""  # they were of the zone's door that died
    assert wait_answer(lambda: kit.ask_again(1)).status == 201
    wait_until(lambda: not two.held, 20, "the inside to judge")
    assert two.inside.scalar("SELECT count(*) FROM stored_segment") == before + 1
    # The kit still has both: it is told of the refusal once, sends them as they are, and nothing was lost.
    refused = [wait_answer(lambda seq=seq: other.put(seq)).status for seq in (1, 2)]  # type: ignore[misc]
    assert refused == [400, 401]
    assert [wait_answer(lambda seq=seq: other.put(seq)).status for seq in (1, 2)] == [201, 201]  # type: ignore[misc]


def test_a_register_goes_out_at_once_and_an_older_one_changes_nothing(two: TwoRoles) -> None:
    kit = ZoneKit(two, LOST)
    assert wait_answer(kit.post_records).status == 200
    register = two.zone.folder / "handover" / "registry.cbor"
    older = register.read_bytes()
    two.inside.revoked.add(LOST)
    hand_over(two.inside)

    def is_refused() -> bool:
        answer = kit.put(1)
        return answer.status == 403 and answer.problem["type"] == door_auth.REVOKED

    wait_until(lambda: register.read_bytes() != older, 10, "the register to be brought out")
    wait_until(is_refused, 2, "the zone to refuse the revoked kit")
    register.write_bytes(older)
    log = two.zone.folder / "zone.log"
    wait_until(lambda: "not applied" in log.read_text(), 10, "the older register to be refused")
    assert is_refused()


def test_of_a_kit_revoked_before_the_inside_came_everything_is_kept_aside(two: TwoRoles) -> None:
    two.inside.kill("link")
    kit = ZoneKit(two, GONE)
    kit.put(1)
    two.inside.revoked.add(GONE)
    hand_over(two.inside)
    two.start_inside()
    aside = two.zone.folder / "data" / "zone" / "aside"
    mine = kit.recorder.sealed[1]
    wait_until(lambda: any(body.read_bytes() == mine for body in aside.glob("*.body")), 30, "it to be set aside")
    assert two.held == []
