"""Kits that have shown their certificates, and recorders that seal and sign as real ones do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.devices.rules import KitRef
from central.evidence import service
from central.evidence.rules import RecordVerdict
from central.evidence.vault import Vault
from contract.signing import Signed
from contract.trust import TrustList, sign_trust_list
from tests.central.sync.pki import Holder, Pki
from tests.central.sync.recorder import Recorder


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def holders(pki: Pki) -> dict[str, Holder]:
    return {kit_id: pki.kit(kit_id) for kit_id in ("dl-2901-01", "yb-2922-01")}


@pytest.fixture(scope="session")
def identity() -> X25519PrivateKey:
    return X25519PrivateKey.generate()


@pytest.fixture
def signers(store: Store, kits: dict[str, KitRef], holders: dict[str, Holder], pki: Pki) -> dict[str, KitRef]:
    """The kits, their certificates shown."""
    with store.write() as uow:
        for kit_id, holder in holders.items():
            chain_pem = holder.cert_pem() + pki.kits_ca.cert.public_bytes(Encoding.PEM)
            service.keep_signer(uow, kits[kit_id], holder.serial, chain_pem)
    return kits


@pytest.fixture
def new_recorder(holders: dict[str, Holder], identity: X25519PrivateKey) -> Callable[..., Recorder]:
    def make(kit_id: str = "dl-2901-01") -> Recorder:
        return Recorder(holders[kit_id], kit_id, [identity.public_key()])

    return make


@pytest.fixture
def accept(store: Store, signers: dict[str, KitRef]) -> Callable[..., list[RecordVerdict]]:
    """Offers records in a transaction of their own."""

    def offer(*records: Signed, kit_id: str = "dl-2901-01") -> list[RecordVerdict]:
        with store.write() as uow:
            return service.accept_chain_records(uow, signers[kit_id], records)

    return offer


@pytest.fixture
def settings(tmp_path: Path, pki: Pki, identity: X25519PrivateKey) -> Settings:
    """Folders as handed over by the device authority."""
    from contract import envelope

    pki.write_centre_keys(tmp_path / "keys")
    (tmp_path / "handover").mkdir()
    trust = TrustList(
        epoch=1,
        issued_ms=1,
        recipients=[envelope.recipient_to_text(identity.public_key())],
        receipt_keys=[pki.receipt_key.public_key().public_bytes_raw()],
    )
    (tmp_path / "handover" / "trust.cbor").write_bytes(sign_trust_list(pki.root.key, trust))
    return Settings(
        data_dir=str(tmp_path / "data"), keys_dir=str(tmp_path / "keys"), handover_dir=str(tmp_path / "handover")
    )


@pytest.fixture
def vault(settings: Settings) -> Vault:
    return Vault(Path(settings.data_dir))
