"""The only writer of the audit chain."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, select

from central.audit import queries, rules
from central.audit.models import AuditEntry
from central.base.unit_of_work import UnitOfWork


def append(
    uow: UnitOfWork,
    *,
    actor: str,
    court_code: str,
    action: str,
    subject: str,
    purpose: str = "",
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one act to the chain, in the caller's transaction; the write lock makes the chain one line.

    `actor` is `user:<login>`, `kit:<kit id>` or `system:<process>`; `action` reads `room:subject:verb`.
    Raises InvalidInputError for another form of action.
    """
    last = uow.session.exec(select(AuditEntry).order_by(col(AuditEntry.seq).desc()).limit(1)).first()
    entry = AuditEntry(
        seq=last.seq + 1 if last else 1,
        at_ms=uow.now_ms,
        actor=actor,
        court_code=court_code,
        action=rules.check_action(action),
        subject=subject,
        purpose=purpose,
        detail=detail or {},
        prev_hash=last.hash if last else rules.GENESIS_HASH,
        hash=b"",
    )
    entry.hash = queries.hash_of(entry)
    uow.session.add(entry)
    uow.session.flush()
    return entry
