"""The only writer of sessions' records: signed by the centre, chained, anchored in the audit. Never commits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.audit import service as audit
from central.base.unit_of_work import UnitOfWork
from central.command import record_queries as queries
from central.command import record_rules as rules
from central.command.entries import add_entry, tell_changed
from central.command.models import CommandSession
from central.command.record_models import SessionRecord, SessionRecordLink
from central.command.record_rules import SealedPart
from central.courts.permissions import Actor, check_permission
from contract import chain, receipts, session_record
from contract.chain_writer import ChainWriter
from contract.signing import Signed

_SYSTEM = "system:relay"


def begin_record(uow: UnitOfWork, key: Ed25519PrivateKey, session_id: str, *, monotonic_ms: int) -> SessionRecord:
    """Open the record of a session, or return the one it has; audited."""
    found = queries.find_record(uow.session, session_id)
    if found is not None:
        return found
    command = uow.session.get_one(CommandSession, session_id)
    begin = chain.begin(bytes.fromhex(session_id), session_record.DOMAIN)
    record = SessionRecord(
        session_id=session_id,
        court_code=command.court_code,
        begun_ms=uow.now_ms,
        last_ms=command.begun_ms,
        next_seq=0,
        head=begin.prev,
    )
    uow.session.add(record)
    uow.session.flush()
    with_head = {"decision": command.decision_id, "court": command.court_code, "centre": rules.CENTRE_NAME}
    _append(
        uow,
        key,
        record,
        lambda writer: writer.open_session(
            session=session_id, started_ms=uow.now_ms, monotonic_ms=monotonic_ms, **with_head
        ),
    )
    _audit(uow, record, "command:record:begin", {})
    return record


def add_segment(uow: UnitOfWork, key: Ed25519PrivateKey, session_id: str, part: SealedPart) -> SessionRecord:
    """Enter a segment that lies durably on disk; its head is anchored in the audit now and then.

    Raises ValueError when another record took its number meanwhile.
    """
    record = uow.session.get_one(SessionRecord, session_id)
    if record.next_seq != part.seq:
        raise ValueError(f"Record {record.next_seq} is next, not {part.seq}: two relays write this record.")
    link = _append(
        uow,
        key,
        record,
        lambda writer: writer.segment(
            cipher_hash=part.cipher_hash,
            clear_hash=part.clear_hash,
            length=part.length,
            started_ms=part.started_ms,
            duration_ms=part.duration_ms,
            monotonic_ms=part.monotonic_ms,
            entries=part.entry_no,
        ),
    )
    link.tracks = part.tracks
    record.segment_count += 1
    record.stored_bytes += part.length
    record.frame_count += sum(part.tracks.values())
    record.entry_no = part.entry_no
    record.last_ms = max(record.last_ms, part.started_ms + part.duration_ms)
    record.stopped_ms = None
    _set_trouble(uow, record, "")
    if record.segment_count % rules.ANCHOR_EVERY == 0:
        _audit(uow, record, "command:record:anchor", {})
    return record


def add_gap(
    uow: UnitOfWork,
    key: Ed25519PrivateKey,
    session_id: str,
    *,
    cause: str,
    started_ms: int,
    duration_ms: int,
    monotonic_ms: int,
    frames: int,
) -> SessionRecord:
    """State under the centre's signature that something was relayed and not recorded; audited.

    `frames`: how many were lost, 0 when nobody can know.
    """
    record = uow.session.get_one(SessionRecord, session_id)
    _append(
        uow,
        key,
        record,
        lambda writer: writer.gap(
            cause=cause, started_ms=started_ms, duration_ms=duration_ms, monotonic_ms=monotonic_ms, frames=frames
        ),
    )
    record.gap_count += 1
    record.lost_frames += frames
    record.last_ms = max(record.last_ms, started_ms + duration_ms)
    record.stopped_ms = None
    _set_trouble(uow, record, "")
    _audit(
        uow,
        record,
        "command:record:gap",
        {"cause": cause, "started_ms": started_ms, "duration_ms": duration_ms, "frames": frames},
    )
    return record


def note_trouble(uow: UnitOfWork, session_id: str, trouble: str) -> None:
    """Enter why nothing of a session can be recorded now, and tell those who look at it."""
    record = queries.find_record(uow.session, session_id)
    if record is not None:
        _set_trouble(uow, record, trouble)


def pause_record(uow: UnitOfWork, session_id: str) -> None:
    """Enter that the relay ends in order: nothing is relayed until it begins again, so nothing will be missing."""
    record = queries.find_record(uow.session, session_id)
    if record is not None and record.closed_ms is None:
        record.stopped_ms = uow.now_ms


def resume_record(uow: UnitOfWork, key: Ed25519PrivateKey, session_id: str, *, monotonic_ms: int) -> bool:
    """Go on with a record after the relay began anew.

    True when it had been killed: a gap states it.
    """
    record = uow.session.get_one(SessionRecord, session_id)
    if record.stopped_ms is not None:
        record.stopped_ms = None
        return False
    add_gap(
        uow,
        key,
        session_id,
        cause=rules.CRASH,
        started_ms=record.last_ms,
        duration_ms=max(0, uow.now_ms - record.last_ms),
        monotonic_ms=monotonic_ms,
        frames=0,
    )
    return True


def close_record(uow: UnitOfWork, key: Ed25519PrivateKey, session_id: str, *, monotonic_ms: int) -> SessionRecord:
    """Close a record with its counts; its head goes into the session's log and the audit chain."""
    record = uow.session.get_one(SessionRecord, session_id)
    if record.closed_ms is not None:
        return record
    counts = {
        "segments": record.segment_count,
        "gaps": record.gap_count,
        "frames": record.frame_count,
        "lost_frames": record.lost_frames,
        "entries": record.entry_no,
    }
    _append(
        uow,
        key,
        record,
        lambda writer: writer.final(
            cause=rules.CENTRE, started_ms=uow.now_ms, monotonic_ms=monotonic_ms, counts=counts
        ),
    )
    record.closed_ms, record.last_ms, record.trouble = uow.now_ms, uow.now_ms, ""
    uow.session.flush()
    told = {"head": record.head.hex(), "records": record.next_seq, **counts}
    add_entry(uow, session_id, "record_sealed", _SYSTEM, told)
    _audit(uow, record, "command:record:seal", counts)
    return record


