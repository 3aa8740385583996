"""Tables of the courts room.

Dated rows hold from `from_ms` (inclusive) to `until_ms` (exclusive; None: open), ms since 1970 UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from central.base.ids import new_id


class Court(SQLModel, table=True):
    """A court. `code` is the prefix of the codes of all courts below it; the seat (WGS-84) is the present one."""

    __tablename__ = "court"

    code: str = Field(primary_key=True, max_length=20)
    parent_code: str | None = Field(default=None, foreign_key="court.code", max_length=20)
    level: str = Field(max_length=20)
    """supreme, high, intermediate or basic."""
    name_zh: str = Field(max_length=100)
    name_en: str = Field(max_length=100)
    short_zh: str = Field(max_length=40)
    short_en: str = Field(max_length=40)
    division: str = Field(max_length=12)
    """GB/T 2260 code of the division it serves."""
    lat: float
    lon: float
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})


class CourtSeat(SQLModel, table=True):
    """Where a court, and so its centre, sits in a time (seed 27: buildings move, history stays)."""

    __tablename__ = "court_seat"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    court_code: str = Field(foreign_key="court.code", index=True, max_length=20)
    address: str = Field(default="", max_length=200)
    lat: float
    lon: float
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int | None = Field(default=None, sa_type=BigInteger)
    reason: str = Field(default="", max_length=200)


class CourtName(SQLModel, table=True):
    """A court's names in a time; the present ones stand in the court's own row too."""

    __tablename__ = "court_name"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    court_code: str = Field(foreign_key="court.code", index=True, max_length=20)
    name_zh: str = Field(max_length=100)
    name_en: str = Field(max_length=100)
    division: str = Field(max_length=12)
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int | None = Field(default=None, sa_type=BigInteger)


class CommandUnit(SQLModel, table=True):
    """Whom a court can order below itself: its centre, rapid-reaction forces, standby teams (seed 8, 10, 14)."""

    __tablename__ = "command_unit"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    court_code: str = Field(foreign_key="court.code", index=True, max_length=20)
    kind: str = Field(max_length=20)
    name: str = Field(max_length=100)
    phone: str = Field(default="", max_length=40)
    """Duty telephone of the unit, an office line."""
    note: str = Field(default="", max_length=200)
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int | None = Field(default=None, sa_type=BigInteger)
    version: int = Field(default=1)


class CustodyLevel(SQLModel, table=True):
    """At which level of court the data of an inquiry category are asked for, from when on (seed 9)."""

    __tablename__ = "custody_level"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    category: str = Field(index=True, max_length=1)
    """A to M of seed 18(1)."""
    court_code: str = Field(max_length=20)
    """The rule holds for this court and those below it."""
    level: str = Field(max_length=20)
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int | None = Field(default=None, sa_type=BigInteger)
    basis: str = Field(default="", max_length=200)


class FeatureSwitch(SQLModel, table=True):
    """A function switched on or off for a court (seed 26); the nearest court upwards that has a row decides."""

    __tablename__ = "feature_switch"

    court_code: str = Field(foreign_key="court.code", primary_key=True, max_length=20)
    feature: str = Field(primary_key=True, max_length=40)
    is_on: bool
    changed_ms: int = Field(sa_type=BigInteger)
    changed_by: str = Field(max_length=80)
    basis: str = Field(default="", max_length=200)
