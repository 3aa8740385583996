"""Tables of the devices room. Times are ms since 1970 UTC; `received_ms` is the centre's clock, `at_ms` the kit's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Float, Index, Integer, LargeBinary, SmallInteger, Text, UniqueConstraint, text
from sqlmodel import JSON, Column, Field, SQLModel

MILESTONE = "seq % 64 = 0"
"""Which fixes stand in the trail's index (`central.devices.trail`)."""


class Kit(SQLModel, table=True):
    """A kit of the signed register. `kit_no` is its short number inside this database."""

    __tablename__ = "kit"

    kit_no: int | None = Field(default=None, primary_key=True)
    kit_id: str = Field(unique=True, max_length=32)
    court_code: str = Field(index=True, max_length=20)
    label: str = Field(default="", max_length=200)
    officer: str = Field(default="", max_length=200)
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)
    added_ms: int = Field(sa_type=BigInteger)


class KitCertificate(SQLModel, table=True):
    """A certificate the device authority has issued. `serial` is lower-case hex without prefix."""

    __tablename__ = "kit_certificate"

    serial: str = Field(primary_key=True, max_length=64)
    kit_no: int = Field(foreign_key="kit.kit_no", index=True)
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)
    added_ms: int = Field(sa_type=BigInteger)
    until_ms: int | None = Field(default=None, sa_type=BigInteger)
    """When it ends; known once the kit has shown it, for the register names serials only."""


class RegistryState(SQLModel, table=True):
    """The newest register applied; its epoch never goes back. One row."""

    __tablename__ = "registry_state"

    id: int = Field(default=1, primary_key=True)
    epoch: int = Field(sa_type=BigInteger)
    issued_ms: int = Field(sa_type=BigInteger)
    applied_ms: int = Field(sa_type=BigInteger)


class KitSpool(SQLModel, table=True):
    """A kit's spool by its random id; a re-imaged kit brings a new one."""

    __tablename__ = "kit_spool"
    __table_args__ = (UniqueConstraint("kit_no", "spool"),)

    spool_no: int | None = Field(default=None, primary_key=True)
    kit_no: int = Field(foreign_key="kit.kit_no")
    spool: str = Field(max_length=32)
    first_ms: int = Field(sa_type=BigInteger)


class KitBoot(SQLModel, table=True):
    """What is known of one boot of a kit (`central.devices.times.Anchor`). Offsets: UTC minus time since boot, ms."""

    __tablename__ = "kit_boot"

    kit_no: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    boot: str = Field(primary_key=True, max_length=32)
    spool_no: int
    first_seq: int = Field(sa_type=BigInteger)
    last_mono_ms: int = Field(sa_type=BigInteger)
    upper_ms: int = Field(sa_type=BigInteger)
    upper_mono_ms: int = Field(sa_type=BigInteger)
    low_ms: int | None = Field(default=None, sa_type=BigInteger)
    high_ms: int | None = Field(default=None, sa_type=BigInteger)
    claim_mono_ms: int | None = Field(default=None, sa_type=BigInteger)
    claimed_by: str = Field(default="", max_length=12)


class Position(SQLModel, table=True):
    """A fix of the trail. Written as tuples (`rules.PositionRow`, same order); never changed."""

    __tablename__ = "position"
    # Rows are appended in the order they come: WITHOUT ROWID was measured at nearly twice the CPU a fix,
    # because every fix of another kit then rewrites another page of full rows.
    __table_args__ = (
        Index(
            "ix_position_milestone",
            "kit_no",
            "spool_no",
            "trail_ms",
            "seq",
            sqlite_where=text(MILESTONE),
            postgresql_where=text(MILESTONE),
        ),
    )

    kit_no: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    spool_no: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    digest: bytes = Field(sa_column=Column(LargeBinary(8), nullable=False))
    trail_ms: int = Field(sa_column=Column(BigInteger, nullable=False))
    received_ms: int = Field(sa_column=Column(BigInteger, nullable=False))
    at_ms: int = Field(sa_column=Column(BigInteger, nullable=False))
    fix_ms: int | None = Field(sa_column=Column(BigInteger))
    lat: float = Field(sa_column=Column(Float, nullable=False))
    lon: float = Field(sa_column=Column(Float, nullable=False))
    mode: int = Field(sa_column=Column(SmallInteger, nullable=False))
    alt_m: float | None = Field(sa_column=Column(Float))
    speed_mps: float | None = Field(sa_column=Column(Float))
    course_deg: float | None = Field(sa_column=Column(Float))
    accuracy_m: float | None = Field(sa_column=Column(Float))
    source: str = Field(sa_column=Column(Text, nullable=False))
    suspect: str = Field(sa_column=Column(Text, nullable=False))


