"""Tables of the cases room.

Days are dates in Asia/Shanghai, moments ms since 1970 UTC, money whole fen (0.01 CNY). Identity numbers and private
fields are sealed by the keyring (central.base.keyring) and found by blind index; names are in the clear, because
people search for parts of them.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, text
from sqlmodel import JSON, Column, Field, SQLModel

import central.people.models  # noqa: F401 - tables of this room refer to accounts
from central.base.ids import new_id

# SQLite gives numbers by itself only to a column of type INTEGER.
BigKey = BigInteger().with_variant(Integer(), "sqlite")


class EnforcementCase(SQLModel, table=True):
    """One case. `case_no` is normalised (domain: year, court, type, serial); unique for all courts and all time."""

    __tablename__ = "enforcement_case"
    __table_args__ = (
        Index("ix_case_state", "court_code", "state", "filed_day", "case_id"),
        Index("ix_case_type", "court_code", "type_code", "filed_day", "case_id"),
        Index("ix_case_filed", "court_code", "filed_day", "case_id"),
        Index(
            "ix_case_flagged", "court_code", "filed_day", "case_id",
            sqlite_where=text("is_flagged"), postgresql_where=text("is_flagged"),
        ),
        Index(
            "ix_case_due", "court_code", "due_on", "case_id",
            sqlite_where=text("due_on IS NOT NULL"), postgresql_where=text("due_on IS NOT NULL"),
        ),
        Index(
            "ix_case_handler", "handler_id", "state", "due_on",
            sqlite_where=text("handler_id IS NOT NULL"), postgresql_where=text("handler_id IS NOT NULL"),
        ),
        Index(
            "ix_case_clerk", "clerk_id", "state", "due_on",
            sqlite_where=text("clerk_id IS NOT NULL"), postgresql_where=text("clerk_id IS NOT NULL"),
        ),
        Index(
            "ix_case_origin", "origin_case_id",
            sqlite_where=text("origin_case_id IS NOT NULL"), postgresql_where=text("origin_case_id IS NOT NULL"),
        ),
    )  # fmt: skip

    case_id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True, autoincrement=True))
    case_no: str = Field(unique=True, max_length=60)
    court_code: str = Field(foreign_key="court.code", max_length=20)
    type_code: str = Field(max_length=8)
    """执, 执恢, ...; `legacy` for numbers of before 2016, which are kept as they are."""
    year: int
    seq: int | None = None
    """Serial within court, type and year; None for legacy numbers."""
    basis_doc_no: str = Field(default="", max_length=100)
    """执行依据文号: the judgment or other paper that is enforced."""
    cause: str = Field(default="", max_length=100)
    """案由."""
    claim_fen: int = Field(default=0, sa_type=BigInteger)
    received_fen: int = Field(default=0, sa_type=BigInteger)
    state: str = Field(max_length=16)
    """filed, assigned, active, suspended, closed (rules.TRANSITIONS)."""
    closing: str = Field(default="", max_length=24)
    """结案方式 once closed (rules.CLOSINGS)."""
    filed_on: date
    filed_day: int
    """`filed_on` as proleptic ordinal: what the indexes order by."""
    closed_on: date | None = None
    handler_id: str | None = Field(default=None, foreign_key="user_account.id", max_length=32)
    """承办人, when the person has an account."""
    handler_name: str = Field(default="", max_length=100)
    clerk_id: str | None = Field(default=None, foreign_key="user_account.id", max_length=32)
    due_on: date | None = None
    """The earliest open node's day; None when nothing is due or the clock stands still."""
    due_node: str = Field(default="", max_length=24)
    limit_on: date | None = None
    """Last day of the whole-case limit with extensions and ended pauses; None while paused or without limit."""
    extended_months: int = 0
    """Granted steps of extension: months, or for 执复 the one step of thirty days (catalogue: `extension`)."""
    is_non_litigation: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})
    """非诉执行: its whole-case limit is shorter."""
    is_flagged: bool = False
    """Whether an open big/important flag (大要案) stands."""
    origin_case_id: int | None = Field(default=None, sa_type=BigInteger)
    """The case this one resumes (执恢) or reviews."""
    source: str = Field(default="", max_length=40)
    """The system the case was imported from; empty when registered here."""
    source_digest: bytes | None = Field(default=None, max_length=16)
    """Digest of the imported row: an unchanged row changes nothing."""
    version: int = 1
    created_ms: int = Field(sa_type=BigInteger)
    changed_ms: int = Field(sa_type=BigInteger)


class Party(SQLModel, table=True):
    """A party of a case. `id_cipher` and `private_cipher` are bound to `party_id` and their field name."""

    __tablename__ = "party"

    party_id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True, autoincrement=True))
    case_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    """enforcement_case.case_id; no declared key, which would cost a look-up a row at every import."""
    position: int
    """Order within the case, from 1."""
    role: str = Field(max_length=16)
    """applicant, executee, third_party, other."""
    kind: str = Field(max_length=16)
    """natural, organisation, other."""
    name: str = Field(max_length=200)
    id_kind: str = Field(default="", max_length=16)
    """resident_id, old_resident_id, uscc, org_code, passport, permit, other; empty when unknown."""
    id_cipher: bytes | None = Field(default=None)
    id_index: bytes | None = Field(default=None, max_length=16)
    """Blind index of the normalised number, kind ID_FIELD; found through `case_term`."""
    private_cipher: bytes | None = Field(default=None)
    """JSON object: phone, address, account, representative."""


