"""Tables of remote command. Times are the centre's, ms since 1970 UTC; names of people as they were then."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import JSON, Column, Field, SQLModel

from central.base.ids import new_id


class CommandRequest(SQLModel, table=True):
    """Somebody asks that a court commands kits from afar. An officer's press (watch_me) is one too."""

    __tablename__ = "command_request"
    __table_args__ = (Index("ix_command_request_state", "state", "requested_ms"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    commanding_court: str = Field(foreign_key="court.code", index=True, max_length=20)
    requesting_court: str = Field(foreign_key="court.code", index=True, max_length=20)
    ground: str = Field(max_length=16)
    """incident, watch_me, task or other (`rules.GROUNDS`)."""
    ground_ref: str = Field(default="", index=True, max_length=80)
    """Incident id, alarm id, or `kit/number` of a task."""
    reason: str = Field(max_length=500)
    kits: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    requested_by: str = Field(max_length=100)
    """A person's name, or `kit:<kit id>`."""
    requester_id: str = Field(default="", max_length=64)
    """User id; "" when an officer asked by his kit."""
    requested_ms: int = Field(sa_type=BigInteger)
    state: str = Field(default="asked", max_length=12)
    state_ms: int = Field(sa_type=BigInteger)
    state_by: str = Field(default="", max_length=100)


class CommandDecision(SQLModel, table=True):
    """What was decided on a request. Never changed, but for the ratification of an emergency."""

    __tablename__ = "command_decision"
    __table_args__ = (UniqueConstraint("id", "verdict"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    request_id: str = Field(foreign_key="command_request.id", unique=True, max_length=32)
    kind: str = Field(max_length=12)
    """ordinary, own_motion or emergency."""
    verdict: str = Field(max_length=8)
    """granted or refused."""
    court_code: str = Field(foreign_key="court.code", index=True, max_length=20)
    decided_by: str = Field(max_length=100)
    decider_id: str = Field(max_length=64)
    decided_ms: int = Field(sa_type=BigInteger)
    reason: str = Field(default="", max_length=500)
    start_until_ms: int = Field(sa_type=BigInteger)
    """A session may begin until then."""
    minutes: int = 0
    """For how long a session may last."""
    voice: str = Field(default="ptt", max_length=8)
    ratify_due_ms: int | None = Field(default=None, sa_type=BigInteger)
    """Of an emergency."""
    ratified: str = Field(default="", max_length=12)
    """confirmed or disapproved; "" until somebody said."""
    ratified_by: str = Field(default="", max_length=100)
    ratified_ms: int | None = Field(default=None, sa_type=BigInteger)
    ratified_reason: str = Field(default="", max_length=500)
    overdue_ms: int | None = Field(default=None, sa_type=BigInteger)
    """When it was put on record that nobody had ratified it in time."""


class CommandSession(SQLModel, table=True):
    """A remote command under way or past. There is none without its decision: the database refuses it."""

    __tablename__ = "command_session"
    __table_args__ = (
        Index("ix_command_session_ended", "ended_ms", "begun_ms"),
        ForeignKeyConstraint(["decision_id", "verdict"], ["command_decision.id", "command_decision.verdict"]),
        CheckConstraint("verdict = 'granted'", name="granted"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    decision_id: str = Field(unique=True, max_length=32)
    verdict: str = Field(default="granted", max_length=8)
    """Of the decision: the two together are its key, so that no session stands on a refusal."""
    court_code: str = Field(foreign_key="court.code", index=True, max_length=20)
    """The commanding court."""
    requesting_court: str = Field(foreign_key="court.code", index=True, max_length=20)
    purpose: str = Field(max_length=500)
    voice: str = Field(default="ptt", max_length=8)
    begun_ms: int = Field(sa_type=BigInteger)
    begun_by: str = Field(max_length=100)
    until_ms: int = Field(sa_type=BigInteger)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)
    ended_by: str = Field(default="", max_length=100)
    end_reason: str = Field(default="", max_length=500)


class SessionKit(SQLModel, table=True):
    """A kit's part in a session, from joining to leaving; it may join again."""

    __tablename__ = "session_kit"
    __table_args__ = (
        Index(
            "ix_session_kit_in",
            "session_id",
            "kit_no",
            unique=True,
            sqlite_where=text("left_ms IS NULL"),
            postgresql_where=text("left_ms IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    session_id: str = Field(foreign_key="command_session.id", max_length=32)
    kit_no: int = Field(foreign_key="kit.kit_no", index=True)
    kit_id: str = Field(max_length=32)
    court_code: str = Field(max_length=20)
    officer: str = Field(default="", max_length=200)
    joined_ms: int = Field(sa_type=BigInteger)
    left_ms: int | None = Field(default=None, sa_type=BigInteger)
    order_no: int = Field(sa_type=BigInteger)
    """The directive that called it last."""


class SessionGuest(SQLModel, table=True):
    """A court's hall, a person or an external camera taken into a session."""

    __tablename__ = "session_guest"

    id: int | None = Field(default=None, primary_key=True)
    session_id: str = Field(foreign_key="command_session.id", index=True, max_length=32)
    kind: str = Field(max_length=8)
    """court, person or camera."""
    ref: str = Field(max_length=64)
    """Court code, user id or camera id."""
    name: str = Field(max_length=100)
    court_code: str = Field(default="", max_length=20)
    by: str = Field(max_length=100)
    joined_ms: int = Field(sa_type=BigInteger)
    left_ms: int | None = Field(default=None, sa_type=BigInteger)


class SessionEntry(SQLModel, table=True):
    """One line of a session's record; never changed, bound to the one before it (`rules.hash_entry`)."""

    __tablename__ = "session_entry"
    __table_args__ = (UniqueConstraint("session_id", "no"),)

    id: int | None = Field(default=None, primary_key=True)
    session_id: str = Field(foreign_key="command_session.id", max_length=32)
    no: int
    """From 1, without holes."""
    at_ms: int = Field(sa_type=BigInteger)
    kind: str = Field(max_length=16)
    actor: str = Field(max_length=100)
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    prev_hash: bytes = Field(sa_type=LargeBinary)
    hash: bytes = Field(sa_type=LargeBinary)


class SessionOrder(SQLModel, table=True):
    """A numbered order given in a session (口令编号), to one kit or more."""

    __tablename__ = "session_order"

    session_id: str = Field(foreign_key="command_session.id", primary_key=True, max_length=32)
    no: int = Field(primary_key=True)
    text: str = Field(max_length=500)
    by: str = Field(max_length=100)
    issued_ms: int = Field(sa_type=BigInteger)


class SessionOrderKit(SQLModel, table=True):
    """A numbered order at one kit: the directive that carries it, and a read-back heard by voice."""

    __tablename__ = "session_order_kit"
    __table_args__ = (Index("ix_session_order_kit_directive", "kit_no", "number"),)

    session_id: str = Field(foreign_key="command_session.id", primary_key=True, max_length=32)
    no: int = Field(primary_key=True)
    kit_no: int = Field(foreign_key="kit.kit_no", primary_key=True)
    kit_id: str = Field(max_length=32)
    number: int = Field(sa_type=BigInteger)
    """Of the directive in the kit's mailbox, whose state is the answer."""
    heard_by: str = Field(default="", max_length=100)
    """Who heard the officer read it back by voice."""
    heard_ms: int | None = Field(default=None, sa_type=BigInteger)
    heard_note: str = Field(default="", max_length=500)
