"""Tables of the incidents room. `pressed_ms` is the kit's clock, all other times the centre's; ms since 1970 UTC."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index
from sqlmodel import JSON, Column, Field, SQLModel

from central.base.ids import new_id


class Incident(SQLModel, table=True):
    """What an alarm opened. Ordered by `received_ms`, because a kit's clock may be wrong by years."""

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_queue", "state", "received_ms"),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    kit_no: int = Field(foreign_key="kit.kit_no", index=True)
    kit_id: str = Field(max_length=32)
    court_code: str = Field(index=True, max_length=20)
    kind: str = Field(max_length=16)
    """sos, tamper or fault."""
    alarm_id: str = Field(max_length=32, index=True)
    state: str = Field(default="open", max_length=16)
    received_ms: int = Field(sa_type=BigInteger)
    pressed_ms: int = Field(sa_type=BigInteger)
    clock_doubt: bool = False
    """Whether the kit's clock was too far off for `pressed_ms` to be believed."""
    happened_ms: int = Field(default=0, sa_type=BigInteger)
    """When it was pressed as the centre believes (`central.devices.times.Told`), give or take `happened_error_ms`."""
    happened_error_ms: int | None = Field(default=None, sa_type=BigInteger)
    happened_by: str = Field(default="received", max_length=12)
    lat: float | None = None
    lon: float | None = None
    fix_ms: int | None = Field(default=None, sa_type=BigInteger)
    position_source: str = Field(default="none", max_length=12)
    """`alarm`: came with it; `last_known`: newest fix before it; `none`."""
    position_age_ms: int | None = Field(default=None, sa_type=BigInteger)
    """How old a last known position was when the alarm was received."""
    recording_id: str | None = Field(default=None, max_length=32)
    note: str = Field(default="", max_length=500)
    withdrawn_ms: int | None = Field(default=None, sa_type=BigInteger)
    acknowledged_ms: int | None = Field(default=None, sa_type=BigInteger)
    acknowledged_by: str = Field(default="", max_length=100)
    felt_ms: int | None = Field(default=None, sa_type=BigInteger)
    """When the centre learned that lights, sound or vibration told the officer."""
    closed_ms: int | None = Field(default=None, sa_type=BigInteger)
    closed_by: str = Field(default="", max_length=100)


class IncidentEntry(SQLModel, table=True):
    """One line of an incident's timeline; never changed."""

    __tablename__ = "incident_entry"

    id: int | None = Field(default=None, primary_key=True)
    incident_id: str = Field(foreign_key="incident.id", index=True, max_length=32)
    at_ms: int = Field(sa_type=BigInteger)
    kind: str = Field(max_length=16)
    actor: str = Field(max_length=100)
    """A person's name, or `kit:<kit id>`."""
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class AlarmRecord(SQLModel, table=True):
    """Every alarm as received, marks and withdrawals too. The same alarm twice is one row."""

    __tablename__ = "alarm"

    kit_no: int = Field(foreign_key="kit.kit_no", primary_key=True)
    alarm_id: str = Field(primary_key=True, max_length=32)
    kind: str = Field(primary_key=True, max_length=24)
    court_code: str = Field(index=True, max_length=20)
    received_ms: int = Field(sa_type=BigInteger, index=True)
    pressed_ms: int = Field(sa_type=BigInteger)
    boot_ms: int = Field(sa_type=BigInteger)
    boot: str = Field(default="", max_length=32)
    """Of `boot_ms`; empty: a kit that did not say, whose time is told by its wall clock alone."""
    happened_ms: int = Field(default=0, sa_type=BigInteger)
    """When it was pressed as the centre believes (`central.devices.times.Told`), give or take `happened_error_ms`."""
    happened_error_ms: int | None = Field(default=None, sa_type=BigInteger)
    happened_by: str = Field(default="received", max_length=12)
    lat: float | None = None
    lon: float | None = None
    recording_id: str | None = Field(default=None, max_length=32, index=True)
    note: str = Field(default="", max_length=500)
    category: str = Field(default="", max_length=64)
    task_no: int | None = Field(default=None, sa_type=BigInteger)
    """Directive of the task that was being done."""
    incident_id: str | None = Field(default=None, foreign_key="incident.id", max_length=32)


class RecordingCall(SQLModel, table=True):
    """A kit that was ordered to record together with others. `call_id`: the alarm's id, or one made for the order."""

    __tablename__ = "recording_call"

    call_id: str = Field(primary_key=True, max_length=32)
    kit_no: int = Field(foreign_key="kit.kit_no", primary_key=True)
    kit_id: str = Field(max_length=32)
    origin_kit_no: int = Field(foreign_key="kit.kit_no", index=True)
    """The kit that called, or from whose page the order came."""
    distance_m: int
    number: int = Field(sa_type=BigInteger)
    """The directive that ordered it."""
    ordered_ms: int = Field(sa_type=BigInteger)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)