class CaseTerm(SQLModel, table=True):
    """What a case is found by (terms.py): parts of its parties' names, their identity numbers, its serial."""

    __tablename__ = "case_term"
    __table_args__ = ({"sqlite_with_rowid": False},)

    block: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    """case_id >> 13: new cases write to one narrow stretch of the index."""
    term: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    filed_day: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    """Of the case: what is found is put in order without looking at the cases."""
    case_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class CaseNode(SQLModel, table=True):
    """A step with a deadline (流程节点). Open while `done_on` is None."""

    __tablename__ = "case_node"
    __table_args__ = (
        Index(
            "ix_node_due", "court_code", "due_on", "case_id",
            sqlite_where=text("done_on IS NULL AND due_on IS NOT NULL"),
            postgresql_where=text("done_on IS NULL AND due_on IS NOT NULL"),
        ),
    )  # fmt: skip

    node_id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True, autoincrement=True))
    case_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    court_code: str = Field(max_length=20)
    kind: str = Field(max_length=24)
    """Key of the catalogue's nodes."""
    started_on: date
    stated_on: date | None = None
    """The due day a person or a paper stated, before pauses; None where the catalogue's limit decides."""
    due_on: date | None = None
    done_on: date | None = None
    done_by: str = Field(default="", max_length=100)
    document_id: str | None = Field(default=None, max_length=32)
    note: str = Field(default="", max_length=500)


class CasePause(SQLModel, table=True):
    """An interval that the net clock leaves out (公告, 评估, 管辖争议, 协调, 暂缓, 中止), with its paper."""

    __tablename__ = "case_pause"
    __table_args__ = (
        Index(
            "ix_pause_running", "until_on",
            sqlite_where=text("ended_by = '' AND until_on IS NOT NULL"),
            postgresql_where=text("ended_by = '' AND until_on IS NOT NULL"),
        ),
    )  # fmt: skip

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    case_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    kind: str = Field(max_length=24)
    from_on: date
    until_on: date | None = None
    """First day that counts again, stated from the start for a stay; None while it runs without a set end."""
    doc_no: str = Field(max_length=100)
    document_id: str | None = Field(default=None, max_length=32)
    set_by: str = Field(max_length=100)
    ended_by: str = Field(default="", max_length=100)


class CaseAct(SQLModel, table=True):
    """An act that one person drafts and another decides: extension, closing, reopening (rules.ACTS)."""

    __tablename__ = "case_act"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    case_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    court_code: str = Field(index=True, max_length=20)
    kind: str = Field(max_length=24)
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    reason: str = Field(default="", max_length=1000)
    state: str = Field(default="submitted", index=True, max_length=16)
    """submitted -> approved (by the bureau chief) -> done (signed, where required) | refused | withdrawn."""
    drafted_by: str = Field(max_length=64)
    """Log-in of the drafter."""
    drafted_ms: int = Field(sa_type=BigInteger)
    approved_by: str = Field(default="", max_length=64)
    approved_ms: int | None = Field(default=None, sa_type=BigInteger)
    signed_by: str = Field(default="", max_length=64)
    signed_ms: int | None = Field(default=None, sa_type=BigInteger)
    decision_note: str = Field(default="", max_length=1000)


class CaseFlag(SQLModel, table=True):
    """Why a case is big or important (大要案)."""

    __tablename__ = "case_flag"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    case_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    flag: str = Field(max_length=24)
    reason: str = Field(default="", max_length=200)
    set_by: str = Field(max_length=100)
    set_ms: int = Field(sa_type=BigInteger)
    cleared_ms: int | None = Field(default=None, sa_type=BigInteger)
    cleared_by: str = Field(default="", max_length=100)


class CaseDocument(SQLModel, table=True):
    """A paper of the case; its file lies sealed in data_dir/documents under its own digest."""

    __tablename__ = "case_document"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    case_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    kind: str = Field(max_length=24)
    title: str = Field(max_length=200)
    doc_no: str = Field(default="", max_length=100)
    made_on: date | None = None
    file_name: str = Field(default="", max_length=200)
    media_type: str = Field(default="", max_length=100)
    size_bytes: int = Field(default=0, sa_type=BigInteger)
    sha256: str = Field(default="", max_length=64)
    """Of the clear file; empty for a paper that is only named."""
    key_cipher: bytes | None = Field(default=None)
    """The file's own key, sealed by the keyring; a rotation of keys seals this anew and leaves the file alone."""
    law_version: str = Field(default="", max_length=60)
    """The edition of the law the paper cites (article numbers moved in 2012, 2021 and 2023)."""
    added_by: str = Field(max_length=100)
    added_ms: int = Field(sa_type=BigInteger)
    withdrawn_ms: int | None = Field(default=None, sa_type=BigInteger)
    withdrawn_by: str = Field(default="", max_length=100)


class CaseEntry(SQLModel, table=True):
    """One line of a case's timeline; never changed."""

    __tablename__ = "case_entry"

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True, autoincrement=True))
    case_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    at_ms: int = Field(sa_type=BigInteger)
    kind: str = Field(max_length=24)
    actor: str = Field(max_length=100)
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class CaseRecusal(SQLModel, table=True):
    """回避: while it runs, this person neither reads nor changes the case."""

    __tablename__ = "case_recusal"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    case_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    reason: str = Field(max_length=500)
    set_by: str = Field(max_length=100)
    set_ms: int = Field(sa_type=BigInteger)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)
    ended_by: str = Field(default="", max_length=100)


class CaseShare(SQLModel, table=True):
    """A court that takes part in another's case (协助, 委托) may read it for a time and for a stated reason."""

    __tablename__ = "case_share"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    case_id: int = Field(sa_column=Column(BigInteger, index=True, nullable=False))
    court_code: str = Field(index=True, max_length=20)
    basis: str = Field(max_length=200)
    set_by: str = Field(max_length=100)
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int = Field(sa_type=BigInteger)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)
