"""Tables of the imports room; times in ms since 1970 UTC."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer
from sqlmodel import JSON, Column, Field, SQLModel

from central.base.ids import new_id

BigKey = BigInteger().with_variant(Integer(), "sqlite")


class ImportJob(SQLModel, table=True):
    """One file on its way in. A dry run judges every row and writes none."""

    __tablename__ = "import_job"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    court_code: str = Field(index=True, max_length=20)
    """Rows of other courts than this one and those below are refused."""
    source: str = Field(max_length=40)
    """Name of the system the file came from."""
    file_name: str = Field(max_length=200)
    form: str = Field(max_length=8)
    """csv, xlsx or json."""
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: str = Field(max_length=64)
    is_dry_run: bool
    state: str = Field(default="queued", index=True, max_length=16)
    """rules.TRANSITIONS; a killed worker's job is taken up again."""
    file_id: str = Field(default="", max_length=32)
    """Name of the sealed upload in data_dir/imports; empty once it is deleted or given to another job."""
    options: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON, nullable=True))
    """`mapping`: heading -> column; `sheet`: name of the sheet to read; `dry`: id of the dry run before it."""
    claim: str = Field(default="", max_length=32)
    """Who runs it now: a worker that lost its claim can no longer write for this job."""
    attempts: int = 0
    """Claims in a row that did not end in order; a file that kills its worker is given up."""
    asked_by: str = Field(max_length=80)
    asked_ms: int = Field(sa_type=BigInteger)
    uploaded_by: str = Field(default="", max_length=80)
    """Who uploaded the file, where that was another step (the dry run)."""
    decided_by: str = Field(default="", max_length=80)
    """Who released or refused it (a person's import for real)."""
    decided_ms: int | None = Field(default=None, sa_type=BigInteger)
    started_ms: int | None = Field(default=None, sa_type=BigInteger)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)
    heartbeat_ms: int | None = Field(default=None, sa_type=BigInteger)
    read_bytes: int = Field(default=0, sa_type=BigInteger)
    rows_read: int = 0
    rows_total: int | None = None
    created_count: int = 0
    updated_count: int = 0
    unchanged_count: int = 0
    rejected_count: int = 0
    warned_count: int = 0
    """Rows taken, with something to note about them."""
    expected: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON, nullable=True))
    """Control totals the source system gave (cases by court), if any."""
    reconciliation: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON, nullable=True))
    message: str = Field(default="", max_length=500)


class ImportProblem(SQLModel, table=True):
    """A row that was refused, or taken with a warning; it never holds an identity number."""

    __tablename__ = "import_problem"

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True, autoincrement=True))
    job_id: str = Field(index=True, max_length=32)
    row_no: int
    """Line of the sheet as a person counts it, the heading being 1."""
    case_no: str = Field(default="", max_length=60)
    column: str = Field(default="", max_length=60)
    code: str = Field(max_length=40)
    params: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    is_refusal: bool = True
