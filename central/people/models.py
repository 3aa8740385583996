"""Tables of the people room; times in ms since 1970 UTC."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlmodel import JSON, Column, Field, SQLModel

from central.base.ids import new_id


class User(SQLModel, table=True):
    """A person who may log in, once a second administrator has admitted the account and its role."""

    __tablename__ = "user_account"
    __table_args__ = (Index("ix_user_account_oidc_subject", "oidc_subject", unique=True),)

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    login: str = Field(unique=True, max_length=64)
    name: str = Field(max_length=100)
    role: str = Field(max_length=20)
    court_code: str = Field(foreign_key="court.code", max_length=20)
    password_hash: str = Field(max_length=200)
    """PHC form; empty while no password has been issued."""
    disabled_ms: int | None = Field(default=None, sa_type=BigInteger)
    created_ms: int = Field(sa_type=BigInteger)
    created_by: str = Field(default="", max_length=80, sa_column_kwargs={"server_default": ""})
    admitted_ms: int | None = Field(default=None, sa_type=BigInteger)
    """When a security administrator admitted the account; None: it cannot log in yet."""
    admitted_by: str = Field(default="", max_length=80, sa_column_kwargs={"server_default": ""})
    pending_role: str = Field(default="", max_length=20, sa_column_kwargs={"server_default": ""})
    """A proposed change of role, effective when another administrator admits it."""
    pending_reset: str = Field(default="", max_length=20, sa_column_kwargs={"server_default": ""})
    """A proposed reset, of RESETS (`rules`); the present password and second ways hold until it is admitted."""
    pending_court: str = Field(default="", max_length=20, sa_column_kwargs={"server_default": ""})
    pending_by: str = Field(default="", max_length=80, sa_column_kwargs={"server_default": ""})
    password_due: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})
    """Two administrators agreed that a one-time password may be issued; it has not been yet."""
    due_proposed_by: str = Field(default="", max_length=80, sa_column_kwargs={"server_default": ""})
    due_admitted_by: str = Field(default="", max_length=80, sa_column_kwargs={"server_default": ""})
    issued_by: str = Field(default="", max_length=80, sa_column_kwargs={"server_default": ""})
    """Who issued the last one-time password."""
    must_change_password: bool = Field(default=False, sa_column_kwargs={"server_default": "0"})
    password_ms: int | None = Field(default=None, sa_type=BigInteger)
    totp_cipher: bytes | None = Field(default=None)
    """The TOTP secret (RFC 6238), sealed by the keyring; set when its first code has been proven."""
    totp_step: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    """The newest time step accepted: a code works once."""
    recovery_hashes: list[str] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]")
    )
    oidc_subject: str | None = Field(default=None, max_length=255)
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})


class Passkey(SQLModel, table=True):
    """A WebAuthn credential of a user."""

    __tablename__ = "passkey"

    credential_id: bytes = Field(primary_key=True, max_length=1024)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    public_key: bytes
    """The attested credential data as the authenticator gave it."""
    sign_count: int = Field(default=0, sa_type=BigInteger)
    label: str = Field(default="", max_length=60)
    created_ms: int = Field(sa_type=BigInteger)
    used_ms: int | None = Field(default=None, sa_type=BigInteger)


class LoginThrottle(SQLModel, table=True):
    """Wrong passwords or codes per login name, known or not, so that a lock tells nobody which logins exist."""

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
    """Address the log-in came from."""
    device: str = Field(default="", max_length=60, sa_column_kwargs={"server_default": ""})
    """Browser and system, as the browser says."""
    stage: str = Field(default="full", max_length=20, sa_column_kwargs={"server_default": "full"})
    """A stage of `rules.STAGES`; only `full` may do anything but go on logging in."""
    method: str = Field(default="password", max_length=40, sa_column_kwargs={"server_default": "password"})
    """How the person proved itself: password or oidc, then +totp, +recovery, +passkey, +directory; passkey alone."""
    proven_ms: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    """When the person last proved itself: what grave acts look at."""
    terminal_id: str | None = Field(default=None, max_length=32)


class Terminal(SQLModel, table=True):
    """A registered workstation (seed 22): its browser holds a random token of which the hash is stored."""

    __tablename__ = "terminal"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    court_code: str = Field(foreign_key="court.code", index=True, max_length=20)
    name: str = Field(max_length=100)
    room: str = Field(default="", max_length=100)
    token_hash: str | None = Field(default=None, max_length=64, unique=True)
    enrol_hash: str | None = Field(default=None, max_length=64, unique=True)
    """Hash of the one-time code that binds a browser."""
    enrol_until_ms: int | None = Field(default=None, sa_type=BigInteger)
    created_ms: int = Field(sa_type=BigInteger)
    bound_ms: int | None = Field(default=None, sa_type=BigInteger)
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)


class ServiceAccount(SQLModel, table=True):
    """Another system that uses `/api/v1` for one court and those below it, within its scopes.

    `scopes` and `expires_ms` are what two administrators agreed on; `pending_*` is what one of them proposes.
    """

    __tablename__ = "service_account"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    name: str = Field(unique=True, max_length=64)
    note: str = Field(default="", max_length=200)
    court_code: str = Field(foreign_key="court.code", max_length=20)
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    token_hash: str | None = Field(default=None, max_length=64, unique=True)
    """None until the account has been admitted and its token issued."""
    created_ms: int = Field(sa_type=BigInteger)
    created_by: str = Field(max_length=80)
    expires_ms: int = Field(sa_type=BigInteger)
    """0 while the account has not been admitted."""
    admitted_ms: int | None = Field(default=None, sa_type=BigInteger)
    """When a security administrator last admitted something; None: the account is only proposed."""
    admitted_by: str = Field(default="", max_length=80)
    pending_by: str = Field(default="", max_length=80)
    """Who proposes what the other `pending_*` say; empty: nothing waits."""
    pending_scopes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    pending_days: int = Field(default=0)
    """The proposed term, from its admission on; 0: the end stays."""
    pending_token: bool = Field(default=False)
    """Whether a fresh token is proposed too."""
    token_due: bool = Field(default=False)
    """A token may be issued, once."""
    issued_by: str = Field(default="", max_length=80)
    revoked_ms: int | None = Field(default=None, sa_type=BigInteger)
    used_ms: int | None = Field(default=None, sa_type=BigInteger)
    version: int = Field(default=1)


class Ceremony(SQLModel, table=True):
    """A WebAuthn or OIDC exchange under way: what the answer is checked against; short-lived, used once."""

    __tablename__ = "login_ceremony"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    kind: str = Field(max_length=20)
    user_id: str | None = Field(default=None, max_length=32)
    client: str = Field(default="", index=True, max_length=100)
    """Address it was begun from, as `rules.address_key` has it: how many may be open is limited by it."""
    state: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    expires_ms: int = Field(index=True, sa_type=BigInteger)


class Appointment(SQLModel, table=True):
    """A person holds a post at a court in a time (任命); one serving commander per centre per moment (seed 7).

    A trigger (revision 0003) refuses a second commander in the same time, whoever writes.
    """

    __tablename__ = "appointment"
    __table_args__ = (
        Index("ix_appointment_post", "court_code", "post", "from_ms"),
        CheckConstraint("until_ms IS NULL OR until_ms >= from_ms", name="ck_appointment_term"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    court_code: str = Field(foreign_key="court.code", max_length=20)
    post: str = Field(max_length=20)
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    from_ms: int = Field(sa_type=BigInteger)
    until_ms: int | None = Field(default=None, sa_type=BigInteger)
    basis: str = Field(max_length=200)
    """Number of the paper that appoints."""
    made_by: str = Field(max_length=80)
    made_ms: int = Field(sa_type=BigInteger)
    ended_by: str = Field(default="", max_length=80)
