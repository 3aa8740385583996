"""The only writer of the audit chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert

from central.audit import heads, queries, rules
from central.audit.models import AuditEntry, AuditHead
from central.audit.rules import Act
from central.base.unit_of_work import UnitOfWork


def append(
    uow: UnitOfWork,
    *,
    actor: str,
    court_code: str,
    action: str,
    subject: str,
    purpose: str = "",
    case_no: str = "",
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Append one act to the chain, in the caller's transaction; the write lock makes the chain one line.

    `actor` is `user:<login>`, `kit:<kit id>`, `service:<name>` or `system:<process>`; `action` reads
    `room:subject:verb`; `case_no` is the case the act belongs to. Texts are cut to `rules.LIMITS`.
    Raises InvalidInputError for another form of action or a detail that is not JSON.
    """
    act = Act(
        actor=actor,
        court_code=court_code,
        action=action,
        subject=subject,
        purpose=purpose,
        case_no=case_no,
        detail=detail,
    )
    return append_many(uow, [act])[0]


def append_many(uow: UnitOfWork, acts: Iterable[Act]) -> list[AuditEntry]:
    """Append several acts at once, in their order; raises as `append`."""
    seq, previous = queries.find_tail(uow.session)
    entries = []
    for act in acts:
        seq += 1
        entry = _make_entry(act, seq=seq, at_ms=uow.now_ms, prev_hash=previous)
        previous = entry.hash
        entries.append(entry)
    if entries:
        uow.session.flush()  # an act that the database refuses has no record
        uow.connection.execute(insert(AuditEntry), [entry.model_dump() for entry in entries])
    return entries


def _make_entry(act: Act, *, seq: int, at_ms: int, prev_hash: bytes) -> AuditEntry:
    entry = AuditEntry(
        seq=seq,
        at_ms=at_ms,
        actor=rules.clean_text("actor", act.actor),
        court_code=rules.clean_text("court_code", act.court_code),
        action=rules.check_action(act.action),
        subject=rules.clean_text("subject", act.subject),
        purpose=rules.clean_text("purpose", act.purpose),
        case_no=rules.clean_text("case_no", act.case_no),
        detail=rules.clean_detail(act.detail),
        prev_hash=prev_hash,
        hash=b"",
        form=rules.FORM,
    )
    entry.hash = queries.hash_of(entry)
    return entry


def write_head(uow: UnitOfWork, key: Ed25519PrivateKey) -> AuditHead | None:
    """Sign the chain's head; None when nothing was appended since the last head.

    Raises AuditBrokenError when the row of the last head is gone or rewritten: a broken chain is not vouched for.
    """
    seq, digest = queries.find_tail(uow.session)
    last = queries.find_last_head(uow.session)
    if last and queries.find_hash(uow.session, last.seq) != last.hash:
        raise rules.AuditBrokenError(
            f"Audit row {last.seq} is no longer what its signed head says: run `zhixing-central verify-audit`.",
            seq=last.seq,
        )
    if seq == (last.seq if last else 0):
        return None
    statement = heads.HeadStatement(seq=seq, hash=digest, at_ms=uow.now_ms, prev_seq=last.seq if last else 0)
    signed = heads.sign_head(key, statement)
    head = AuditHead(
        seq=seq,
        hash=digest,
        at_ms=uow.now_ms,
        body=signed.body,
        sig=signed.sig,
        key_id=heads.key_id(key.public_key()),
    )
    uow.session.add(head)
    uow.session.flush()
    return head


def note_search(uow: UnitOfWork, *, actor: str, court_code: str, wanted: rules.AuditFilter) -> None:
    """Record that a person searched the audit; call it only when `queries.was_searched_lately` says no."""
    append(
        uow,
        actor=actor,
        court_code=court_code,
        action=queries.SEARCHED,
        subject="audit",
        case_no=wanted.case_no,
        detail=wanted.told(),
    )
