"""A zone's folder: what is in it, what must not be, and that its register follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from contract.trust import verify_registry
from provisioning.authority import Authority
from provisioning.cli import main
from provisioning.foundation import AlreadyFoundedError
from provisioning.zone import equip_zone


@pytest.fixture
def zone(desk: Authority, tmp_path: Path) -> Path:
    desk.add_kit("dl-2901-01", court_code="云2901", label="样例一号", officer="样例警官甲")
    equip_zone(desk, tmp_path / "zone", ["zone.example", "192.0.2.7"])
    return tmp_path / "zone"


def test_it_holds_a_certificate_of_its_own_and_nothing_of_the_insides(desk: Authority, zone: Path) -> None:
    names = {str(path.relative_to(zone)) for path in zone.rglob("*") if path.is_file()}
    certificates = {f"keys/{name}.crt" for name in ("root", "kits-ca", "services-ca", "server")}
    assert names == {*certificates, "keys/server.key", "handover/registry.cbor", "handover/trust.cbor"}
    assert (zone / "keys" / "server.key").stat().st_mode & 0o777 == 0o600
    own = (zone / "keys" / "server.key").read_bytes()
    assert own != (desk.centre_folder / "keys" / "server.key").read_bytes()
    leaf = x509.load_pem_x509_certificate((zone / "keys" / "server.crt").read_bytes())
    leaf.verify_directly_issued_by(desk.services_ca.certificate)
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "zone.example" in hosts.get_values_for_type(x509.DNSName)


def test_its_register_names_kits_and_no_people(desk: Authority, zone: Path) -> None:
    data = (zone / "handover" / "registry.cbor").read_bytes()
    registry = verify_registry(desk.root.key.public_key(), data)
    assert [(kit.kit_id, kit.label, kit.officer) for kit in registry.kits] == [("dl-2901-01", "", "")]
    assert "样例".encode() not in data


def test_the_inside_is_handed_the_zones_register_with_each_change(desk: Authority, zone: Path) -> None:
    handed = desk.centre_folder / "handover" / "registry-zone.cbor"
    before = verify_registry(desk.root.key.public_key(), handed.read_bytes())
    desk.revoke("dl-2901-01", reason="lost")
    after = verify_registry(desk.root.key.public_key(), handed.read_bytes())
    full = verify_registry(desk.root.key.public_key(), (handed.parent / "registry.cbor").read_bytes())
    assert after.epoch == full.epoch > before.epoch
    assert after.kits[0].revoked and after.kits[0].officer == ""
    assert full.kits[0].officer == "样例警官甲"


def test_nothing_is_overwritten(desk: Authority, zone: Path) -> None:
    before = (zone / "keys" / "server.key").read_bytes()
    with pytest.raises(AlreadyFoundedError):
        equip_zone(desk, zone, ["zone.example"])
    assert (zone / "keys" / "server.key").read_bytes() == before


def test_an_authority_of_an_earlier_release_wrote_no_such_register_and_makes_it_now(
    desk: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (desk.folder, desk.centre_folder / "handover"):
        (folder / "registry-zone.cbor").unlink()
    command = ["zone", str(tmp_path / "zone"), "--host", "zone.example", "--authority", str(desk.folder)]
    assert main(command) == 0
    assert "opens and receipts nothing" in capsys.readouterr().out
    assert (desk.centre_folder / "handover" / "registry-zone.cbor").exists()
