import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.outbox import read_outbox
from central.devices import service as devices
from central.devices.models import Kit
from central.devices.rules import StaleRegistryError
from contract.trust import KitEntry, Registry


def entry(kit_id="dl-2901-01", court="云2901", serials=("a1",), revoked_serials=(), revoked=False, label="单兵"):
    return KitEntry(
        kit_id=kit_id,
        court_code=court,
        label=label,
        officer="样例警官甲",
        serials=list(serials),
        revoked_serials=list(revoked_serials),
        revoked=revoked,
    )


def apply(store, epoch, *entries, issued_ms=None):
    with store.write() as uow:
        return devices.apply_registry(uow, Registry(epoch=epoch, issued_ms=issued_ms or epoch, kits=list(entries)))


def directory(store):
    found = devices.KitDirectory()
    with store.read() as session:
        found.reload(session)
    return found


def test_kits_and_certificates_are_admitted(store):
    change = apply(store, 1, entry(), entry("yb-2922-01", "云2922", ["b1", "b2"]))
    assert change.added == ["dl-2901-01", "yb-2922-01"]
    found = directory(store)
    assert found.find("dl-2901-01").court_code == "云2901"
    assert found.find_by_serial("b2").kit_id == "yb-2922-01"
    assert found.find("dl-2901-99") is None
    assert found.find_by_serial("ff") is None


def test_the_same_register_again_changes_nothing(store):
    apply(store, 1, entry())
    assert apply(store, 1, entry()) is None
    with store.read() as session:
        assert len(session.exec(select(AuditEntry)).all()) == 1


def test_an_older_register_is_refused(store):
    apply(store, 5, entry(revoked=True))
    with pytest.raises(StaleRegistryError, match="copy the newest"):
        apply(store, 4, entry())
    assert directory(store).find("dl-2901-01") is None


def test_a_revoked_certificate_is_named_for_kicking(store):
    apply(store, 1, entry(serials=["a1", "a2"]))
    change = apply(store, 2, entry(serials=["a1", "a2"], revoked_serials=["a1"]))
    assert change.revoked_serials == ["a1"]
    found = directory(store)
    assert found.find_by_serial("a1") is None
    assert found.find_by_serial("a2").kit_id == "dl-2901-01"
    assert apply(store, 3, entry(serials=["a1", "a2"], revoked_serials=["a1"])).revoked_serials == []


@pytest.mark.parametrize("entries", [[entry(revoked=True)], []], ids=["said to be revoked", "no longer listed"])
def test_a_revoked_kit_is_out(store, entries):
    apply(store, 1, entry())
    assert apply(store, 2, *entries).revoked == ["dl-2901-01"]
    found = directory(store)
    assert found.find("dl-2901-01") is None
    assert found.find_by_serial("a1") is None
    with store.read() as session:
        assert [row.payload for row in read_outbox(session, after_id=1)] == [
            {"kit_id": "dl-2901-01", "change": "revoked"}
        ]


def test_a_revoked_kit_can_be_taken_in_again_by_the_authority(store):
    apply(store, 1, entry(revoked=True))
    assert apply(store, 2, entry(serials=["a9"])).added == ["dl-2901-01"]
    assert directory(store).find_by_serial("a9")
    assert directory(store).find_by_serial("a1") is None


def test_a_kit_may_move_to_another_court(store):
    apply(store, 1, entry())
    apply(store, 2, entry(court="云2922", label="新单兵"))
    with store.read() as session:
        kit = session.exec(select(Kit)).one()
    assert (kit.court_code, kit.label) == ("云2922", "新单兵")


def test_a_certificate_revoked_before_it_was_ever_seen_stays_out(store):
    change = apply(store, 1, entry(serials=["a1"], revoked_serials=["a0"]))
    assert change.revoked_serials == ["a0"]
    assert directory(store).find_by_serial("a0") is None
