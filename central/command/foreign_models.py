"""Tables of foreign systems: cameras that give their picture, outlets by which others take one."""

from __future__ import annotations

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Column, Field, SQLModel

from central.base.ids import new_id


class Camera(SQLModel, table=True):
    """A camera or recorder of somebody else's (seed 18(2)); as a source it is `c:` and its id."""

    __tablename__ = "camera"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    court_code: str = Field(foreign_key="court.code", index=True, max_length=20)
    name: str = Field(max_length=60)
    place: str = Field(default="", max_length=200)
    address_cipher: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Address with user and password, sealed (`central.base.keyring`)."""
    shown: str = Field(max_length=300)
    """The same without user and password."""
    added_by: str = Field(max_length=100)
    added_ms: int = Field(sa_type=BigInteger)
    retired_ms: int | None = Field(default=None, sa_type=BigInteger)
    asked_ms: int | None = Field(default=None, sa_type=BigInteger)
    """When somebody asked for a trial of it; None once it is done."""
    state: str = Field(default="untried", max_length=16)
    """`foreign_rules.CAMERA_STATES`, as it was at `state_ms`."""
    state_ms: int | None = Field(default=None, sa_type=BigInteger)
    picture: str = Field(default="", max_length=80)
    """What it gave when it was last seen: codec, size, pictures a second."""


class SessionOutlet(SQLModel, table=True):
    """Leave for one foreign system to take one source's picture in one session; ends with it at the latest."""

    __tablename__ = "session_outlet"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    session_id: str = Field(foreign_key="command_session.id", index=True, max_length=32)
    source: str = Field(max_length=64)
    stream: int = 0
    system: str = Field(max_length=60)
    """Who takes it, as the officer is told."""
    purpose: str = Field(max_length=200)
    secret_cipher: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Digest's HA1 (RFC 2617), sealed: it opens the picture as the password does."""
    granted_by: str = Field(max_length=100)
    granted_ms: int = Field(sa_type=BigInteger)
    until_ms: int = Field(sa_type=BigInteger)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)
    ended_by: str = Field(default="", max_length=100)
