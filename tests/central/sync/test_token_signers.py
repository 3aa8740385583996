"""A kit with its signing key in a token names that key's certificate in its hello, and only its own counts."""

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from central.devices import service as devices
from central.sync.admission import Gate
from central.sync.intake import Batch, Intake
from contract.trust import KitEntry, Registry
from tests.central.sync.kit_client import now_ms
from tests.central.sync.pki import Pki
from tests.central.sync.recorder import Recorder, chain_item

KIT, OTHER = "dl-2901-01", "yb-2922-01"
SPOOL = "a" * 32


@pytest.fixture
def pki():
    return Pki()


@pytest.fixture
def world(store, pki):
    """The centre, and each kit's certificate for TLS and another for its token."""
    holders = {kit_id: (pki.kit(kit_id), pki.kit(kit_id)) for kit_id in (KIT, OTHER)}
    entries = [
        KitEntry(
            kit_id=kit_id, court_code="云2901", label="x", officer="y",
            serials=[holder.serial for holder in pair], revoked_serials=[],
        )
        for kit_id, pair in holders.items()
    ]  # fmt: skip
    with store.write() as uow:
        devices.apply_registry(uow, Registry(epoch=99, issued_ms=now_ms(), kits=entries))
    directory = devices.KitDirectory()
    with store.read() as session:
        directory.reload(session)
    return Intake(store, directory, gate=Gate(pki.kits_ca.cert, directory)), holders


def say(kind, items):
    return f"kits.{KIT}.up.{kind}", msgspec.json.encode({"v": 1, "spool": SPOOL, "boot": "b" * 32, "items": items})


def hello(holder):
    signer = base64.b64encode(holder.cert.public_bytes(Encoding.DER)).decode()
    return say("hello", [{"seq": 0, "at_ms": now_ms(), "body": {"have": 0, "version": "t", "signer": signer}}])


def records(holder):
    recorder = Recorder(holder, KIT, [X25519PrivateKey.generate().public_key()])
    return say("chain", [chain_item(1, recorder.open()), chain_item(2, recorder.segment())])


def reasons(store):
    with store.engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT reason FROM set_aside ORDER BY id")]


def test_what_the_token_signed_is_taken_after_the_hello_also_when_it_was_refused_before(store, world):
    intake, holders = world
    _, token = holders[KIT]
    early = records(token)
    assert intake.commit(Batch(messages=[early])).receipts == {}, "no certificate known yet: not receipted"
    assert set(reasons(store)) == {"forged"}
    outcome = intake.commit(Batch(messages=[hello(token)]))
    assert outcome.hellos
    assert intake.commit(Batch(messages=[early])).receipts == {(KIT, SPOOL): [1, 2]}


def test_another_kit_s_certificate_opens_nothing(store, world):
    intake, holders = world
    _, stranger = holders[OTHER]
    intake.commit(Batch(messages=[hello(stranger)]))
    assert reasons(store) == ["serial_refused"]
    assert intake.commit(Batch(messages=[records(stranger)])).receipts == {}


def test_a_certificate_nobody_issued_opens_nothing(store, world, pki):
    intake, _ = world
    forged = Pki().kit(KIT)
    intake.commit(Batch(messages=[hello(forged)]))
    assert reasons(store) == ["foreign_issuer"]
    assert intake.commit(Batch(messages=[records(forged)])).receipts == {}
