"""Tables of the evidence room. Times are ms since 1970 UTC; `received_ms`, `stored_ms` are the centre's clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Text, false
from sqlmodel import JSON, Column, Field, SQLModel


class SignerCertificate(SQLModel, table=True):
    """A certificate a kit has shown and that was in force then: its signatures are checked with it later."""

    __tablename__ = "signer_certificate"

    serial: str = Field(primary_key=True, max_length=64)
    kit_no: int = Field(foreign_key="kit.kit_no", index=True)
    chain_pem: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Leaf and kits' CA, PEM."""
    first_ms: int = Field(sa_type=BigInteger)
    in_token: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """The kit names it as that of the key in its token (`central.evidence.signers`)."""


class Recording(SQLModel, table=True):
    """A chain as far as it is known. `head` is what the next record must carry as `prev`."""

    __tablename__ = "recording"
    __table_args__ = (
        Index("ix_recording_recent", "court_code", "received_ms"),
        Index("ix_recording_begun", "court_code", "begun_ms"),
    )

    id: str = Field(primary_key=True, max_length=32)
    kit_no: int = Field(foreign_key="kit.kit_no", index=True)
    kit_id: str = Field(max_length=32)
    court_code: str = Field(max_length=20)
    serial: str = Field(foreign_key="signer_certificate.serial", max_length=64)
    chain_pem: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """The certificate chain under which this recording was opened: kept with it for every later check."""
    received_ms: int = Field(sa_type=BigInteger)
    last_ms: int = Field(sa_type=BigInteger)
    started_ms: int = Field(sa_type=BigInteger)
    """By the kit's wall clock, as it signed it."""
    begun_ms: int = Field(default=0, sa_type=BigInteger)
    """When it began as the centre believes (`central.devices.times.Told`), give or take `begun_error_ms`."""
    begun_error_ms: int | None = Field(default=None, sa_type=BigInteger)
    begun_by: str = Field(default="received", max_length=12)
    duration_ms: int = Field(default=0, sa_type=BigInteger)
    cause: str = Field(default="", max_length=200)
    opening: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """What the opening record states besides (boot, previous recording, officer, camera)."""
    next_seq: int = Field(default=0, sa_type=BigInteger)
    head: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    closed_ms: int | None = Field(default=None, sa_type=BigInteger)
    end_cause: str = Field(default="", max_length=200)
    segment_count: int = 0
    gap_count: int = 0
    stored_count: int = 0
    stored_bytes: int = Field(default=0, sa_type=BigInteger)
    waiting_count: int = 0
    task_no: int | None = Field(default=None, sa_type=BigInteger)
    """Directive of the task that was being done last, by the kit's signed word."""
    category: str = Field(default="", max_length=64)
    case_no: str = Field(default="", max_length=64)
    """Case of the last task that had one, from the kit's mailbox."""
    together: str = Field(default="", max_length=32, index=True)
    """The call for which kits recorded together."""
    told_ms: int = Field(default=0, sa_type=BigInteger)
    """When screens were last told; segments are announced every few seconds only."""


class RecordingNote(SQLModel, table=True):
    """What a signed record states besides pictures (`contract.notes`); the opening's task and category too."""

    __tablename__ = "recording_note"

    recording_id: str = Field(foreign_key="recording.id", primary_key=True, max_length=32)
    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    place: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    what: str = Field(max_length=16)
    at_ms: int = Field(sa_type=BigInteger)
    """The kit's clock."""
    category: str = Field(default="", max_length=64, index=True)
    task_no: int | None = Field(default=None, sa_type=BigInteger)
    case_no: str = Field(default="", max_length=64, index=True)
    said: str = Field(default="", max_length=64)
    """The cause of a wish or stop, or how the sound stood."""


class ChainLink(SQLModel, table=True):
    """A record of a chain, its bytes as the kit signed them; never changed."""

    __tablename__ = "chain_link"

    recording_id: str = Field(sa_column=Column(Text, primary_key=True))
    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    kind: int
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sig: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    cipher_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    length: int = Field(sa_type=BigInteger)
    started_ms: int = Field(sa_type=BigInteger)
    duration_ms: int = Field(sa_type=BigInteger)
    monotonic_ms: int = Field(sa_type=BigInteger)
    cause: str = Field(max_length=200)
    received_ms: int = Field(sa_type=BigInteger)


class WaitingRecord(SQLModel, table=True):
    """A genuine record that came before its predecessors."""

    __tablename__ = "waiting_record"

    recording_id: str = Field(sa_column=Column(Text, primary_key=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    kit_no: int = Field(foreign_key="kit.kit_no")
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sig: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_ms: int = Field(sa_type=BigInteger)


class StoredSegment(SQLModel, table=True):
    """A sealed segment on disk, re-read and found to be the one its record names."""

    __tablename__ = "stored_segment"

    recording_id: str = Field(sa_column=Column(Text, primary_key=True))
    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    cipher_hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    length: int = Field(sa_type=BigInteger)
    stored_ms: int = Field(sa_type=BigInteger)


class StoredProxy(SQLModel, table=True):
    """A small picture of a segment that has not arrived; gone when it has. Not evidence."""

    __tablename__ = "stored_proxy"

    recording_id: str = Field(sa_column=Column(Text, primary_key=True))
    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    cipher_hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    clear_hash: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    length: int = Field(sa_type=BigInteger)
    stored_ms: int = Field(sa_type=BigInteger)
