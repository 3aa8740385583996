"""A kit's data folder with real keys: device key, authority, trust list, settings; and the eyes of the centre."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from contract import chain, trust
from contract.envelope import identity_to_text, open_bytes, recipient_to_text
from contract.segment import SegmentHeader, split_plaintext
from contract.signing import Signed
from edge.settings import Settings, load_settings
from edge.spool import Spool

KIT_ID = "dl-2901-01"


@dataclass
class Kit:
    """`centre` and `escrow` open what the kit seals; `key` is the device key its records are checked with."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    root: ec.EllipticCurvePrivateKey
    centre: X25519PrivateKey
    escrow: X25519PrivateKey

    @property
    def config(self) -> Path:
        return self.folder / "kit.toml"

    @property
    def vault(self) -> Path:
        return self.folder / "vault"

    def settings(self) -> Settings:
        return load_settings(self.config)

    def sign(self, body: bytes) -> bytes:
        return chain.sign(self.key, body)

    def write_trust(self, epoch: int, recipients: list[X25519PrivateKey]) -> None:
        texts = [recipient_to_text(key.public_key()) for key in recipients]
        issued = trust.TrustList(epoch=epoch, issued_ms=1_700_000_000_000, recipients=texts, receipt_keys=[])
        fresh = self.folder / "trust.fresh"
        fresh.write_bytes(trust.sign_trust_list(self.root, issued))
        fresh.rename(self.folder / "trust.cbor")

    def write_identity(self) -> Path:
        """The centre's identity as a file for the age program."""
        path = self.folder / "centre.age"
        path.write_text(identity_to_text(self.centre) + "\n")
        return path

    def read_chain(self, spool: Spool, recording_id: str) -> list[chain.Record]:
        """All records of a recording, each checked as the centre does; raises ChainError at the first wrong one."""
        state, records = chain.begin(bytes.fromhex(recording_id)), []
        for row in spool.vault.list_records(recording_id):
            record, state = chain.check_record(Signed(row.body, row.sig), self.key.public_key(), state)
            records.append(record)
        return records

    def open_segment(self, recording_id: str, seq: int) -> tuple[SegmentHeader, bytes]:
        sealed = (self.vault / recording_id / f"{seq:06d}.age").read_bytes()
        return split_plaintext(open_bytes(sealed, [self.centre]))


def make_kit(folder: Path, **tables: dict) -> Kit:
    """Write a data folder; `tables` are tables of kit.toml, e.g. camera={"fps": 10}."""
    folder.mkdir(parents=True, exist_ok=True)
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Zhixing Device Authority")])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, root.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=3650))
        .sign(root, SHA256())
    )
    (folder / "root.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "device.key").write_bytes(pem)
    kit = Kit(folder, key, root, X25519PrivateKey.generate(), X25519PrivateKey.generate())
    kit.write_trust(1, [kit.centre, kit.escrow])
    defaults = {
        "kit": {"id": KIT_ID, "court": "云2901"},
        "mqtt": {"host": "127.0.0.1"},
        "door": {"url": "https://127.0.0.1:1"},
        "camera": {"width": 160, "height": 90, "fps": 25, "bitrate_bps": 100_000, "audio": False, "stall_s": 2.0},
        "storage": {"reserve_bytes": 1_000_000},
    }
    merged = {table: {**defaults.get(table, {}), **tables.get(table, {})} for table in {**defaults, **tables}}
    kit.config.write_text(_to_toml(merged), encoding="utf-8")
    return kit


def _to_toml(tables: dict[str, dict]) -> str:
    lines = []
    for table, options in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in options.items()]
    return "\n".join(lines) + "\n"
