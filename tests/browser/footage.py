"""A real recording: H.264 from the synthetic camera, cut, sealed, signed, chained and stored as a kit's would be."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central.evidence import service as evidence
from central.evidence.vault import Vault
from contract import chain, envelope
from contract.chain_writer import ChainWriter
from contract.segment import SegmentHeader, pack_header
from contract.trust import TrustList, sign_trust_list
from edge.recorder.segmenter import ClearSegment
from edge.recorder.sources.synthetic import SyntheticCamera
from tests.browser.world import World
from tests.central.sync.pki import Pki
from tests.fakes.cutting import cut_source

FPS = 15


@dataclass
class Footage:
    """One recording of one kit on its way into the evidence room."""

    world: World
    kit_id: str
    started_ms: int
    recording_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    opening: dict[str, Any] = field(default_factory=dict)
    on_card: dict[int, bytes] = field(default_factory=dict)
    """Sealed segments by number that have not arrived."""

    def __post_init__(self) -> None:
        self.holder = authority().kit(self.kit_id)
        self.kit = self.world.kits[self.kit_id]
        self.vault = Vault(Path(self.world.settings.data_dir))
        self.writer = ChainWriter(chain.begin(self.recording_id), lambda body: chain.sign(self.holder.key, body))
        self.at_ms = 0
        pem = self.holder.cert_pem() + authority().kits_ca.cert_pem()
        with self.world.store.write() as uow:
            evidence.keep_signer(uow, self.kit, self.holder.serial, pem)
        begun = {"kit_id": self.kit_id, "boot": "ab" * 16, "started_ms": self.started_ms, "monotonic_ms": 5000}
        self._send(self.writer.open(**begun, **self.opening))

    @property
    def id(self) -> str:
        return self.recording_id.hex()

    def _send(self, signed: chain.Signed) -> None:
        with self.world.store.write() as uow:
            verdicts = evidence.accept_chain_records(uow, self.kit, [signed])
        assert [verdict.verdict for verdict in verdicts] == ["accepted"], verdicts

    def add(self, segment: ClearSegment, *, store: bool = True, **extra: Any) -> int:
        """Seal and sign one segment; store it unless it shall be missing. Returns its number."""
        duration_ms, seq = segment.duration_us // 1000, self.writer.state.next_seq
        started_ms, salt = self.started_ms + self.at_ms, os.urandom(32)
        header = SegmentHeader(
            recording_id=self.recording_id, seq=seq, salt=salt, started_ms=started_ms,
            monotonic_ms=5000 + self.at_ms, duration_ms=duration_ms, mime=segment.mime,
        )  # fmt: skip
        sealed = envelope.seal(pack_header(header) + segment.data, [identity_of(self.world).public_key()])
        digest = hashlib.sha256(sealed).digest()
        self._send(
            self.writer.segment(
                cipher_hash=digest, clear_hash=chain.clear_hash(salt, segment.data), length=len(sealed),
                started_ms=started_ms, duration_ms=duration_ms, monotonic_ms=5000 + self.at_ms, **extra,
            )
        )  # fmt: skip
        self.at_ms += duration_ms
        self.on_card[seq] = sealed
        if store:
            self.bring(seq)
        return seq

    def bring(self, seq: int) -> None:
        """The segment arrives."""
        sealed = self.on_card.pop(seq)
        draft = self.vault.new_draft()
        draft.write(sealed)
        self.vault.place(draft, self.id, seq)
        digest = hashlib.sha256(sealed).digest()
        with self.world.store.write() as uow:
            evidence.enter_segment(uow, self.kit, self.id, seq, cipher_hash=digest, length=len(sealed))

    def gap(self, cause: str, length_ms: int) -> None:
        """The kit states a gap."""
        self._send(
            self.writer.gap(
                cause=cause,
                started_ms=self.started_ms + self.at_ms,
                duration_ms=length_ms,
                monotonic_ms=5000 + self.at_ms,
            )
        )
        self.at_ms += length_ms

    def close(self, cause: str = "officer") -> None:
        """The kit ends the recording."""
        at_ms = self.started_ms + self.at_ms
        self._send(self.writer.final(cause=cause, started_ms=at_ms, monotonic_ms=5000 + self.at_ms))


def film(kit_id: str, seconds: float, *, started_ms: int = 0) -> list[ClearSegment]:
    """Segments of about two seconds from the synthetic camera, as fast as they can be encoded."""
    frames = count()
    camera = SyntheticCamera(
        kit_id, width=640, height=360, fps=FPS, paced=False, now_s=lambda: started_ms / 1000 + next(frames) / FPS
    )
    return cut_source(camera, frames=round(seconds * FPS)).segments


@cache
def authority() -> Pki:
    """The device authority of this test run."""
    return Pki()


def identity_of(world: World) -> X25519PrivateKey:
    """The centre's decryption key; at first use the authority hands over everything that belongs to it."""
    keys, handover = Path(world.settings.keys_dir), Path(world.settings.handover_dir)
    path = keys / "centre.age"
    if not path.exists():
        identity = X25519PrivateKey.generate()
        authority().write_centre_keys(keys)
        path.write_text(envelope.identity_to_text(identity))
        trust = TrustList(
            epoch=1,
            issued_ms=1,
            recipients=[envelope.recipient_to_text(identity.public_key())],
            receipt_keys=[authority().receipt_key.public_key().public_bytes_raw()],
        )
        handover.mkdir(parents=True, exist_ok=True)
        (handover / "trust.cbor").write_bytes(sign_trust_list(authority().root.key, trust))
    return envelope.identity_from_text(path.read_text())


def make_recording(world: World, kit_id: str, *, age_s: int = 900, seconds: float = 12, gap: bool = True) -> Footage:
    """A closed recording with a stated gap in its middle."""
    footage = Footage(world, kit_id, world.now_ms() - age_s * 1000)
    segments = film(kit_id, seconds, started_ms=footage.started_ms)
    for number, segment in enumerate(segments):
        if gap and number == len(segments) // 2:
            footage.gap("camera_stall", 7000)
        footage.add(segment)
    footage.close()
    return footage
