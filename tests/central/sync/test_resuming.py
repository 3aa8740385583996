"""A segment that a cut interrupted goes on where it came to: the real door, the real uploader, cut connections."""

from __future__ import annotations

import hashlib
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from central.evidence.vault import part_name
from central.sync.cutting import MAX_PER_KIT, TOO_MANY
from contract import door_auth
from contract.receipts import verify_segment_receipt
from contract.signing import dumps
from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import Answer, DoorKit
from tests.central.sync.recorder import Recorder
from tests.fakes.cutting_relay import CuttingRelay
from tests.fakes.upload_kit import UploadKit, write_identity
from tests.waiting import wait_until

KIT, OTHER = "dl-2901-01", "yb-2922-01"
SIZE = 300_000


@pytest.fixture(scope="module", autouse=True)
def serving(centre: Centre) -> Iterator[None]:
    centre.start("door")
    centre.wait_port(centre.settings.door_port)
    yield


@pytest.fixture
def door(centre: Centre) -> DoorKit:
    return centre.door(KIT)


@pytest.fixture
def recorder(centre: Centre, door: DoorKit) -> Recorder:
    """A recording of one segment, its records at the centre."""
    recorder = Recorder(centre.kits[KIT], KIT, [centre.centre_identity.public_key()])
    recorder.open()
    recorder.segment(random.Random(1).randbytes(SIZE))
    body = dumps([list(record) for record in recorder.records])
    assert door.request("POST", door_auth.chain_path(recorder.recording_id), body).status == 200
    return recorder


class HalfSent:
    """A PUT of which only a part has been sent, its connection still open."""

    def __init__(
        self, centre: Centre, door: DoorKit, recorder: Recorder, sent: int, *, offset: int = 0, seq: int = 1
    ) -> None:
        self.path = door_auth.segment_path(recorder.recording_id, seq)
        whole = recorder.sealed[seq]
        head = [
            f"PUT {self.path} HTTP/1.1",
            "Host: door",
            f"Authorization: Bearer {door.token('PUT', self.path, whole)}",
            f"Content-Length: {len(whole) - offset}",
            f"{door_auth.OFFSET_HEADER}: {offset}",
        ]
        door.nonce = ""
        context = ssl.create_default_context(cadata=centre.pki.root.cert_pem().decode())
        raw = socket.create_connection(("127.0.0.1", centre.settings.door_port))
        self.socket = context.wrap_socket(raw, server_hostname="127.0.0.1")
        self.socket.sendall("\r\n".join([*head, "", ""]).encode() + whole[offset : offset + sent])

        self.part = (
            centre.folder
            / "data"
            / "evidence"
            / "incoming"
            / part_name(recorder.rid, seq, hashlib.sha256(whole).digest())
        )

    def is_being_received(self) -> bool:
        return self.part.exists()

    def close(self) -> None:
        self.socket.close()


def ask(door: DoorKit, recorder: Recorder) -> int:
    answer = door.request("HEAD", door_auth.segment_path(recorder.recording_id, 1))
    assert answer.status == 200, answer
    return int(answer.headers[door_auth.OFFSET_HEADER.lower()])


def send_part(centre: Centre, door: DoorKit, recorder: Recorder, length: int) -> None:
    """Send so much and no more; what the door had not read yet when it was asked is sent again."""
    while (at := ask(door, recorder)) < length:
        half = HalfSent(centre, door, recorder, length - at, offset=at)
        wait_until(half.is_being_received, 5)
        half.close()


def put_rest(door: DoorKit, recorder: Recorder, offset: int, whole: bytes | None = None) -> Answer:
    whole = recorder.sealed[1] if whole is None else whole
    path = door_auth.segment_path(recorder.recording_id, 1)
    headers = {
        "Authorization": f"Bearer {door.token('PUT', path, recorder.sealed[1])}",
        door_auth.OFFSET_HEADER: str(offset),
    }
    return door.send("PUT", path, whole[offset:], headers)


