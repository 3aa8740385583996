"""A kit that only uploads: a real spool with a really signed recording, the real uploader and door."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path

from contract import chain
from contract.chain_writer import ChainWriter
from edge.options import DoorSettings, StorageSettings
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.spool import RecordRow, SegmentRow, open_spool
from edge.uplink.door import Door
from edge.uplink.evidence_upload import Uploader
from edge.uplink.trust_keeper import TrustKeeper
from tests.central.sync.pki import PEM, Holder, Pki


def write_identity(folder: Path, pki: Pki, holder: Holder, trust: bytes) -> None:
    """What enrolment leaves on a card."""
    folder.mkdir(parents=True)
    (folder / "device.key").write_bytes(holder.key_pem())
    (folder / "device.crt").write_bytes(holder.cert_pem() + pki.kits_ca.cert_pem())
    (folder / "root.crt").write_bytes(pki.root.cert.public_bytes(PEM))
    (folder / "trust.cbor").write_bytes(trust)


class UploadKit:
    """`add` records, `turn_until_idle` uploads; the clock of its pauses is the test's (`later`)."""

    def __init__(self, folder: Path, port: int, *, timeout_s: float = 5.0, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.identity = Identity(folder)
        self.spool = open_spool(folder / "spool.db")
        self.timeout_s = timeout_s
        self.now_s = 0.0
        self.start(port, host)
        self.recording_id = secrets.token_bytes(16)
        self.writer = ChainWriter(chain.begin(self.recording_id), lambda body: chain.sign(self.identity.key, body))
        self._add_record(
            self.writer.open(kit_id=self.identity.kit_id, boot=self.spool.boot, started_ms=1, monotonic_ms=1)
        )
        self.digests: dict[int, bytes] = {}

    def start(self, port: int, host: str = "127.0.0.1") -> None:
        """A new uploader, as after a restart of the process."""
        time = TrustedTime(self.identity.floor_ms())
        self.door = Door(DoorSettings(url=f"https://{host}:{port}", timeout_s=self.timeout_s), self.identity, time)
        keeper = TrustKeeper(self.spool, self.identity, time, lambda who: None)
        self.uploader = Uploader(
            self.spool,
            self.door,
            keeper,
            StorageSettings(),
            is_link_up=lambda: False,
            monotonic_s=lambda: self.now_s,
        )

    @property
    def rid(self) -> str:
        return self.recording_id.hex()

    def add(self, size: int, *, priority: int = 0) -> int:
        """A segment of so many random bytes; returns its number."""
        data, seq = secrets.token_bytes(size), self.writer.state.next_seq
        vault = self.spool.vault
        path = vault.segment_path(self.rid, seq)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        self.digests[seq] = hashlib.sha256(data).digest()
        signed = self.writer.segment(
            cipher_hash=self.digests[seq],
            clear_hash=hashlib.sha256(b"clear").digest(),
            length=size,
            started_ms=seq * 2_000,
            duration_ms=2_000,
            monotonic_ms=seq * 2_000,
        )
        row = SegmentRow(self.rid, seq, self.digests[seq], size, seq * 2_000, 2_000, priority)
        vault.add_segment(row, signed.body, signed.sig)
        return seq

    def turn_until_idle(self, turns: int = 500) -> None:
        for _ in range(turns):
            if self.uploader.turn() > 0:
                return

    def upload_all(self, *, rounds: int = 100, between: Callable[[], object] = lambda: None) -> None:
        """Turn, with pauses that pass at once, until nothing waits."""
        for _ in range(rounds):
            self.turn_until_idle()
            if not self.spool.vault.count_pending():
                return
            between()
            self.now_s += 300.0
        raise AssertionError(f"still {self.spool.vault.count_pending()} waiting: {self.trouble}")

    @property
    def trouble(self) -> str:
        status = self.spool.state.get("upload_status") or {}
        return str(status.get("trouble", ""))

    def close(self) -> None:
        self.door.close()
        self.spool.close()

    def _add_record(self, signed: chain.Signed) -> None:
        record = chain.decode(signed.body)
        self.spool.vault.add_record(RecordRow(self.rid, record.seq, int(record.kind), signed.body, signed.sig))
