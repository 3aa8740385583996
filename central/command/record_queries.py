"""Reads of sessions' records, narrowed to the sessions the actor's courts took part in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.command import record_rules as rules
from central.command.models import CommandSession, SessionEntry, SessionGuest, SessionKit
from central.command.record_models import SessionRecord, SessionRecordLink
from central.command.session_rights import takes_part
from central.courts.permissions import Actor, check_permission
from contract import chain
from contract.chain import Kind
from contract.signing import Signed


@dataclass(frozen=True)
class RecordView:
    """A session's record for a person's eyes: its pictures, its gaps, and its log."""

    command: CommandSession
    record: SessionRecord
    links: tuple[SessionRecordLink, ...]
    tracks: tuple[rules.Track, ...]
    entries: tuple[SessionEntry, ...]
    kits: tuple[SessionKit, ...]

    @property
    def gaps(self) -> tuple[SessionRecordLink, ...]:
        """Stretches that were relayed and not recorded, as the centre stated them."""
        return tuple(link for link in self.links if link.kind == Kind.GAP)


def find_record(session: Session, session_id: str) -> SessionRecord | None:
    """Return a session's record for work inside the centre (no actor)."""
    return session.get(SessionRecord, session_id)


def find_state(session: Session, session_id: str) -> rules.RecordState | None:
    """Return where a session's record stands, for work inside the centre (no actor)."""
    record = find_record(session, session_id)
    return rules.RecordState(record.next_seq, record.entry_no) if record is not None else None


def find_trouble(session: Session, session_id: str) -> str:
    """Return why a session cannot be recorded now, "" when it can; for whoever may see the session already."""
    record = find_record(session, session_id)
    return record.trouble if record is not None else ""


def list_log(session: Session, session_id: str, *, after_no: int) -> list[rules.LogLine]:
    """Return the lines of a session's log above `after_no` as they are sealed, for work inside the centre."""
    rows = list_entries(session, session_id, after_no=after_no)
    return [rules.LogLine(row.no, row.at_ms, row.kind, _to_json(row)) for row in rows]


def list_unclosed(session: Session) -> list[str]:
    """Return the sessions whose record has no end yet, for work inside the centre (no actor)."""
    return list(session.exec(select(SessionRecord.session_id).where(col(SessionRecord.closed_ms).is_(None))))


def list_unrecorded(session: Session) -> list[str]:
    """Return the sessions, open or over, whose record was never begun, for work inside the centre (no actor)."""
    query = select(CommandSession.id).outerjoin(SessionRecord, col(SessionRecord.session_id) == CommandSession.id)
    return list(session.exec(query.where(col(SessionRecord.session_id).is_(None))))


def is_over(session: Session, session_id: str) -> bool:
    """Tell whether a session has ended, for work inside the centre (no actor)."""
    found = session.get(CommandSession, session_id)
    return found is None or found.ended_ms is not None


def list_entries(
    session: Session, session_id: str, *, after_no: int = 0, limit: int | None = None
) -> Sequence[SessionEntry]:
    """Return the entries of a session's log with numbers above `after_no`, for work inside the centre (no actor)."""
    query = select(SessionEntry).where(SessionEntry.session_id == session_id, col(SessionEntry.no) > after_no)
    return session.exec(query.order_by(col(SessionEntry.no)).limit(limit)).all()


def list_links(session: Session, session_id: str) -> Sequence[SessionRecordLink]:
    """Return the whole chain in order, for work inside the centre (no actor)."""
    query = select(SessionRecordLink).where(SessionRecordLink.session_id == session_id)
    return session.exec(query.order_by(col(SessionRecordLink.seq))).all()


def to_signed(links: Sequence[SessionRecordLink]) -> list[Signed]:
    """Return records as the centre signed them."""
    return [Signed(link.body, link.sig) for link in links]


def to_record(link: SessionRecordLink) -> chain.Record:
    """Return what a record states."""
    return chain.decode(link.body)


def get_record(session: Session, actor: Actor, session_id: str) -> SessionRecord:
    """Return a session's record. Raises ForbiddenError, NotFoundError (also outside the actor's courts),
    RecordMissingError (nothing is recorded yet).
    """
    _get_session(session, actor, session_id)
    record = find_record(session, session_id)
    if record is None or record.next_seq == 0:
        raise rules.RecordMissingError("Nothing of this session is recorded yet; look again in a moment.")
    return record


def view_record(session: Session, actor: Actor, session_id: str) -> RecordView:
    """Return a session's record with its index and log; raises as `get_record`."""
    record = get_record(session, actor, session_id)
    links = tuple(list_links(session, session_id))
    tracks = rules.list_tracks([(link.started_ms, link.duration_ms, link.tracks) for link in links])
    kits = session.exec(select(SessionKit).where(SessionKit.session_id == session_id)).all()
    return RecordView(
        command=session.get_one(CommandSession, session_id),
        record=record,
        links=links,
        tracks=tuple(tracks),
        entries=tuple(list_entries(session, session_id)),
        kits=tuple(kits),
    )


def list_segments(session: Session, session_id: str, *, from_ms: int, until_ms: int) -> list[SessionRecordLink]:
    """Return the sealed segments that touch a stretch of time, in order, for work inside the centre (no actor)."""
    query = select(SessionRecordLink).where(
        SessionRecordLink.session_id == session_id,
        SessionRecordLink.kind == int(Kind.SEGMENT),
        col(SessionRecordLink.started_ms) < until_ms,
        col(SessionRecordLink.started_ms) + col(SessionRecordLink.duration_ms) > from_ms,
    )
    return list(session.exec(query.order_by(col(SessionRecordLink.seq))))


def _get_session(session: Session, actor: Actor, session_id: str) -> CommandSession:
    check_permission(actor, "see_recordings")
    found = session.get(CommandSession, session_id)
    if found is None or not takes_part(actor, _list_courts(session, found)):
        raise NotFoundError("There is no such session in your courts; see the list of remote command.")
    return found


def _list_courts(session: Session, found: CommandSession) -> list[str]:
    """Every court that took part, whether it is still there or not."""
    kits = session.exec(select(SessionKit.court_code).where(SessionKit.session_id == found.id)).all()
    guests = session.exec(
        select(SessionGuest.ref).where(SessionGuest.session_id == found.id, SessionGuest.kind == "court")
    ).all()
    return [code for code in (found.court_code, found.requesting_court, *kits, *guests) if code]


def _to_json(row: SessionEntry) -> bytes:
    fields = {
        "no": row.no,
        "at_ms": row.at_ms,
        "kind": row.kind,
        "actor": row.actor,
        "detail": row.detail,
        "prev": row.prev_hash.hex(),
        "hash": row.hash.hex(),
    }
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()
