"""Signed records join their chains: in order at once, too early they wait, wrong ones go aside. Never commits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlmodel import func, select

from central.base.outbox import RECORDING_CHANGED
from central.base.unit_of_work import UnitOfWork
from central.devices import service as devices
from central.devices.rules import KitRef
from central.evidence import queries, rules
from central.evidence.beginnings import tell_beginning
from central.evidence.matters import note_matters
from central.evidence.models import ChainLink, Recording, WaitingRecord
from central.evidence.rules import RecordVerdict
from central.evidence.signers import Signers, is_signed, public_key
from contract import chain
from contract.chain import ChainError, ChainState, Kind, Record
from contract.signing import BadSignatureError, CodecError, Signed

TELL_EVERY_MS = 5000


def accept_chain_records(uow: UnitOfWork, kit: KitRef, signed: Sequence[Signed]) -> list[RecordVerdict]:
    """Join signed records to their chains, in the order given; says of each what became of it.

    A record before its turn waits, a repeat is harmless, a refused one is kept aside with its reason.
    """
    joiner = _Joiner(uow, kit)
    verdicts = [joiner.take(item) for item in signed]
    for recording in joiner.changed.values():
        uow.session.add(recording)
    uow.session.flush()
    for recording in joiner.changed.values():
        tell_recording(uow, recording, at_once=recording.id in joiner.telling)
    return verdicts


class _Joiner:
    """One call's work: signers and recordings looked up once."""

    def __init__(self, uow: UnitOfWork, kit: KitRef) -> None:
        self.uow = uow
        self.kit = kit
        self.changed: dict[str, Recording] = {}
        self.telling: set[str] = set()
        self._signers: Signers | None = None

    def take(self, signed: Signed) -> RecordVerdict:
        """Judge one record and act on the judgement."""
        try:
            record = chain.decode(signed.body)
        except CodecError as error:
            return self._refuse(signed, "", -1, "malformed", str(error))
        recording_id = record.recording_id.hex()
        recording = self.changed.get(recording_id) or queries.find_recording(self.uow.session, recording_id)
        if recording is not None and recording.kit_no != self.kit.kit_no:
            return self._refuse(signed, recording_id, record.seq, "foreign_recording", rules.FOREIGN_TEXT)
        if recording is None and record.seq == 0:
            return self._open(signed, record)
        if recording is None or record.seq > recording.next_seq:
            return self._wait(signed, record, recording)
        if record.seq < recording.next_seq:
            return self._compare(signed, record)
        verdict = self._join(recording, signed, record)
        if verdict.verdict == "accepted":
            self._join_waiting(recording)
        return verdict

    def _open(self, signed: Signed, record: Record) -> RecordVerdict:
        recording_id = record.recording_id.hex()
        if record.extra.get("kit") != self.kit.kit_id:
            text = f"The opening record names kit {str(record.extra.get('kit'))[:40]!r}, not {self.kit.kit_id}."
            return self._refuse(signed, recording_id, 0, "foreign_recording", text)
        signer = self._know_signers().find_opener(signed, record.started_ms)
        if signer is None:
            return self._refuse(signed, recording_id, 0, "forged", self._unsigned_text())
        begin = chain.begin(record.recording_id)
        begun = tell_beginning(record, self.uow.now_ms)
        recording = Recording(
            id=recording_id,
            kit_no=self.kit.kit_no,
            kit_id=self.kit.kit_id,
            court_code=self.kit.court_code,
            serial=signer.serial,
            chain_pem=signer.chain_pem,
            received_ms=self.uow.now_ms,
            last_ms=self.uow.now_ms,
            started_ms=record.started_ms,
            begun_ms=begun.at_ms,
            begun_error_ms=begun.error_ms,
            begun_by=begun.by,
            cause=str(record.extra.get("cause", ""))[:200],
            opening={key: _plain(value) for key, value in record.extra.items()},
            next_seq=begin.next_seq,
            head=begin.prev,
        )
        self.uow.session.add(recording)
        self.uow.session.flush()
        verdict = self._join(recording, signed, record)
        if verdict.verdict != "accepted":
            self.uow.session.delete(recording)
            self.uow.session.flush()
            return verdict
        recording.waiting_count = self._count_waiting(recording_id)
        self._join_waiting(recording)
        return verdict

    def _join(self, recording: Recording, signed: Signed, record: Record) -> RecordVerdict:
        state = ChainState(record.recording_id, recording.next_seq, recording.head, recording.closed_ms is not None)
        try:
            record, after = chain.check_record(signed, public_key(recording.chain_pem), state)
        except ChainError as error:
            code = "forged" if isinstance(error.__cause__, BadSignatureError) else "spliced"
            return self._refuse(signed, recording.id, record.seq, code, error.reason)
        now_ms = self.uow.now_ms
        self.uow.session.add(_link(signed, record, now_ms))
        recording.next_seq, recording.head, recording.last_ms = after.next_seq, after.prev, now_ms
        if record.kind is Kind.SEGMENT:
            recording.segment_count += 1
            recording.duration_ms += record.duration_ms
        elif record.kind is Kind.GAP:
            recording.gap_count += 1
        elif record.kind is Kind.FINAL:
            recording.closed_ms, recording.end_cause = now_ms, record.cause
        note_matters(self.uow, recording, record)
        if record.kind is not Kind.SEGMENT:
            self.telling.add(recording.id)
        self.changed[recording.id] = recording
        return RecordVerdict("accepted", recording.id, record.seq)

    def _join_waiting(self, recording: Recording) -> None:
        session = self.uow.session
        while recording.waiting_count:
            rows = queries.list_waiting_records(session, recording.id, recording.next_seq)
            if not rows:
                break
            for row in rows:
                session.delete(row)
                if row.kit_no == recording.kit_no and row.seq == recording.next_seq:
                    signed = Signed(row.body, row.sig)
                    self._join(recording, signed, chain.decode(row.body))
            session.flush()
            recording.waiting_count = self._count_waiting(recording.id)

    def _wait(self, signed: Signed, record: Record, recording: Recording | None) -> RecordVerdict:
        recording_id = record.recording_id.hex()
        if not self._is_genuine(signed, recording):
            return self._refuse(signed, recording_id, record.seq, "forged", self._unsigned_text())
        if recording is not None and recording.closed_ms is not None:
            text = "The recording was already closed; this record was added."
            return self._refuse(signed, recording_id, record.seq, "spliced", text)
        session = self.uow.session
        digest = hashlib.sha256(signed.body + signed.sig).digest()
        if session.get(WaitingRecord, (recording_id, record.seq, digest)) is not None:
            return RecordVerdict("repeat", recording_id, record.seq)
        held = self._count_waiting(recording_id)
        if held >= rules.MAX_WAITING:
            text = (
                f"{held} records wait for their predecessors already; send the chain from its first missing record."
            )
            return self._refuse(signed, recording_id, record.seq, "too_far_ahead", text)
        session.add(
            WaitingRecord(
                recording_id=recording_id,
                seq=record.seq,
                digest=digest,
                kit_no=self.kit.kit_no,
                body=signed.body,
                sig=signed.sig,
                received_ms=self.uow.now_ms,
            )
        )
        session.flush()
        if recording is not None:
            recording.waiting_count = held + 1
            self.changed[recording_id] = recording
        return RecordVerdict("waiting", recording_id, record.seq)

    def _compare(self, signed: Signed, record: Record) -> RecordVerdict:
        recording_id = record.recording_id.hex()
        self.uow.session.flush()
        held = queries.find_link(self.uow.session, recording_id, record.seq)
        if held is not None and (held.body, held.sig) == (signed.body, signed.sig):
            return RecordVerdict("repeat", recording_id, record.seq)
        text = f"Record {record.seq} of this recording is another one already; it cannot be replaced."
        return self._refuse(signed, recording_id, record.seq, "spliced", text)

    def _count_waiting(self, recording_id: str) -> int:
        query = select(func.count()).where(WaitingRecord.recording_id == recording_id)
        return self.uow.session.exec(query).one()

    def _is_genuine(self, signed: Signed, recording: Recording | None) -> bool:
        if recording is None:
            return self._know_signers().find_any(signed) is not None
        return is_signed(signed, public_key(recording.chain_pem))

    def _know_signers(self) -> Signers:
        if self._signers is None:
            self._signers = Signers(self.uow.session, self.kit)
        return self._signers

    def _unsigned_text(self) -> str:
        return (
            f"The record is not signed by a certificate that kit {self.kit.kit_id} has shown and that counts for it."
        )

    def _refuse(self, signed: Signed, recording_id: str, seq: int, code: str, reason: str) -> RecordVerdict:
        devices.keep_aside(
            self.uow,
            kit_id=self.kit.kit_id,
            source=f"chain {recording_id} {seq}",
            reason=code,
            detail=reason,
            payload=signed.pack(),
        )
        return RecordVerdict("refused", recording_id, seq, code, reason)


