"""Tables of the courts room."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from central.base.ids import new_id


class Court(SQLModel, table=True):
    """A court. `code` is the prefix of the codes of all courts below it; the seat is WGS-84."""

    __tablename__ = "court"

    code: str = Field(primary_key=True, max_length=20)
    parent_code: str | None = Field(default=None, foreign_key="court.code", max_length=20)
    level: str = Field(max_length=20)
    """high, intermediate or basic."""
    name_zh: str = Field(max_length=100)
    name_en: str = Field(max_length=100)
    short_zh: str = Field(max_length=40)
    short_en: str = Field(max_length=40)
    division: str = Field(max_length=12)
    """GB/T 2260 code of the division it serves."""
    lat: float
    lon: float


class User(SQLModel, table=True):
    """A person who may log in."""

    __tablename__ = "user_account"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    login: str = Field(unique=True, max_length=64)
    name: str = Field(max_length=100)
    role: str = Field(max_length=20)
    court_code: str = Field(foreign_key="court.code", max_length=20)
    password_hash: str = Field(max_length=200)
    disabled_ms: int | None = Field(default=None, sa_type=BigInteger)
    created_ms: int = Field(sa_type=BigInteger)


class LoginThrottle(SQLModel, table=True):
    """Wrong passwords per login name, known or not, so that a lock tells nobody which logins exist."""

    __tablename__ = "login_throttle"

    login: str = Field(primary_key=True, max_length=64)
    failures: int
    locked_until_ms: int = Field(sa_type=BigInteger)
    last_failure_ms: int = Field(index=True, sa_type=BigInteger)


class LoginSession(SQLModel, table=True):
    """One log-in. Only the hash of its random token is stored."""

    __tablename__ = "login_session"

    token_hash: str = Field(primary_key=True, max_length=64)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    created_ms: int = Field(sa_type=BigInteger)
    last_seen_ms: int = Field(sa_type=BigInteger)
    expires_ms: int = Field(index=True, sa_type=BigInteger)
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)
    client: str = Field(default="", max_length=100)