def check_receipt(centre: Centre, recorder: Recorder, answer: Answer) -> None:
    receipt = verify_segment_receipt([centre.pki.receipt_key.public_key()], answer.body)
    assert receipt.cipher_hash == hashlib.sha256(recorder.sealed[1]).digest()
    stored = centre.folder / "data" / "evidence" / recorder.rid / "000001.age"
    assert stored.read_bytes() == recorder.sealed[1]


class TestTheDoor:
    def test_tells_how_far_a_cut_segment_came(self, centre: Centre, door: DoorKit, recorder: Recorder) -> None:
        assert ask(door, recorder) == 0
        send_part(centre, door, recorder, 123_456)
        offset = ask(door, recorder)
        assert offset == 123_456
        answer = put_rest(door, recorder, offset)
        assert answer.status == 201, answer
        check_receipt(centre, recorder, answer)
        assert ask(door, recorder) == len(recorder.sealed[1])

    def test_takes_a_segment_over_from_a_connection_that_still_seems_open(
        self, centre: Centre, door: DoorKit, recorder: Recorder
    ) -> None:
        """A tunnel: the centre hears nothing of the end, and what had come is there all the same."""
        tunnel = HalfSent(centre, door, recorder, 200_000)
        wait_until(tunnel.is_being_received, 5)
        offset = ask(door, recorder)
        assert 0 < offset <= 200_000, "asking made the older request write down what it held"
        tunnel.socket.settimeout(5)
        assert b" 409 " in tunnel.socket.recv(4096), "the older request was ended"
        answer = put_rest(door, recorder, offset)
        assert answer.status == 201
        check_receipt(centre, recorder, answer)
        tunnel.close()

    def test_gives_the_receipt_again_without_the_bytes(
        self, centre: Centre, door: DoorKit, recorder: Recorder
    ) -> None:
        first = put_rest(door, recorder, 0)
        again = put_rest(door, recorder, len(recorder.sealed[1]))
        assert (first.status, again.status) == (201, 200) and first.body == again.body

    def test_an_old_request_that_was_overtaken_leaves_nothing_behind(
        self, centre: Centre, door: DoorKit, recorder: Recorder
    ) -> None:
        """Under load a request whose connection is long cut may be begun after the segment came by another."""
        assert put_rest(door, recorder, 0).status == 201
        old = HalfSent(centre, door, recorder, 100_000)
        wait_until(old.is_being_received, 5)
        old.close()
        wait_until(lambda: not old.is_being_received(), 5)
        check_receipt(centre, recorder, put_rest(door, recorder, len(recorder.sealed[1])))

    def test_one_kit_does_not_fill_the_door(self, centre: Centre, door: DoorKit) -> None:
        """In wrong hands it begins body after body and ends none; the others go on, and so does it in the end."""
        many = Recorder(centre.kits[KIT], KIT, [centre.centre_identity.public_key()])
        many.open()
        for _ in range(MAX_PER_KIT + 1):
            many.segment(b"x" * 1000)
        body = dumps([list(record) for record in many.records])
        for _ in range(3 * MAX_PER_KIT):  # those answered do not count, refused ones neither
            assert door.request("PUT", door_auth.segment_path(many.recording_id, 1), many.sealed[1]).status == 409
        assert door.request("POST", door_auth.chain_path(many.recording_id), body).status == 200
        held = [HalfSent(centre, door, many, 10, seq=seq) for seq in range(1, MAX_PER_KIT + 1)]
        wait_until(lambda: all(one.is_being_received() for one in held), 20)
        last = door_auth.segment_path(many.recording_id, MAX_PER_KIT + 1)
        answer = door.request("PUT", last, many.sealed[MAX_PER_KIT + 1])
        assert (answer.status, answer.problem["type"]) == (429, TOO_MANY)
        assert centre.door(OTHER).request("GET", "/v1/trust").status == 200
        for one in held:
            one.close()
        wait_until(lambda: door.request("PUT", last, many.sealed[MAX_PER_KIT + 1]).status == 201, 20)

    def test_an_unread_file_is_no_ground_for_a_receipt(
        self, centre: Centre, door: DoorKit, recorder: Recorder
    ) -> None:
        assert put_rest(door, recorder, 0).status == 201
        stored = centre.folder / "data" / "evidence" / recorder.rid / "000001.age"
        stored.write_bytes(b"rot")
        answer = put_rest(door, recorder, len(recorder.sealed[1]))
        assert answer.status == 409 and answer.problem["type"] == door_auth.OFFSET_MISMATCH
        assert put_rest(door, recorder, 0).status == 200
        assert stored.read_bytes() == recorder.sealed[1]

    @pytest.mark.parametrize("offset", [1, 99_999, 100_001, SIZE])
    def test_a_rest_that_does_not_fit_is_refused(
        self, centre: Centre, door: DoorKit, recorder: Recorder, offset: int
    ) -> None:
        send_part(centre, door, recorder, 100_000)
        answer = put_rest(door, recorder, offset)
        assert (answer.status, answer.problem["type"]) == (409, door_auth.OFFSET_MISMATCH)
        assert ask(door, recorder) == 100_000, "and harms nothing"

    def test_a_rest_of_something_else_is_dropped_with_its_part(
        self, centre: Centre, door: DoorKit, recorder: Recorder
    ) -> None:
        send_part(centre, door, recorder, 100_000)
        answer = put_rest(door, recorder, 100_000, whole=bytes(len(recorder.sealed[1])))
        assert (answer.status, answer.problem["type"]) == (400, door_auth.DIGEST_MISMATCH)
        assert ask(door, recorder) == 0, "from the beginning, then"
        assert put_rest(door, recorder, 0).status == 201

    @pytest.mark.parametrize("said", ["-1", "x", "1" * 20, "１２"])
    def test_an_offset_that_is_none_is_refused(self, door: DoorKit, recorder: Recorder, said: str) -> None:
        path = door_auth.segment_path(recorder.recording_id, 1)
        headers = {"Authorization": f"Bearer {door.token('PUT', path, recorder.sealed[1])}"}
        answer = door.send("PUT", path, b"x", {**headers, door_auth.OFFSET_HEADER: said.encode().decode("latin-1")})
        assert (answer.status, answer.problem["type"]) == (400, door_auth.BAD_REQUEST)

    def test_another_kit_learns_and_adds_nothing(self, centre: Centre, door: DoorKit, recorder: Recorder) -> None:
        send_part(centre, door, recorder, 100_000)
        stranger = centre.door(OTHER)
        answer = stranger.request("HEAD", door_auth.segment_path(recorder.recording_id, 1))
        assert answer.status == 403 and door_auth.OFFSET_HEADER.lower() not in answer.headers
        assert put_rest(stranger, recorder, 100_000).problem["type"] == door_auth.FOREIGN_RECORDING

    def test_what_would_be_refused_is_refused_before_its_body(
        self, centre: Centre, door: DoorKit, recorder: Recorder
    ) -> None:
        """On a thin link the body would cost a minute for nothing."""
        recorder.segment()
        path = door_auth.segment_path(recorder.recording_id, 2)
        headers = {
            "Authorization": f"Bearer {door.token('PUT', path, recorder.sealed[2])}",
            "Content-Length": str(len(recorder.sealed[2])),
        }
        answer = door.send("PUT", path, b"", headers)
        assert (answer.status, answer.problem["type"]) == (409, door_auth.CHAIN_RECORD_MISSING)


