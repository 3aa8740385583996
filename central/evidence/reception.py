"""A sealed segment arrives: checked, stored durably, re-read, entered, and only then receipted."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.base.unit_of_work import Store
from central.devices.rules import KitRef
from central.evidence import queries, rules, service
from central.evidence.vault import Draft, Vault, part_name
from contract.chain import Kind
from contract.receipts import SegmentReceipt, sign_segment_receipt


@dataclass(frozen=True)
class Reception:
    """A receipt to give, and whether the segment is new here."""

    receipt: bytes
    is_new: bool


@dataclass(frozen=True)
class Coming:
    """A segment whose record is here: what its part is called, what the whole must be, whether it is stored."""

    part: str
    cipher_hash: bytes
    length: int
    stored: bool


def check_coming(
    store: Store, *, kit: KitRef, recording_id: str, seq: int, cipher_hash: bytes, length: int | None
) -> None:
    """Check before its body is taken that a segment is the one its signed record names; ``length`` None: unsaid.

    Raises ForeignRecordingError, ChainRecordMissingError, DigestMismatchError.
    """
    with store.read() as session:
        if length is None:
            link = queries.find_link(session, recording_id, seq)
            length = link.length if link else 0
        service.check_segment(session, kit, recording_id, seq, cipher_hash=cipher_hash, length=length)


def find_coming(store: Store, *, kit: KitRef, recording_id: str, seq: int) -> Coming | None:
    """What is known of a segment that may have come in part; None before its record is here.

    Raises ForeignRecordingError.
    """
    with store.read() as session:
        recording = queries.find_recording(session, recording_id)
        if recording is not None and recording.kit_no != kit.kit_no:
            raise rules.ForeignRecordingError(rules.FOREIGN_TEXT, recording_id=recording_id)
        link = queries.find_link(session, recording_id, seq)
        if recording is None or link is None or link.kind != Kind.SEGMENT:
            return None
        stored = queries.find_segment(session, recording_id, seq) is not None
        return Coming(part_name(recording_id, seq, link.cipher_hash), link.cipher_hash, link.length, stored)


def receive_segment(
    store: Store, vault: Vault, key: Ed25519PrivateKey, *, kit: KitRef, recording_id: str, seq: int, draft: Draft
) -> Reception:
    """Make a fully received draft evidence and sign its receipt. Blocking; a repeat is harmless.

    Raises ForeignRecordingError, ChainRecordMissingError, DigestMismatchError, SegmentDamagedError, StoreFullError.
    """
    cipher_hash, length = draft.digest.digest(), draft.length
    with store.read() as session:
        service.check_segment(session, kit, recording_id, seq, cipher_hash=cipher_hash, length=length)
        entered = queries.find_segment(session, recording_id, seq) is not None
    # A repeat is believed only after reading the stored file again; a damaged one is replaced by what just came.
    if not (entered and vault.holds(recording_id, seq, cipher_hash)):
        try:
            vault.place(draft, recording_id, seq)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise rules.StoreFullError(rules.STORE_FULL_TEXT) from error
            raise
    with store.write() as uow:
        stored_ms = service.enter_segment(uow, kit, recording_id, seq, cipher_hash=cipher_hash, length=length)
    vault.drop_proxy(recording_id, seq)
    facts = _Facts(recording_id, seq, cipher_hash, length, stored_ms)
    return Reception(_sign(key, facts), is_new=not entered)


def repeat_receipt(
    store: Store, vault: Vault, key: Ed25519PrivateKey, *, recording_id: str, seq: int, coming: Coming
) -> bytes | None:
    """The receipt of a segment that is here already, after reading it again; None when it is not, or is damaged."""
    with store.read() as session:
        row = queries.find_segment(session, recording_id, seq)
    if row is None or not vault.holds(recording_id, seq, coming.cipher_hash):
        return None
    return _sign(key, _Facts(recording_id, seq, coming.cipher_hash, coming.length, row.stored_ms))


class _Facts(NamedTuple):
    recording_id: str
    seq: int
    cipher_hash: bytes
    length: int
    stored_ms: int


def _sign(key: Ed25519PrivateKey, facts: _Facts) -> bytes:
    receipt = SegmentReceipt(
        recording_id=bytes.fromhex(facts.recording_id),
        seq=facts.seq,
        cipher_hash=facts.cipher_hash,
        length=facts.length,
        stored_ms=facts.stored_ms,
        centre=rules.CENTRE_NAME,
    )
    return sign_segment_receipt(key, receipt)
