"""What the authority remembers, as its database has it: kits, one-time tokens, certificates and the log."""

from __future__ import annotations

from dataclasses import dataclass

from provisioning.grace_rows import GRACE_TABLE

SCHEMA = (
    GRACE_TABLE
    + """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE kits (
    kit_id TEXT PRIMARY KEY,
    court_code TEXT NOT NULL,
    label TEXT NOT NULL,
    officer TEXT NOT NULL,
    added_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER,
    revoked_reason TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    secret_hash BLOB PRIMARY KEY,
    kit_id TEXT NOT NULL REFERENCES kits (kit_id),
    issued_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    voided_at_ms INTEGER,
    used_at_ms INTEGER,
    used_for_key BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE certificates (
    serial TEXT PRIMARY KEY,
    kit_id TEXT NOT NULL REFERENCES kits (kit_id),
    key_digest BLOB NOT NULL,
    der BLOB NOT NULL,
    issued_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX certificates_by_kit ON certificates (kit_id, issued_at_ms);
CREATE TABLE log (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_is_never_shortened BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
"""
)


@dataclass(frozen=True)
class KitRow:
    """A kit as added; `revoked_at_ms` is None while it may work."""

    kit_id: str
    court_code: str
    label: str
    officer: str
    added_at_ms: int
    revoked_at_ms: int | None
    revoked_reason: str | None


@dataclass(frozen=True)
class CertificateRow:
    """A certificate issued to a kit; `serial` in lower-case hex."""

    serial: str
    kit_id: str
    key_digest: bytes
    der: bytes
    issued_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None


@dataclass(frozen=True)
class TokenRow:
    """A one-time token; only the hash of its secret is kept."""

    secret_hash: bytes
    kit_id: str
    issued_at_ms: int
    expires_at_ms: int
    voided_at_ms: int | None
    used_at_ms: int | None
    used_for_key: bytes | None


@dataclass(frozen=True)
class LogRow:
    """One act: who did what to whom, and when."""

    number: int
    at_ms: int
    who: str
    what: str
    subject: str
    detail: str
