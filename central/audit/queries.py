"""Reads of the audit room. Who may read is decided by the caller's permission (`read_audit`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import ColumnElement, Text, or_
from sqlalchemy import cast as sql_cast
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, func, select

from central.audit import rules, verification
from central.audit.heads import HeadStatement
from central.audit.models import AuditEntry, AuditHead
from central.audit.rules import AuditFilter
from central.audit.verification import PlainRow, Report, hash_of
from contract.signing import Signed

__all__ = ["hash_of"]
SEARCHED = "audit:entry:search"
_CHUNK = 1000


def list_entries(
    session: Session,
    *,
    court_prefix: str,
    before_seq: int | None = None,
    subject: str | None = None,
    action_prefix: str = "",
    wanted: AuditFilter | None = None,
    with_courtless: bool = False,
    limit: int = 100,
) -> Sequence[AuditEntry]:
    """Return entries of `court_prefix` and courts below, newest first; page on with `before_seq`.

    `with_courtless` adds the acts of the machine itself, which belong to no court.
    """
    query = select(AuditEntry).where(_in_scope(court_prefix, with_courtless), *_conditions(wanted or AuditFilter()))
    if before_seq is not None:
        query = query.where(col(AuditEntry.seq) < before_seq)
    if subject is not None:
        query = query.where(col(AuditEntry.subject) == subject)
    if action_prefix:
        query = query.where(col(AuditEntry.action).startswith(action_prefix, autoescape=True))
    return session.exec(query.order_by(col(AuditEntry.seq).desc()).limit(limit)).all()


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Rows that an export takes: those a reader may see, up to the row that was the last when it began."""

    court_prefix: str
    wanted: AuditFilter
    with_courtless: bool
    up_to_seq: int

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL."""
        scope = _in_scope(self.court_prefix, self.with_courtless)
        return [scope, *_conditions(self.wanted), col(AuditEntry.seq) <= self.up_to_seq]


def measure(session: Session, selection: Selection) -> tuple[int, int, int]:
    """Return (count, first row, last row) of a selection; zeros when it is empty."""
    seq = col(AuditEntry.seq)
    asked = sql_select(func.count(), func.min(seq), func.max(seq)).where(*selection.conditions())
    count, first, last = session.connection().execute(asked).one()
    return count, first or 0, last or 0


def stream_entries(session: Session, selection: Selection) -> Iterator[Any]:
    """Yield the rows of a selection, oldest first, a thousand in memory at a time."""
    query = sql_select(AuditEntry.__table__).where(*selection.conditions())  # type: ignore[attr-defined]
    query = query.order_by(col(AuditEntry.seq))
    yield from session.connection().execute(query, execution_options={"yield_per": _CHUNK})


def count_entries(session: Session) -> int:
    """Return how many rows the chain has."""
    return session.exec(select(func.count()).select_from(AuditEntry)).one()


def find_tail(session: Session) -> tuple[int, bytes]:
    """Return number and hash of the last row; (0, GENESIS_HASH) for an empty chain."""
    newest = select(AuditEntry.seq, AuditEntry.hash).order_by(col(AuditEntry.seq).desc()).limit(1)
    found = session.exec(newest).first()
    return (found[0], found[1]) if found else (0, rules.GENESIS_HASH)


def find_hash(session: Session, seq: int) -> bytes | None:
    """Return the hash of row `seq`."""
    return session.exec(select(AuditEntry.hash).where(AuditEntry.seq == seq)).first()


def find_last_head(session: Session) -> AuditHead | None:
    """Return the newest signed head."""
    return session.exec(select(AuditHead).order_by(col(AuditHead.seq).desc()).limit(1)).first()


def list_heads(session: Session, *, after_seq: int = 0, up_to_seq: int | None = None) -> list[Signed]:
    """Return the signed heads of rows after `after_seq` up to `up_to_seq`, oldest first."""
    query = select(AuditHead).where(col(AuditHead.seq) > after_seq).order_by(col(AuditHead.seq))
    if up_to_seq is not None:
        query = query.where(col(AuditHead.seq) <= up_to_seq)
    return [Signed(head.body, head.sig) for head in session.exec(query)]


def was_searched_lately(session: Session, *, actor: str, wanted: AuditFilter, since_ms: int) -> bool:
    """Tell whether `actor` asked the very same of the audit after `since_ms`: turning pages is one search."""
    query = (
        select(AuditEntry.detail)
        .where(AuditEntry.actor == actor, AuditEntry.action == SEARCHED, col(AuditEntry.at_ms) > since_ms)
        .order_by(col(AuditEntry.seq).desc())
        .limit(20)
    )
    return wanted.told() in session.exec(query).all()


def verify_chain(session: Session, *, expected: tuple[int, bytes] | None = None) -> tuple[int, bytes]:
    """Recompute the whole chain and return (rows, last hash).

    `expected` is an earlier result kept elsewhere: it shows a tail that was cut and rewritten.
    Raises AuditBrokenError naming the first broken row.
    """
    kept = [HeadStatement(seq=expected[0], hash=expected[1], at_ms=0, prev_seq=0)] if expected else []
    report = verification.examine(_stream_rows(session, 1), kept)
    check_whole(report)
    return report.rows, report.head


def check_chain(
    session: Session,
    keys: Sequence[Ed25519PublicKey],
    *,
    witness: Sequence[Signed] = (),
    since: int = 1,
) -> Report:
    """Recompute the chain from row `since` on and compare it with every signed head, the witness's included.

    `keys` are the centre's public receipt keys; without any, heads are not looked at and the report says so.
    """
    genuine, findings = verification.open_heads(keys, list_heads(session)) if keys else ([], [])
    witnessed, foreign = verification.open_heads(keys, witness) if keys else ([], [])
    findings += verification.find_gaps(genuine) + foreign
    report = verification.examine(
        _stream_rows(session, since), [*genuine, *witnessed], since=since, is_signed=bool(keys)
    )
    return report.with_findings(findings)


def check_whole(report: Report) -> None:
    """Raise AuditBrokenError for the first finding of a report, if any."""
    if report.is_whole:
        return
    first = report.findings[0]
    raise rules.AuditBrokenError(
        f"Audit {first.sentence}. Compare with a backup and with the witness file.", seq=first.first
    )


def _stream_rows(session: Session, since: int) -> Iterator[PlainRow]:
    """Yield the rows as they are; a detail that is no JSON becomes one that matches no hash."""
    table = AuditEntry.__table__  # type: ignore[attr-defined]
    detail = sql_cast(table.c.detail, Text).label("detail")
    query = sql_select(*(detail if column.name == "detail" else column for column in table.c)).order_by(table.c.seq)
    if since > 1:
        query = query.where(table.c.seq >= since)
    for row in session.connection().execute(query, execution_options={"yield_per": _CHUNK}):
        yield PlainRow(**{**row._mapping, "detail": _read_detail(row.detail)})


def _read_detail(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"": text}


def _in_scope(court_prefix: str, with_courtless: bool) -> ColumnElement[bool]:
    own = col(AuditEntry.court_code).startswith(court_prefix, autoescape=True)
    return or_(own, col(AuditEntry.court_code) == "") if with_courtless else own


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.from_ms is not None:
        conditions.append(col(AuditEntry.at_ms) >= wanted.from_ms)
    if wanted.until_ms is not None:
        conditions.append(col(AuditEntry.at_ms) < wanted.until_ms)
    for name in ("actor", "case_no"):
        if value := getattr(wanted, name):
            conditions.append(col(getattr(AuditEntry, name)) == value)
    for name in ("court_code", "action", "subject"):
        if value := getattr(wanted, name):
            conditions.append(col(getattr(AuditEntry, name)).startswith(value, autoescape=True))
    if wanted.purpose:
        conditions.append(col(AuditEntry.purpose).contains(wanted.purpose, autoescape=True))
    return conditions