class ReceivedItem(SQLModel, table=True):
    """Every item other than a position, remembered by number and digest."""

    __tablename__ = "received_item"
    __table_args__ = ({"sqlite_with_rowid": False},)

    kit_no: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    spool_no: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    digest: bytes = Field(sa_column=Column(LargeBinary(8), nullable=False))
    kind: str = Field(max_length=16)
    received_ms: int = Field(sa_column=Column(BigInteger, nullable=False))


class KitState(SQLModel, table=True):
    """The newest word of a kit: heard, last fix (the live marker), health, hello."""

    __tablename__ = "kit_state"

    kit_no: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    last_heard_ms: int | None = Field(default=None, sa_type=BigInteger)
    link: str = Field(default="", max_length=16, sa_column_kwargs={"server_default": ""})
    """The newest word about the session: up, lost, or how the kit said goodbye (contract.Beat); "" unknown."""
    link_ms: int | None = Field(default=None, sa_type=BigInteger)
    clock_offset_ms: int | None = Field(default=None, sa_type=BigInteger)
    """Kit's clock minus the centre's at the newest health or hello; large means the kit's times are in doubt."""
    fix_spool_no: int | None = None
    fix_seq: int | None = Field(default=None, sa_type=BigInteger)
    fix_received_ms: int | None = Field(default=None, sa_type=BigInteger)
    fix_at_ms: int | None = Field(default=None, sa_type=BigInteger)
    fix_ms: int | None = Field(default=None, sa_type=BigInteger)
    lat: float | None = None
    lon: float | None = None
    mode: int | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    accuracy_m: float | None = None
    source: str = Field(default="", max_length=64)
    suspect: str = Field(default="", max_length=64)
    health: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    """Body of the newest `health` message (contract.Health) as a plain dict."""
    health_ms: int | None = Field(default=None, sa_type=BigInteger)
    mailbox_have: int = Field(default=0, sa_type=BigInteger)
    version: str = Field(default="", max_length=64)


class MailboxEntry(SQLModel, table=True):
    """A directive for a kit, durable until the kit's receipt. Numbers count from 1 without holes per kit."""

    __tablename__ = "mailbox_entry"
    __table_args__ = (Index("ix_mailbox_entry_kind", "kind", "issued_ms"),)

    kit_no: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    kind: str = Field(max_length=32)
    body: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    issued_ms: int = Field(sa_type=BigInteger)
    expires_ms: int | None = Field(default=None, sa_type=BigInteger)
    state: str = Field(default="waiting", max_length=12, index=True)
    state_ms: int = Field(sa_type=BigInteger)
    kit_at_ms: int | None = Field(default=None, sa_type=BigInteger)
    note: str = Field(default="", max_length=500)


