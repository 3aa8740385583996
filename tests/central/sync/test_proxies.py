"""Proxies at the real door: taken when signed and fitting, gone when their original comes, and never evidence."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from central.evidence import queries
from contract import chain, door_auth, envelope, proxy, segment
from contract.signing import Signed, dumps, sign_p256
from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import Answer, DoorKit
from tests.central.sync.recorder import Recorder
from tests.waiting import wait_until

KIT, OTHER = "dl-2901-01", "yb-2922-01"
REFUSED = door_auth.PROBLEM_PREFIX + "proxy-refused"


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
    recorder = Recorder(centre.kits[KIT], KIT, [centre.centre_identity.public_key()])
    recorder.open()
    recorder.segment()
    body = dumps([list(record) for record in recorder.records])
    assert door.request("POST", door_auth.chain_path(recorder.recording_id), body).status == 200
    return recorder


def make_parcel(
    centre: Centre, recorder: Recorder, *, signer: str = KIT, domain: bytes = proxy.DOMAIN, **changed: Any
) -> bytes:
    salt, clear = secrets.token_bytes(32), b"small pictures"
    header = segment.SegmentHeader(
        recording_id=recorder.recording_id, seq=1, salt=salt, started_ms=1, monotonic_ms=1, duration_ms=2000
    )
    sealed = envelope.seal(segment.pack_header(header) + clear, recorder.recipients)
    record = proxy.ProxyRecord(
        recording_id=recorder.recording_id,
        seq=1,
        cipher_hash=hashlib.sha256(sealed).digest(),
        clear_hash=chain.clear_hash(salt, clear),
        original_hash=hashlib.sha256(recorder.sealed[1]).digest(),
        length=len(sealed),
    )
    body = proxy.encode(replace(record, **changed))
    return proxy.pack(Signed(body, sign_p256(centre.kits[signer].key, domain, body)), sealed)


def put(door: DoorKit, recorder: Recorder, parcel: bytes, seq: int = 1) -> Answer:
    return door.request("PUT", door_auth.proxy_path(recorder.recording_id, seq), parcel)


def has_proxy(centre: Centre, recorder: Recorder) -> bool:
    file = centre.folder / "data" / "evidence" / recorder.rid / "000001.proxy"
    count = centre.scalar("SELECT count(*) FROM stored_proxy WHERE recording_id = :id", id=recorder.rid)
    assert file.exists() == bool(count), "row and file go together"
    return bool(count)


def test_it_is_kept_until_its_original_comes(centre: Centre, door: DoorKit, recorder: Recorder) -> None:
    parcel = make_parcel(centre, recorder)
    first, again = put(door, recorder, parcel), put(door, recorder, parcel)
    assert (first.status, again.status) == (201, 200)
    assert first.body == b"", "no receipt: nothing may be deleted on it"
    assert has_proxy(centre, recorder)
    with centre.store.read() as session:
        assert queries.list_stored_digests(session, recorder.rid) == {}, "a package knows nothing of it"
    path = door_auth.segment_path(recorder.recording_id, 1)
    assert door.request("PUT", path, recorder.sealed[1]).status == 201
    assert not has_proxy(centre, recorder)
    assert put(door, recorder, parcel).status == 200
    assert not has_proxy(centre, recorder), "one that comes late does not come back"


@pytest.mark.parametrize(
    "changed",
    [
        {"signer": OTHER},
        {"domain": chain.DOMAIN},
        {"original_hash": b"o" * 32},
        {"seq": 2},
        {"recording_id": b"r" * 16},
        {"length": 3},
    ],
    ids=["stranger", "domain", "original", "seq", "recording", "length"],
)
def test_what_does_not_fit_is_refused(centre: Centre, door: DoorKit, recorder: Recorder, changed: Any) -> None:
    answer = put(door, recorder, make_parcel(centre, recorder, **changed))
    assert (answer.status, answer.problem["type"]) == (409, REFUSED)
    assert not has_proxy(centre, recorder)


def test_before_its_record_or_by_another_kit_it_is_refused(centre: Centre, door: DoorKit, recorder: Recorder) -> None:
    parcel = make_parcel(centre, recorder)
    assert put(centre.door(OTHER), recorder, parcel).problem["type"] == door_auth.FOREIGN_RECORDING
    new = Recorder(centre.kits[KIT], KIT, [centre.centre_identity.public_key()])
    new.open()
    new.segment()
    assert put(door, new, make_parcel(centre, new)).problem["type"] == door_auth.CHAIN_RECORD_MISSING


def test_past_its_size_it_is_refused(door: DoorKit, recorder: Recorder) -> None:
    answer = put(door, recorder, b"x" * (proxy.MAX_PARCEL_BYTES + 1))
    assert (answer.status, answer.problem["type"]) == (413, door_auth.TOO_LARGE)


def test_a_certificate_once_shown_is_named_by_its_thumbprint(centre: Centre, door: DoorKit) -> None:
    def ask(kit: DoorKit) -> Answer:
        claims = door_auth.claims(
            kit.kit_id,
            method="GET",
            path="/v1/trust",
            body_digest=door_auth.EMPTY_BODY_DIGEST,
            nonce=kit.fetch_nonce(),
            jti=secrets.token_hex(16),
        )
        leaf = kit.holder.cert.public_bytes(Encoding.DER)
        headers = {"typ": door_auth.TOKEN_TYPE, door_auth.THUMBPRINT: door_auth.thumbprint(leaf)}
        token = jwt.encode(claims, kit.holder.key, algorithm=door_auth.ALGORITHM, headers=headers)
        return kit.send("GET", "/v1/trust", b"", {"Authorization": f"Bearer {token}"})

    kit = centre.door("dl-2901-02")
    assert ask(kit).problem["type"] == door_auth.BAD_TOKEN, "never shown"
    assert kit.request("GET", "/v1/trust").status == 200
    assert ask(kit).status == 200
    thief = centre.door("dl-2901-02")
    thief.holder = type(thief.holder)(thief.holder.cert, centre.kits[OTHER].key)
    assert ask(thief).problem["type"] == door_auth.BAD_TOKEN, "naming it is not having its key"
    centre.revoked.add("dl-2901-02")
    centre.write_registry()
    wait_until(lambda: ask(kit).status == 403, 5, "the register counts for the remembered one, too")
    assert ask(kit).problem["type"] == door_auth.REVOKED