@pytest.fixture
def make_kit(centre: Centre, tmp_path: Path) -> Iterator[Callable[[int], UploadKit]]:
    made: list[UploadKit] = []

    def make(port: int) -> UploadKit:
        folder = tmp_path / f"kit-{len(made)}"
        trust = (centre.folder / "handover" / "trust.cbor").read_bytes()
        write_identity(folder, centre.pki, centre.kits[KIT], trust)
        made.append(UploadKit(folder, port))
        return made[-1]

    yield make
    for kit in made:
        kit.close()


def check_arrived(centre: Centre, kit: UploadKit) -> None:
    folder = centre.folder / "data" / "evidence" / kit.rid
    for seq, digest in kit.digests.items():
        assert hashlib.sha256((folder / f"{seq:06d}.age").read_bytes()).digest() == digest
    assert centre.scalar("SELECT count(*) FROM stored_segment WHERE recording_id = :id", id=kit.rid) == len(
        kit.digests
    )
    assert kit.spool.vault.count_pending() == 0
    assert not list((centre.folder / "data" / "evidence" / "incoming").glob(f"{kit.rid}*")), "no part is left"


class TestTheKit:
    @pytest.mark.parametrize("is_silent", [False, True], ids=["told", "untold"])
    def test_cut_at_random_offsets_everything_arrives_and_hardly_anything_twice(
        self, centre: Centre, make_kit: Callable[[int], UploadKit], is_silent: bool
    ) -> None:
        chance = random.Random(20)
        # Of a longer piece a busy machine's door may not have read all when it is cut, and so cannot keep it.
        cuts = [chance.randrange(5_000, 60_000) for _ in range(35)]
        relay = CuttingRelay(centre.settings.door_port, cuts, is_silent=is_silent)
        kit = make_kit(relay.port)
        for size in (400_000, 250_000, 90_000, 20_000, 1_000, 600_000):
            kit.add(size)
        kit.upload_all()
        check_arrived(centre, kit)
        total = 400_000 + 250_000 + 90_000 + 20_000 + 1_000 + 600_000
        # A handshake, an offset and a proof for each of the connections, and 2 % of the whole for what was lost.
        assert relay.bytes_up < total * 1.02 + relay.connections * 20_000
        assert relay.connections > 12
        relay.close()

    def test_a_killed_control_process_goes_on_where_it_was(
        self, centre: Centre, make_kit: Callable[[int], UploadKit]
    ) -> None:
        relay = CuttingRelay(centre.settings.door_port, [280_000] + [100] * 5)
        kit = make_kit(relay.port)
        seq = kit.add(400_000)
        kit.turn_until_idle()
        assert kit.spool.vault.count_pending() == 1
        kit.spool.state.set("upload_begun", [kit.rid, seq])  # what a slow link makes the uploader write down
        kit.start(relay.port)
        before = relay.bytes_up
        kit.upload_all()
        check_arrived(centre, kit)
        assert relay.bytes_up - before < 200_000
        relay.close()

    def test_several_are_on_their_way_at_once(self, centre: Centre, make_kit: Callable[[int], UploadKit]) -> None:
        kit = make_kit(centre.settings.door_port)
        for _ in range(12):
            kit.add(60_000)
        most = 0
        while kit.spool.vault.count_pending() and kit.uploader.turn() <= 0:
            most = max(most, kit.door.in_flight)
        check_arrived(centre, kit)
        # After each turn one of the two has been answered; during it there were two.
        assert most == 1 and kit.trouble == ""

    def test_a_refusal_in_the_middle_of_a_body_leaves_a_connection_of_no_use(
        self, centre: Centre, make_kit: Callable[[int], UploadKit]
    ) -> None:
        """What was left of the body would be taken for the next request, or that for the body's rest."""
        kit = make_kit(centre.settings.door_port)
        kit.timeout_s = 3.0
        kit.start(centre.settings.door_port)
        kit.add(24_000_000)
        kit.spool.outbox.release([(1, 100)])  # the kit believes that the centre has its records
        began_s = time.monotonic()
        kit.turn_until_idle()
        check_arrived(centre, kit)
        assert kit.trouble == "" and time.monotonic() - began_s < 10