class MailboxStep(SQLModel, table=True):
    """One receipt of a directive: what the kit or its officer said, and when; also one overtaken by a later."""

    __tablename__ = "mailbox_step"
    __table_args__ = (Index("ix_mailbox_step_entry", "kit_no", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    kit_no: int
    number: int = Field(sa_type=BigInteger)
    state: str = Field(max_length=12)
    received_ms: int = Field(sa_type=BigInteger)
    kit_at_ms: int = Field(sa_type=BigInteger)
    boot: str = Field(default="", max_length=32)
    """The kit's boot whose time `mono_ms` is; "" for a kit that says none."""
    mono_ms: int | None = Field(default=None, sa_type=BigInteger)
    note: str = Field(default="", max_length=500)


class SetAside(SQLModel, table=True):
    """What could not be accepted, kept with its reason; payload cut to 4 KiB."""

    __tablename__ = "set_aside"

    id: int | None = Field(default=None, primary_key=True)
    received_ms: int = Field(sa_type=BigInteger, index=True)
    kit_id: str = Field(default="", max_length=64, index=True)
    source: str = Field(max_length=200)
    """Subject, path or other place it came in by."""
    reason: str = Field(max_length=40)
    detail: str = Field(default="", max_length=500)
    size_bytes: int
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Counter(SQLModel, table=True):
    """A running total, such as `set_aside.unparsable`."""

    __tablename__ = "counter"

    name: str = Field(primary_key=True, max_length=80)
    value: int = Field(sa_type=BigInteger)
    changed_ms: int = Field(sa_type=BigInteger)


class KitLoss(SQLModel, table=True):
    """One kit reported lost, from its locking to its unlocking or the proof that its keys are gone.

    `destroy_*` is asked by one person and confirmed by another (`central.devices.lost`). At most one is open a kit.
    """

    __tablename__ = "kit_loss"
    __table_args__ = (
        Index(
            "ix_kit_loss_open",
            "kit_no",
            unique=True,
            sqlite_where=text("closed_ms IS NULL"),
            postgresql_where=text("closed_ms IS NULL"),
        ),
    )

    loss_id: int | None = Field(default=None, primary_key=True)
    kit_no: int = Field(foreign_key="kit.kit_no", index=True)
    state: str = Field(max_length=16)
    """locked, asked, ordered, destroyed, unlocked (`central.devices.losses`)."""
    reason: str = Field(max_length=500)
    locked_by: str = Field(max_length=64)
    locked_ms: int = Field(sa_type=BigInteger)
    asked_by: str = Field(default="", max_length=64)
    asked_ms: int | None = Field(default=None, sa_type=BigInteger)
    asked_reason: str = Field(default="", max_length=500)
    confirmed_by: str = Field(default="", max_length=64)
    confirmed_ms: int | None = Field(default=None, sa_type=BigInteger)
    order_no: int | None = Field(default=None, sa_type=BigInteger)
    """Number of the directive that orders the destruction."""
    proof: bytes | None = Field(default=None, sa_type=LargeBinary)
    """The kit's signed statement (`contract.lost`), as it came."""
    proof_verdict: str = Field(default="", max_length=16)
    """verified, foreign (signed by no key of this kit) or malformed; "" until it came."""
    proof_ms: int | None = Field(default=None, sa_type=BigInteger)
    closed_by: str = Field(default="", max_length=64)
    closed_ms: int | None = Field(default=None, sa_type=BigInteger)
    closed_reason: str = Field(default="", max_length=500)


class KitHealthHour(SQLModel, table=True):
    """The worst of a kit's reports of one hour, by the centre's clock: what a small curve of a day is drawn from."""

    __tablename__ = "kit_health_hour"

    kit_no: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    hour_ms: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    battery_min_pct: float | None = None
    temp_max_c: float | None = None
    messages_max: int = Field(default=0, sa_type=BigInteger)
    segments_max: int = Field(default=0, sa_type=BigInteger)
    free_min_bytes: int = Field(default=0, sa_type=BigInteger)


class KitLog(SQLModel, table=True):
    """A kit's logs that somebody asked for: `number` is the directive's. The sealed file lies below `logs`."""

    __tablename__ = "kit_log"

    kit_no: int = Field(foreign_key="kit.kit_no", primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    asked_by: str = Field(max_length=64)
    asked_ms: int = Field(sa_type=BigInteger)
    reason: str = Field(max_length=500)
    hours: int
    length: int = Field(default=0, sa_type=BigInteger)
    digest: bytes | None = Field(default=None, sa_type=LargeBinary)
    """SHA-256 of the sealed file; None until it came."""
    stored_ms: int | None = Field(default=None, sa_type=BigInteger)
    removed_ms: int | None = Field(default=None, sa_type=BigInteger)
