"""Table of the audit room."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger
from sqlmodel import JSON, Column, Field, SQLModel


class AuditEntry(SQLModel, table=True):
    """One act. `seq` has no holes; `hash` binds the row to all rows before it."""

    __tablename__ = "audit_entry"

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at_ms: int = Field(index=True, sa_type=BigInteger)
    actor: str = Field(max_length=80, index=True)
    """`user:<login>`, `kit:<kit id>` or `system:<process>`."""
    court_code: str = Field(max_length=20, index=True)
    action: str = Field(max_length=80, index=True)
    subject: str = Field(max_length=200, index=True)
    purpose: str = Field(default="", max_length=500)
    case_no: str = Field(default="", max_length=60, index=True, sa_column_kwargs={"server_default": ""})
    """The case the act belongs to, if any."""
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    prev_hash: bytes = Field(max_length=32)
    hash: bytes = Field(max_length=32)
    form: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    """How the row is hashed: 1 without `case_no` (rows of release 0.1.0), 2 with it."""


class AuditHead(SQLModel, table=True):
    """The chain's head at a moment, signed by the centre: whoever rewrites the chain would have to forge these."""

    __tablename__ = "audit_head"

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    hash: bytes = Field(max_length=32)
    at_ms: int = Field(sa_type=BigInteger)
    body: bytes = Field(max_length=512)
    """Deterministic CBOR that was signed (contract.signing)."""
    sig: bytes = Field(max_length=64)
    key_id: str = Field(max_length=64)
