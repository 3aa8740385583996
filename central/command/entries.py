"""The record of a session: lines that are only ever added, each bound to the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlmodel import col, select

from central.audit import service as audit
from central.audit.rules import clean_detail
from central.base import bus
from central.base.errors import InvalidInputError, NotFoundError
from central.base.outbox import SESSION_CHANGED
from central.base.unit_of_work import UnitOfWork
from central.command import rules
from central.command.models import CommandSession, SessionEntry

# Lines by which somebody reads, hears or hands on what is personal: they go into the audit, too.
_AUDITED: Final = {
    "watch_begun": "command:picture:watch",
    "talk_begun": "command:voice:talk",
    "listen_begun": "command:voice:listen",
    "published": "command:picture:publish",
    "outlet_granted": "command:outlet:grant",
}


def add_entry(
    uow: UnitOfWork,
    session_id: str,
    kind: str,
    actor_name: str,
    detail: Mapping[str, Any],
    *,
    at_ms: int | None = None,
) -> SessionEntry:
    """Append a line to a session's record, also of one that has ended (``record_sealed``).

    ``actor_name`` is a person's name or ``kit:<kit id>``; ``at_ms``: when it happened, now by default.
    Raises InvalidInputError (kind, detail), NotFoundError.
    """
    if kind not in rules.ENTRY_KINDS:
        raise InvalidInputError(f"A session's record knows no {kind!r}: use one of {', '.join(rules.ENTRY_KINDS)}.")
    row = uow.session.get(CommandSession, session_id)
    if row is None:
        raise NotFoundError("There is no such remote command; see the list.")
    last = uow.session.exec(
        select(SessionEntry.no, SessionEntry.hash)
        .where(SessionEntry.session_id == session_id)
        .order_by(col(SessionEntry.no).desc())
        .limit(1)
    ).first()
    no, previous = (last[0] + 1, last[1]) if last else (1, rules.GENESIS)
    told: dict[str, Any] = {
        "at_ms": uow.now_ms if at_ms is None else at_ms,
        "kind": kind,
        "actor": actor_name[:100],
        "detail": clean_detail(detail),
    }
    digest = rules.hash_entry(session_id=session_id, no=no, prev_hash=previous, **told)
    entry = SessionEntry(session_id=session_id, no=no, prev_hash=previous, hash=digest, **told)
    uow.session.add(entry)
    uow.session.flush()
    if kind in _AUDITED:
        audit.append(
            uow,
            actor=str(detail.get("who", actor_name)),
            court_code=row.court_code,
            action=_AUDITED[kind],
            subject=session_id,
            purpose=row.purpose,
            detail=told["detail"],
        )
    return entry


def tell_changed(uow: UnitOfWork, session: CommandSession, kits: list[str], change: str, courts: set[str]) -> None:
    """Tell the screens of every court that takes part, and the relay, that a session is not as it was."""
    payload = {"session_id": session.id, "court_code": session.court_code, "kits": kits, "change": change}
    for court in sorted({session.court_code, session.requesting_court} | courts):
        uow.emit(SESSION_CHANGED, court, payload)
    uow.nudge(bus.LIVE_SUBJECT, session.id.encode())


def note_act(
    uow: UnitOfWork, action: str, *, actor: str, court_code: str, subject: str, purpose: str = "", **detail: Any
) -> None:
    """Write a change of remote command into the audit; ``actor`` as `central.audit.service.append` wants it."""
    audit.append(
        uow,
        actor=actor,
        court_code=court_code,
        action=f"command:{action}",
        subject=subject,
        purpose=purpose,
        detail=detail,
    )
