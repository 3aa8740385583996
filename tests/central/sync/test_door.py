"""The devices' HTTP door over real TLS: what it takes, and the one clear answer to everything else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from contract import door_auth
from contract.receipts import verify_segment_receipt
from contract.signing import dumps
from contract.trust import verify_trust_list
from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import Answer, DoorKit
from tests.central.sync.pki import DAY, now
from tests.central.sync.recorder import Recorder
from tests.waiting import wait_until

KIT = "dl-2901-01"
OTHER = "yb-2922-01"


@pytest.fixture(scope="module", autouse=True)
def serving(centre: Centre) -> Iterator[None]:
    centre.start("door")
    centre.wait_port(centre.settings.door_port)
    yield


@pytest.fixture
def door(centre: Centre) -> DoorKit:
    return centre.door(KIT)


@pytest.fixture
def recorder(centre: Centre) -> Recorder:
    """A recording of two segments, nothing sent yet."""
    recorder = Recorder(centre.kits[KIT], KIT, [centre.centre_identity.public_key()])
    recorder.open()
    recorder.segment()
    recorder.segment()
    return recorder


def post_records(door: DoorKit, recorder: Recorder) -> Answer:
    body = dumps([list(record) for record in recorder.records])
    return door.request("POST", door_auth.chain_path(recorder.recording_id), body)


def put(door: DoorKit, recorder: Recorder, seq: int, body: bytes | None = None, **changed: Any) -> Answer:
    path = door_auth.segment_path(recorder.recording_id, seq)
    return door.request("PUT", path, recorder.sealed[seq] if body is None else body, **changed)


def check_problem(answer: Answer, status: int, kind: str) -> str:
    problem = answer.problem
    assert (answer.status, problem["type"], problem["status"]) == (status, kind, status), problem
    assert problem["detail"]
    assert answer.headers[door_auth.NONCE_HEADER.lower()]
    return str(problem["detail"])


class TestSegments:
    def test_are_stored_re_read_and_receipted(self, centre: Centre, door: DoorKit, recorder: Recorder) -> None:
        assert post_records(door, recorder).status == 200
        answer = put(door, recorder, 1)
        assert answer.status == 201, answer
        assert answer.headers["content-type"] == "application/cbor"
        keys = [centre.pki.receipt_key.public_key()]
        receipt = verify_segment_receipt(keys, answer.body)
        assert receipt.cipher_hash == hashlib.sha256(recorder.sealed[1]).digest()
        stored = centre.folder / "data" / "evidence" / recorder.rid / "000001.age"
        assert stored.read_bytes() == recorder.sealed[1]
        again = put(door, recorder, 1)
        assert (again.status, verify_segment_receipt(keys, again.body)) == (200, receipt)

    def test_before_their_record_are_sent_back(self, door: DoorKit, recorder: Recorder) -> None:
        check_problem(put(door, recorder, 1), 409, door_auth.CHAIN_RECORD_MISSING)

    def test_truncated_or_foreign_are_refused(self, door: DoorKit, recorder: Recorder) -> None:
        post_records(door, recorder)
        check_problem(put(door, recorder, 1, recorder.sealed[1][:-1]), 409, door_auth.DIGEST_MISMATCH)
        check_problem(put(door, recorder, 1, recorder.sealed[2]), 409, door_auth.DIGEST_MISMATCH)

    def test_another_body_than_the_token_names_is_refused(self, door: DoorKit, recorder: Recorder) -> None:
        post_records(door, recorder)
        wrong = door_auth.body_hash(hashlib.sha256(b"other").digest())
        check_problem(put(door, recorder, 1, bh=wrong), 400, door_auth.DIGEST_MISMATCH)

    def test_of_another_kits_recording_are_refused(self, centre: Centre, door: DoorKit, recorder: Recorder) -> None:
        post_records(door, recorder)
        check_problem(put(centre.door(OTHER), recorder, 1), 403, door_auth.FOREIGN_RECORDING)

    def test_past_their_size_are_refused_unread(self, centre: Centre, door: DoorKit, recorder: Recorder) -> None:
        size = centre.settings.max_segment_bytes + 1
        path = door_auth.segment_path(recorder.recording_id, 1)
        headers = {"Authorization": f"Bearer {door.token('PUT', path, b'')}", "Content-Length": str(size)}
        check_problem(door.send("PUT", path, b"", headers), 413, door_auth.TOO_LARGE)

    def test_nothing_half_received_stays(self, centre: Centre, door: DoorKit, recorder: Recorder) -> None:
        put(door, recorder, 1, b"x" * 3_000_000)
        assert list((centre.folder / "data" / "evidence" / "incoming").iterdir()) == []

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/recordings/XYZ/segments/1",
            f"/v1/recordings/{'a' * 32}/segments/-1",
            f"/v1/recordings/{'a' * 32}/segments/1000000",
            f"/v1/recordings/{'a' * 31}/segments/1",
        ],
    )
    def test_names_out_of_range_are_refused(self, door: DoorKit, path: str) -> None:
        check_problem(door.request("PUT", path, b"x"), 400, door_auth.BAD_REQUEST)


class TestRecords:
    def test_a_repeat_is_harmless(self, door: DoorKit, recorder: Recorder) -> None:
        assert post_records(door, recorder).status == 200
        assert post_records(door, recorder).status == 200

    def test_of_another_recording_than_the_path_are_refused(
        self, centre: Centre, door: DoorKit, recorder: Recorder
    ) -> None:
        body = dumps([list(recorder.records[0])])
        answer = door.request("POST", door_auth.chain_path(b"\1" * 16), body)
        check_problem(answer, 409, door_auth.PROBLEM_PREFIX + "chain-refused")
        assert centre.scalar("SELECT count(*) FROM recording WHERE id = :id", id=recorder.rid) == 0

    def test_forged_are_refused_and_kept_aside(self, centre: Centre, door: DoorKit) -> None:
        forger = Recorder(centre.pki.kit(KIT), KIT, [centre.centre_identity.public_key()])
        forger.open()
        check_problem(post_records(door, forger), 409, door_auth.PROBLEM_PREFIX + "chain-refused")
        centre.wait_set_aside("forged", kit_id=KIT)

    @pytest.mark.parametrize(
        "body", [b"", b"not cbor", dumps([]), dumps([[b"only one"]]), dumps({"a": 1}), dumps([[1, 2]])]
    )
    def test_what_is_no_list_of_records_is_refused(self, door: DoorKit, body: bytes) -> None:
        answer = door.request("POST", door_auth.chain_path(b"\1" * 16), body)
        check_problem(answer, 400, door_auth.BAD_REQUEST)


class TestTrust:
    def test_is_given_as_the_authority_signed_it(self, centre: Centre, door: DoorKit) -> None:
        answer = door.request("GET", "/v1/trust")
        assert answer.status == 200
        assert verify_trust_list(centre.pki.root.key.public_key(), answer.body).epoch == 1


class TestProof:
    PATH = "/v1/trust"

    def test_every_answer_brings_the_next_nonce(self, door: DoorKit) -> None:
        door.fetch_nonce()
        for _ in range(3):
            assert door.request("GET", self.PATH).status == 200

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer a.b.c", "Bearer " + "x" * 20_000]
    )
    def test_none_is_refused(self, door: DoorKit, header: str) -> None:
        check_problem(door.send("GET", self.PATH, b"", {"Authorization": header}), 401, door_auth.BAD_TOKEN)

    @pytest.mark.parametrize(
        "changed",
        [{"iss": OTHER}, {"sub": OTHER}, {"aud": "elsewhere"}, {"htm": "PUT"}, {"htu": "/v1/other"}, {"jti": None}],
    )
    def test_of_another_request_is_refused(self, door: DoorKit, changed: dict[str, Any]) -> None:
        check_problem(door.request("GET", self.PATH, **changed), 401, door_auth.BAD_TOKEN)

    def test_a_nonce_serves_once(self, door: DoorKit) -> None:
        nonce = door.fetch_nonce()
        assert door.request("GET", self.PATH, nonce=nonce).status == 200
        check_problem(door.request("GET", self.PATH, nonce=nonce), 401, door_auth.NONCE_EXPIRED)
        check_problem(door.request("GET", self.PATH, nonce=nonce + "="), 401, door_auth.NONCE_EXPIRED)

    @pytest.mark.parametrize("nonce", ["", "x", base64.urlsafe_b64encode(bytes(range(36))).decode(), "Ä"])
    def test_a_nonce_of_others_is_refused(self, door: DoorKit, nonce: str) -> None:
        check_problem(door.request("GET", self.PATH, nonce=nonce), 401, door_auth.NONCE_EXPIRED)

    def test_a_kits_clock_does_not_matter(self, door: DoorKit) -> None:
        for shift_s in (-10 * 365 * 86400, 10 * 365 * 86400):
            at_s = int(now().timestamp()) + shift_s
            assert door.request("GET", self.PATH, iat=at_s, exp=at_s + 60, nbf=at_s).status == 200

    def test_a_certificate_of_strangers_is_refused(self, centre: Centre) -> None:
        stranger = type(centre.pki)()
        check_problem(centre.door(KIT, stranger.kit(KIT)).request("GET", self.PATH), 401, door_auth.BAD_TOKEN)

    @pytest.mark.parametrize("shift", [-400 * DAY, 400 * DAY])
    def test_a_certificate_out_of_its_dates_is_refused(self, centre: Centre, shift: Any) -> None:
        holder = centre.pki.kit(KIT, not_before=now() + shift, not_after=now() + shift + DAY)
        check_problem(centre.door(KIT, holder).request("GET", self.PATH), 401, door_auth.BAD_TOKEN)

    def test_a_token_by_another_key_than_the_certificates_is_refused(self, centre: Centre, door: DoorKit) -> None:
        thief = centre.door(KIT)
        thief.holder = type(thief.holder)(centre.kits[KIT].cert, centre.kits[OTHER].key)
        check_problem(thief.request("GET", self.PATH), 401, door_auth.BAD_TOKEN)

    @pytest.mark.parametrize("algorithm", ["none", "HS256"])
    def test_another_algorithm_is_refused(self, centre: Centre, door: DoorKit, algorithm: str) -> None:
        claims = door_auth.claims(
            KIT,
            method="GET",
            path=self.PATH,
            body_digest=door_auth.EMPTY_BODY_DIGEST,
            nonce=door.fetch_nonce(),
            jti="1",
        )
        x5c = [base64.b64encode(centre.kits[KIT].cert.public_bytes(Encoding.DER)).decode()]
        token = jwt.encode(
            claims, None if algorithm == "none" else "k" * 64, algorithm, {"typ": door_auth.TOKEN_TYPE, "x5c": x5c}
        )
        answer = door.send("GET", self.PATH, b"", {"Authorization": f"Bearer {token}"})
        check_problem(answer, 401, door_auth.BAD_TOKEN)

    def test_a_revoked_kit_is_told_so(self, centre: Centre) -> None:
        door = centre.door("dl-2901-02")
        assert door.request("GET", self.PATH).status == 200
        centre.revoked.add("dl-2901-02")
        centre.write_registry()
        wait_until(lambda: door.request("GET", self.PATH).status == 403, 5, "the door to follow the register")
        check_problem(door.request("GET", self.PATH), 403, door_auth.REVOKED)


class TestElsewhere:
    @pytest.mark.parametrize(
        ("method", "path", "status"), [("GET", "/", 404), ("GET", "/docs", 404), ("DELETE", "/v1/trust", 405)]
    )
    def test_unknown_places_are_problems_too(self, door: DoorKit, method: str, path: str, status: int) -> None:
        check_problem(door.request(method, path), status, door_auth.BAD_REQUEST)

    def test_refusals_are_counted(self, centre: Centre, door: DoorKit) -> None:
        door.send("GET", "/v1/trust")
        wait_until(lambda: centre.scalar("SELECT value FROM counter WHERE name = 'door.bad-token'"), 5)
