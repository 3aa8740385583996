from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from contract import door_auth
from contract.receipts import verify_segment_receipt
from contract.signing import dumps
from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import DoorKit
from tests.central.sync.recorder import Recorder

KIT = "dl-2901-01"


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
    return Recorder(centre.kits[KIT], KIT, [centre.centre_identity.public_key()])


def post_records(door: DoorKit, recorder: Recorder) -> None:
    body = dumps([list(record) for record in recorder.records])
    answer = door.request("POST", door_auth.chain_path(recorder.recording_id), body)
    assert answer.status == 200, answer


class TestSegments:
    def test_are_stored_re_read_and_receipted(self, centre: Centre, door: DoorKit, recorder: Recorder) -> None:
        recorder.open()
        recorder.segment()
        post_records(door, recorder)
        answer = door.request("PUT", door_auth.segment_path(recorder.recording_id, 1), recorder.sealed[1])
        assert answer.status == 201, answer
        receipt = verify_segment_receipt([centre.pki.receipt_key.public_key()], answer.body)
        assert receipt.cipher_hash == hashlib.sha256(recorder.sealed[1]).digest()
        stored = centre.folder / "data" / "evidence" / recorder.rid / "000001.age"
        assert stored.read_bytes() == recorder.sealed[1]
        again = door.request("PUT", door_auth.segment_path(recorder.recording_id, 1), recorder.sealed[1])
        assert again.status == 200
        assert verify_segment_receipt([centre.pki.receipt_key.public_key()], again.body) == receipt
