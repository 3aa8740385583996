"""The table that tells other systems what changed in the cases. Moments are ms since 1970 UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index
from sqlmodel import Column, Field, SQLModel

from central.cases.models import BigKey


class CaseChange(SQLModel, table=True):
    """The change feed: what other systems read with a cursor (`/api/v1/changes`)."""

    __tablename__ = "case_change"
    __table_args__ = (
        Index("ix_case_change_court", "court_code", "id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True, autoincrement=True))
    case_id: int = Field(sa_type=BigInteger)
    case_no: str = Field(max_length=60)
    court_code: str = Field(max_length=20)
    kind: str = Field(max_length=24)
    version: int
    at_ms: int = Field(sa_type=BigInteger)
