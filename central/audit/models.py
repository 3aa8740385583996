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
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    prev_hash: bytes = Field(max_length=32)
    hash: bytes = Field(max_length=32)
