"""Tables of the sessions' records. Times are ms since 1970 UTC by the centre's clock."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary
from sqlmodel import JSON, Column, Field, SQLModel


class SessionRecord(SQLModel, table=True):
    """The chain of one session's record as far as it goes. `head` is what the next record must carry as `prev`."""

    __tablename__ = "session_record"

    session_id: str = Field(primary_key=True, max_length=32, foreign_key="command_session.id")
    court_code: str = Field(max_length=20, index=True)
    begun_ms: int = Field(sa_type=BigInteger)
    last_ms: int = Field(sa_type=BigInteger)
    """The end of what is recorded so far."""
    next_seq: int = Field(default=0, sa_type=BigInteger)
    head: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    stopped_ms: int | None = Field(default=None, sa_type=BigInteger)
    """When the relay was ended in order; None while it runs, or when it was killed."""
    closed_ms: int | None = Field(default=None, sa_type=BigInteger)
    segment_count: int = 0
    gap_count: int = 0
    frame_count: int = Field(default=0, sa_type=BigInteger)
    lost_frames: int = Field(default=0, sa_type=BigInteger)
    stored_bytes: int = Field(default=0, sa_type=BigInteger)
    entry_no: int = 0
    """Number of the last entry of the session's log that is sealed."""
    trouble: str = Field(default="", max_length=32)
    """Why nothing can be recorded at this moment; empty: all is well."""


class SessionRecordLink(SQLModel, table=True):
    """A record of the chain, its bytes as the centre signed them; never changed."""

    __tablename__ = "session_record_link"

    session_id: str = Field(primary_key=True, max_length=32, foreign_key="session_record.session_id")
    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    kind: int
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sig: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    cipher_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    length: int = Field(sa_type=BigInteger)
    started_ms: int = Field(sa_type=BigInteger)
    duration_ms: int = Field(sa_type=BigInteger)
    cause: str = Field(max_length=200)
    tracks: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """How many frames of which picture or voice the segment holds."""
