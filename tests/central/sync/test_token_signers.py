"""A kit with its signing key in a token names that key's certificate in its hello, and only its own counts."""

import base64
import contextlib
import itertools
import warnings
from datetime import timedelta

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from central.base.clock import SystemClock
from central.devices import service as devices
from central.sync.admission import Gate, RefusedError
from central.sync.intake import Batch, Intake
from central.sync.proof import Nonces, ProofError, Prover
from central.sync.signers import admit_signer
from contract import door_auth
from contract.trust import KitEntry, Registry
from tests.central.sync.kit_client import now_ms
from tests.central.sync.pki import Pki, now
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
    intake = Intake(store, devices.KitDirectory(), gate=None)
    intake._gate = Gate(pki.kits_ca.cert, intake._directory)
    register(store, intake, holders)
    return intake, holders


def register(store, intake, holders, *, epoch=99):
    """What the authority hands over: these certificates are in force, and no other."""
    entries = [
        KitEntry(
            kit_id=kit_id, court_code="云2901", label="x", officer="y",
            serials=[holder.serial for holder in held], revoked_serials=[],
        )
        for kit_id, held in holders.items()
    ]  # fmt: skip
    with store.write() as uow:
        devices.apply_registry(uow, Registry(epoch=epoch, issued_ms=now_ms(), kits=entries))
    with store.read() as session:
        intake._directory.reload(session)


def say(kind, items):
    return f"kits.{KIT}.up.{kind}", msgspec.json.encode({"v": 1, "spool": SPOOL, "boot": "b" * 32, "items": items})


def hello(holder):
    signer = base64.b64encode(holder.cert.public_bytes(Encoding.DER)).decode()
    return say("hello", [{"seq": 0, "at_ms": now_ms(), "body": {"have": 0, "version": "t", "signer": signer}}])


def records(holder, *, first=1, **stated):
    recorder = Recorder(holder, KIT, [X25519PrivateKey.generate().public_key()])
    return say("chain", [chain_item(first, recorder.open(**stated)), chain_item(first + 1, recorder.segment())])


def reasons(store):
    with store.engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT reason FROM set_aside ORDER BY id")]


def count_recordings(store):
    with store.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM recording").scalar()


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


def test_damaged_certificates_are_refused_and_never_an_error_of_ours(world, pki):
    """Every byte of one in turn: names, versions and extensions trip a reader in ways of their own."""
    intake, holders = world
    kit, der = intake._directory.find(KIT), holders[KIT][1].cert.public_bytes(Encoding.DER)
    prover = Prover(intake._gate, Nonces(SystemClock()), SystemClock())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, value in itertools.product(range(len(der)), (0x03, 0x13)):
            text = base64.b64encode(der[:place] + bytes([value]) + der[place + 1 :]).decode()
            with contextlib.suppress(RefusedError):
                admit_signer(intake._gate, kit, text, now_ms())
            token = jwt.encode({}, "k" * 32, headers={"typ": door_auth.TOKEN_TYPE, "x5c": [text]})
            with pytest.raises(ProofError):
                prover.check(f"Bearer {token}", method="GET", path="/")


def test_a_certificate_nobody_issued_opens_nothing(store, world, pki):
    intake, _ = world
    forged = Pki().kit(KIT)
    intake.commit(Batch(messages=[hello(forged)]))
    assert reasons(store) == ["foreign_issuer"]
    assert intake.commit(Batch(messages=[records(forged)])).receipts == {}


@pytest.fixture
def shown(world, pki):
    """As the broker lets the kit in: the certificate of TLS is known before anything is said."""
    intake, holders = world
    tls, token = holders[KIT]
    intake.commit(Batch(signers=[admit(intake, pki, tls)]))
    return intake, tls, token


def admit(intake, pki, holder):
    admission = intake._gate.admit(holder.cert, now_ms())
    return admission, admission.chain_pem(pki.kits_ca.cert)


def test_who_copied_the_card_of_a_kit_with_a_token_opens_no_recording(store, shown):
    intake, tls, token = shown
    intake.commit(Batch(messages=[hello(token)]))
    intake.commit(Batch(messages=[records(tls)]))
    assert reasons(store) == ["forged"]
    assert count_recordings(store) == 0, "what would follow waits for a beginning that never comes"
    intake.commit(Batch(messages=[records(token, first=3)]))
    assert count_recordings(store) == 1


def test_nor_by_naming_the_card_s_own_certificate_as_the_token_s(store, shown):
    intake, tls, token = shown
    intake.commit(Batch(messages=[hello(token)]))
    intake.commit(Batch(messages=[hello(tls)]))
    intake.commit(Batch(messages=[records(tls)]))
    assert count_recordings(store) == 0


def test_what_the_file_signed_before_the_kit_had_its_token_is_taken(store, world, pki):
    intake, _ = world
    tls = pki.kit(KIT, not_before=now() - timedelta(days=30))
    token = pki.kit(KIT, not_before=now() - timedelta(days=10))
    register(store, intake, {KIT: [tls, token]})
    intake.commit(Batch(signers=[admit(intake, pki, tls)], messages=[hello(token)]))
    for first, days in ((1, 12), (3, 9)):
        started_ms = int((now() - timedelta(days=days)).timestamp() * 1000)
        intake.commit(Batch(messages=[records(tls, first=first, started_ms=started_ms)]))
    assert count_recordings(store) == 1
    assert reasons(store) == ["forged"]


def test_with_the_token_s_certificate_revoked_the_file_signs_again(store, shown):
    intake, tls, token = shown
    intake.commit(Batch(messages=[hello(token)]))
    register(store, intake, {KIT: [tls]}, epoch=100)
    assert intake.commit(Batch(messages=[records(tls)])).receipts == {(KIT, SPOOL): [1, 2]}
