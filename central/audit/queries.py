"""Reads of the audit room. Who may read is decided by the caller's permission (`read_audit`)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func
from sqlmodel import Session, col, select

from central.audit import rules
from central.audit.models import AuditEntry


def list_entries(
    session: Session,
    *,
    court_prefix: str,
    before_seq: int | None = None,
    subject: str | None = None,
    action_prefix: str = "",
    limit: int = 100,
) -> Sequence[AuditEntry]:
    """Return entries of `court_prefix` and courts below, newest first; page on with `before_seq`."""
    query = select(AuditEntry).where(col(AuditEntry.court_code).startswith(court_prefix, autoescape=True))
    if before_seq is not None:
        query = query.where(col(AuditEntry.seq) < before_seq)
    if subject is not None:
        query = query.where(col(AuditEntry.subject) == subject)
    if action_prefix:
        query = query.where(col(AuditEntry.action).startswith(action_prefix, autoescape=True))
    return session.exec(query.order_by(col(AuditEntry.seq).desc()).limit(limit)).all()


def count_entries(session: Session) -> int:
    """Return how many rows the chain has."""
    return session.exec(select(func.count()).select_from(AuditEntry)).one()


def verify_chain(session: Session, *, expected: tuple[int, bytes] | None = None) -> tuple[int, bytes]:
    """Recompute the whole chain and return (rows, last hash).

    `expected` is an earlier result kept elsewhere: it shows a tail that was cut and rewritten.
    Raises AuditBrokenError naming the first broken row.
    """
    previous, count = rules.GENESIS_HASH, 0
    for entry in session.exec(select(AuditEntry).order_by(col(AuditEntry.seq)).execution_options(yield_per=1000)):
        count += 1
        if entry.seq != count:
            raise _broken(count, "is missing")
        if entry.prev_hash != previous or entry.hash != hash_of(entry):
            raise _broken(count, "does not match its hash")
        previous = entry.hash
        if expected and expected[0] == count and expected[1] != previous:
            raise _broken(count, "differs from the head kept earlier")
        session.expunge(entry)
    if expected and expected[0] > count:
        raise _broken(count + 1, "is missing although an earlier head counts it")
    return count, previous


def hash_of(entry: AuditEntry) -> bytes:
    """Return the hash `entry` must bear."""
    return rules.hash_entry(
        seq=entry.seq,
        at_ms=entry.at_ms,
        actor=entry.actor,
        court_code=entry.court_code,
        action=entry.action,
        subject=entry.subject,
        purpose=entry.purpose,
        detail=entry.detail,
        prev_hash=entry.prev_hash,
    )


def _broken(seq: int, fact: str) -> rules.AuditBrokenError:
    return rules.AuditBrokenError(
        f"Audit row {seq} {fact}: rows from there on cannot be trusted; compare with a backup.", seq=seq
    )
