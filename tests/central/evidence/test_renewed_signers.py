"""A renewed certificate is of the same key: each recording stays under the certificate that held when it was made."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from central.evidence import queries, service
from tests.central.sync.pki import now
from tests.central.sync.recorder import Recorder

KIT = "dl-2901-01"


@pytest.fixture
def renewed(store, kits, pki, clock):
    """One key, two certificates: the former ended a month ago, the present one began yesterday."""
    former = pki.kit(KIT, not_before=now() - timedelta(days=60), not_after=now() - timedelta(days=30))
    present = pki.kit(KIT, key=former.key, not_before=now() - timedelta(days=1))
    for holder in (former, present):
        with store.write() as uow:
            chain_pem = holder.cert_pem() + pki.kits_ca.cert.public_bytes(Encoding.PEM)
            service.keep_signer(uow, kits[KIT], holder.serial, chain_pem)
        clock.advance(s=1)
    return former, present


@pytest.mark.parametrize(("days_ago", "which"), [(45, 0), (0, 1), (10, 1)])
def test_by_the_time_the_opening_record_states(store, kits, renewed, identity, days_ago, which):
    recorder = Recorder(renewed[0], KIT, [identity.public_key()])
    record = recorder.open(started_ms=int((now() - timedelta(days=days_ago)).timestamp() * 1000))
    with store.write() as uow:
        (verdict,) = service.accept_chain_records(uow, kits[KIT], [record])
    assert verdict.verdict == "accepted", verdict
    with store.read() as session:
        assert queries.find_recording(session, recorder.rid).serial == renewed[which].serial


def test_the_fleet_knows_when_a_certificate_ends(store, kits, pki, renewed, commander):
    from central.devices import queries as devices
    from central.devices import service as devices_service
    from contract.trust import KitEntry, Registry

    former, present = renewed
    entry = KitEntry(
        kit_id=KIT, court_code="云2901", label="x", officer="y", serials=[former.serial, present.serial],
        revoked_serials=[former.serial],
    )  # fmt: skip
    with store.write() as uow:
        devices_service.apply_registry(uow, Registry(epoch=99, issued_ms=uow.now_ms, kits=[entry]))
    for holder in (former, present):  # shown once more, now that the register names them
        with store.write() as uow:
            service.keep_signer(uow, kits[KIT], holder.serial, holder.cert_pem())
    with store.read() as session:
        (view,) = [item for item in devices.list_kits(session, commander, now_ms=0) if item.kit.kit_id == KIT]
    ends_ms = int(present.cert.not_valid_after_utc.timestamp() * 1000)
    day_ms = 86_400_000
    assert view.certificate_until_ms == ends_ms
    assert view.certificate_days(ends_ms - 40 * day_ms) is None
    assert view.certificate_days(ends_ms - 12 * day_ms) == 12
    assert view.certificate_days(ends_ms + 1) < 0