def tell_recording(uow: UnitOfWork, recording: Recording, *, at_once: bool) -> None:
    """Tell screens how a recording stands, at once or at most every few seconds."""
    if not at_once and uow.now_ms - recording.told_ms < TELL_EVERY_MS:
        return
    recording.told_ms = uow.now_ms
    uow.session.add(recording)
    uow.session.flush()
    uow.emit(
        RECORDING_CHANGED,
        recording.court_code,
        {
            "recording_id": recording.id,
            "kit_id": recording.kit_id,
            "closed": recording.closed_ms is not None,
            "segments": recording.segment_count,
            "stored": recording.stored_count,
            "gaps": recording.gap_count,
            "duration_ms": recording.duration_ms,
            "started_ms": recording.started_ms,
        },
    )


def _link(signed: Signed, record: Record, now_ms: int) -> ChainLink:
    return ChainLink(
        recording_id=record.recording_id.hex(),
        seq=record.seq,
        kind=int(record.kind),
        body=signed.body,
        sig=signed.sig,
        cipher_hash=record.cipher_hash,
        length=record.length,
        started_ms=record.started_ms,
        duration_ms=record.duration_ms,
        monotonic_ms=record.monotonic_ms,
        cause=record.cause,
        received_ms=now_ms,
    )


def _plain(value: object) -> object:
    """JSON's view of what an opening record states; bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