def state_head_of(uow: UnitOfWork, key: Ed25519PrivateKey, links: Sequence[SessionRecordLink]) -> bytes:
    """The centre's signed statement of how far a record goes with these links, which are its beginning."""
    last = links[-1]
    return receipts.sign_head(
        key,
        receipts.HeadStatement(
            recording_id=bytes.fromhex(last.session_id),
            count=len(links),
            head=chain.link_hash(Signed(last.body, last.sig)),
            closed=last.kind == chain.Kind.FINAL,
            stated_ms=uow.now_ms,
            centre=rules.CENTRE_NAME,
        ),
    )


def view_record(uow: UnitOfWork, actor: Actor, session_id: str) -> queries.RecordView:
    """A record's index and log for a person's eyes; that they looked is audited. Raises as `queries.get_record`."""
    view = queries.view_record(uow.session, actor, session_id)
    _audit(uow, view.record, "command:record:view", {}, actor=actor.audit_name)
    return view


def audit_clip(
    uow: UnitOfWork, actor: Actor, session_id: str, *, source: str, from_ms: int, purpose: str
) -> SessionRecord:
    """Enter that a part of a record is opened, before it is.

    Raises ForbiddenError, NotFoundError, RecordPurposeError.
    """
    check_permission(actor, "play_recording")
    purpose = rules.check_purpose(purpose)
    record = queries.get_record(uow.session, actor, session_id)
    detail = {"source": source, "from_ms": from_ms}
    _audit(uow, record, "command:record:open", detail, actor=actor.audit_name, purpose=purpose)
    return record


def audit_export(uow: UnitOfWork, actor: Actor, record: SessionRecord, *, purpose: str, head: bytes) -> None:
    """Enter that a record leaves the house, before it does."""
    detail = {"segments": record.segment_count, "head_statement": hashlib.sha256(head).hexdigest()}
    _audit(uow, record, "command:record:export", detail, actor=actor.audit_name, purpose=purpose)


def _append(
    uow: UnitOfWork,
    key: Ed25519PrivateKey,
    record: SessionRecord,
    write: Callable[[ChainWriter], Signed],
) -> SessionRecordLink:
    """Sign the next record of the chain and move its head on; the row of the record settles who was first."""
    session_id = record.session_id
    state = chain.ChainState(
        bytes.fromhex(session_id), record.next_seq, record.head, closed=record.closed_ms is not None
    )
    writer = ChainWriter(state, lambda body: session_record.sign(key, body))
    signed = write(writer)
    stated = chain.decode(signed.body)
    link = SessionRecordLink(
        session_id=session_id,
        seq=stated.seq,
        kind=int(stated.kind),
        body=signed.body,
        sig=signed.sig,
        cipher_hash=stated.cipher_hash,
        length=stated.length,
        started_ms=stated.started_ms,
        duration_ms=stated.duration_ms,
        cause=stated.cause,
        tracks={},
    )
    uow.session.add(link)
    record.next_seq, record.head = writer.state.next_seq, writer.state.prev
    uow.session.add(record)
    uow.session.flush()
    return link


def _set_trouble(uow: UnitOfWork, record: SessionRecord, trouble: str) -> None:
    if record.trouble != trouble:
        record.trouble = trouble
        command = uow.session.get_one(CommandSession, record.session_id)
        tell_changed(uow, command, [], "record", set())


def _audit(
    uow: UnitOfWork,
    record: SessionRecord,
    action: str,
    detail: dict[str, Any],
    *,
    actor: str = _SYSTEM,
    purpose: str = "",
) -> None:
    audit.append(
        uow,
        actor=actor,
        court_code=record.court_code,
        action=action,
        subject=record.session_id,
        purpose=purpose,
        detail={"head": record.head.hex(), "records": record.next_seq, **detail},
    )
