"""A kit's data folder and a server's certificate, issued by the real rules of provisioning, without its desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contract import envelope, trust
from provisioning.certificates import (
    Issuer,
    chain_pem,
    issue_kit_certificate,
    issue_server_certificate,
    key_pem,
    make_intermediate,
    make_key,
    make_root,
)


@dataclass
class SmallAuthority:
    """Root, intermediates, and the centre's receipt key; writes folders below `folder`."""

    folder: Path
    root: Issuer
    kits_ca: Issuer
    services_ca: Issuer
    receipt_key: Ed25519PrivateKey

    @classmethod
    def found(cls, folder: Path) -> SmallAuthority:
        now = datetime.now(UTC)
        root = make_root(now)
        folder.mkdir(parents=True, exist_ok=True)
        return cls(
            folder=folder,
            root=root,
            kits_ca=make_intermediate(root, "kits-ca", for_servers=False, now=now),
            services_ca=make_intermediate(root, "services-ca", for_servers=True, now=now),
            receipt_key=Ed25519PrivateKey.generate(),
        )

    def make_trust(self, epoch: int = 1, *, receipt_key: Ed25519PrivateKey | None = None) -> bytes:
        key = (receipt_key or self.receipt_key).public_key()
        recipient = envelope.recipient_to_text(X25519PrivateKey.generate().public_key())
        issued_ms = int(datetime.now(UTC).timestamp() * 1000)
        fresh = trust.TrustList(
            epoch=epoch, issued_ms=issued_ms, recipients=[recipient], receipt_keys=[key.public_bytes_raw()]
        )
        return trust.sign_trust_list(self.root.key, fresh)

    def enrol(self, kit_id: str) -> Path:
        """A kit's data folder with key, certificate, root and trust list."""
        folder = self.folder / kit_id
        folder.mkdir()
        key = make_key()
        leaf = issue_kit_certificate(
            self.kits_ca, kit_id, key.public_key(), now=datetime.now(UTC), life=timedelta(days=365)
        )
        (folder / "device.key").write_bytes(key_pem(key))
        (folder / "device.crt").write_bytes(chain_pem(leaf, self.kits_ca.certificate))
        (folder / "root.crt").write_bytes(chain_pem(self.root.certificate))
        (folder / "trust.cbor").write_bytes(self.make_trust())
        return folder

    def serve(self, name: str = "server", *, now: datetime | None = None, hosts: tuple[str, ...] = ()) -> Path:
        """A folder with server.crt (leaf and services-ca), server.key and kits-ca.crt."""
        folder = self.folder / name
        folder.mkdir()
        key = make_key()
        leaf = issue_server_certificate(self.services_ca, hosts, key.public_key(), now=now or datetime.now(UTC))
        (folder / "server.crt").write_bytes(chain_pem(leaf, self.services_ca.certificate))
        (folder / "server.key").write_bytes(key_pem(key))
        (folder / "kits-ca.crt").write_bytes(chain_pem(self.kits_ca.certificate))
        return folder
