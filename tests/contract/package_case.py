"""A small genuine recording and everything an export needs, made with the real parts."""

import hashlib
import json
import zipfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from contract import chain, envelope, package, segment
from contract.chain_writer import ChainWriter
from contract.manifest import build_manifest
from contract.receipts import HeadStatement, sign_head
from contract.signing import Signed, dumps
from contract.trust import TrustList, sign_trust_list
from provisioning.certificates import (
    KIT_LIFE,
    KITS_CA_NAME,
    Issuer,
    chain_pem,
    issue_kit_certificate,
    make_intermediate,
    make_key,
    make_root,
)

STARTED = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
STARTED_MS = int(STARTED.timestamp() * 1000)
RECORDING = bytes(range(16))
KIT = "dl-2901-01"


class World:
    """An authority, a kit, a centre: who may sign what."""

    def __init__(self, now: datetime = STARTED - timedelta(days=30), kit_id: str = KIT) -> None:
        self.root = make_root(now)
        self.kits_ca: Issuer = make_intermediate(self.root, KITS_CA_NAME, for_servers=False, now=now)
        self.device: EllipticCurvePrivateKey = make_key()
        self.kit_id = kit_id
        self.certificate = issue_kit_certificate(
            self.kits_ca, kit_id, self.device.public_key(), now=now, life=KIT_LIFE
        )
        self.centre = X25519PrivateKey.generate()
        self.receipt_key = Ed25519PrivateKey.generate()

    def certificates(self, *, with_root: bool = True) -> bytes:
        issuers = [self.kits_ca.certificate, self.root.certificate]
        return chain_pem(self.certificate, *issuers[: 2 if with_root else 1])

    def trust(self) -> bytes:
        trust = TrustList(
            epoch=1,
            issued_ms=STARTED_MS,
            recipients=[envelope.recipient_to_text(self.centre.public_key())],
            receipt_keys=[self.receipt_key.public_key().public_bytes_raw()],
        )
        return sign_trust_list(self.root.key, trust)

    def head(self, signed: list[Signed], recording_id: bytes = RECORDING, **changes: object) -> bytes:
        statement = HeadStatement(
            recording_id=recording_id,
            count=len(signed),
            head=chain.link_hash(signed[-1]),
            closed=chain.decode(signed[-1].body).kind is chain.Kind.FINAL,
            stated_ms=STARTED_MS + 3_600_000,
            centre="云2901",
        )
        return sign_head(self.receipt_key, replace(statement, **changes))

    def root_der(self) -> bytes:
        return self.root.certificate.public_bytes(Encoding.DER)

    def fingerprint(self) -> str:
        return hashlib.sha256(self.root_der()).hexdigest()


@dataclass
class Recording:
    """Signed records, sealed segments by record number, and the clear side for disclosures."""

    signed: list[Signed]
    sealed: dict[int, bytes]
    clear: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)


def record(
    world: World,
    *,
    recording_id: bytes = RECORDING,
    segments: int = 8,
    gap_after: int = 3,
    closed: bool = True,
    started_ms: int = STARTED_MS,
    clear_blocks: int = 40,
) -> Recording:
    """OPEN, `segments` segments with one power loss between, FINAL: numbers 0..segments+2."""
    writer = ChainWriter(chain.begin(recording_id), lambda body: chain.sign(world.device, body))
    made = Recording([], {})
    made.signed.append(writer.open(kit_id=world.kit_id, boot="ab" * 16, started_ms=started_ms, monotonic_ms=1000))
    at_ms, monotonic_ms = started_ms, 1000
    for number in range(segments):
        if number == gap_after:
            made.signed.append(writer.gap(cause="power_loss", started_ms=at_ms, duration_ms=7000, monotonic_ms=500))
            at_ms, monotonic_ms = at_ms + 7000, 500
        seq = writer.state.next_seq
        salt = hashlib.sha256(b"salt%d" % seq).digest()
        clear = b"ftyp" + hashlib.sha256(b"picture%d" % seq).digest() * clear_blocks
        header = segment.SegmentHeader(
            recording_id=recording_id,
            seq=seq,
            salt=salt,
            started_ms=at_ms,
            monotonic_ms=monotonic_ms,
            duration_ms=2000,
        )
        sealed = envelope.seal(segment.pack_header(header) + clear, [world.centre.public_key()])
        made.sealed[seq], made.clear[seq] = sealed, (salt, clear)
        made.signed.append(
            writer.segment(
                cipher_hash=hashlib.sha256(sealed).digest(),
                clear_hash=chain.clear_hash(salt, clear),
                length=len(sealed),
                started_ms=at_ms,
                duration_ms=2000,
                monotonic_ms=monotonic_ms,
            )
        )
        at_ms, monotonic_ms = at_ms + 2000, monotonic_ms + 2000
    if closed:
        made.signed.append(writer.final(cause="officer", started_ms=at_ms, monotonic_ms=monotonic_ms))
    return made


def export(
    folder: Path,
    world: World,
    made: Recording,
    *,
    name: str = "evidence.zip",
    disclose: tuple[int, ...] = (),
    absences: bytes | None = None,
) -> Path:
    """Write the package with the real writer."""
    sealed = folder / (name + ".sealed")
    sealed.mkdir()
    for seq, data in made.sealed.items():
        (sealed / f"{seq}.age").write_bytes(data)
    path = folder / name
    source = package.Source(
        chain=made.signed,
        certificates=world.certificates(),
        head=world.head(made.signed, recording_id=chain.decode(made.signed[0].body).recording_id),
        trust=world.trust(),
        segments={seq: sealed / f"{seq}.age" for seq in made.sealed},
        absences=absences,
        disclosures=[package.Disclosure(seq, *made.clear[seq]) for seq in disclose],
        notes={"exported_by": "样例书记员乙"},
    )
    package.write_package(path, source)
    return path


def read_files(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_files(path: Path, files: dict[str, bytes]) -> Path:
    """What anybody with a zip program can do to a package."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def pack_chain(signed: list[Signed]) -> bytes:
    return dumps([list(item) for item in signed])


def rewrite_manifest(files: dict[str, bytes], signed: list[Signed]) -> None:
    """A careful forger's manifest: made to agree with the forged chain wherever that is possible."""
    records = [chain.decode(item.body) for item in signed]
    manifest = build_manifest(records, {})
    files[package.MANIFEST] = json.dumps(manifest, ensure_ascii=False, indent=1).encode() + b"\n"


def load_root(world: World) -> x509.Certificate:
    return world.root.certificate
