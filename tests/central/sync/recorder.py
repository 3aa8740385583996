"""What a recorder makes, for tests: sealed segments and their signed chain."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from contract import chain, envelope, segment
from contract.chain_writer import ChainWriter
from contract.signing import Signed
from tests.central.sync.kit_client import BOOT, b64url, now_ms
from tests.central.sync.pki import Holder


@dataclass
class Recorder:
    """One recording of one kit."""

    holder: Holder
    kit_id: str
    recipients: list[X25519PublicKey]
    recording_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    records: list[Signed] = field(default_factory=list)
    sealed: dict[int, bytes] = field(default_factory=dict)
    clear: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.writer = ChainWriter(chain.begin(self.recording_id), lambda body: chain.sign(self.holder.key, body))
        self.monotonic_ms = 1_000

    @property
    def rid(self) -> str:
        return self.recording_id.hex()

    def open(self, **extra: Any) -> Signed:
        stated = {"kit_id": self.kit_id, "boot": BOOT, "started_ms": now_ms(), "monotonic_ms": self.monotonic_ms}
        return self._keep(self.writer.open(**{**stated, **extra}))

    def segment(self, clear: bytes | None = None, **extra: Any) -> Signed:
        clear = clear if clear is not None else secrets.token_bytes(5000)
        seq = self.writer.state.next_seq
        header = segment.SegmentHeader(
            recording_id=self.recording_id,
            seq=seq,
            salt=secrets.token_bytes(32),
            started_ms=now_ms(),
            monotonic_ms=self.monotonic_ms,
            duration_ms=2000,
        )
        sealed = envelope.seal(segment.pack_header(header) + clear, self.recipients)
        self.sealed[seq], self.clear[seq] = sealed, clear
        record = self.writer.segment(
            cipher_hash=hashlib.sha256(sealed).digest(),
            clear_hash=chain.clear_hash(header.salt, clear),
            length=len(sealed),
            started_ms=header.started_ms,
            duration_ms=2000,
            monotonic_ms=self.monotonic_ms,
            **extra,
        )
        self.monotonic_ms += 2000
        return self._keep(record)

    def gap(self, cause: str, duration_ms: int) -> Signed:
        record = self.writer.gap(
            cause=cause, started_ms=now_ms(), duration_ms=duration_ms, monotonic_ms=self.monotonic_ms
        )
        self.monotonic_ms += duration_ms
        return self._keep(record)

    def final(self, cause: str = "officer") -> Signed:
        return self._keep(self.writer.final(cause=cause, started_ms=now_ms(), monotonic_ms=self.monotonic_ms))

    def _keep(self, record: Signed) -> Signed:
        self.records.append(record)
        return record


def chain_item(seq: int, record: Signed) -> dict[str, Any]:
    return {"seq": seq, "at_ms": now_ms(), "body": {"record": b64url(record.body), "sig": b64url(record.sig)}}
