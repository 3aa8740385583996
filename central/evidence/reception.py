"""A sealed segment arrives: checked, stored durably, re-read, entered, and only then receipted."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.base.unit_of_work import Store
from central.devices.rules import KitRef
from central.evidence import queries, rules, service
from central.evidence.vault import Draft, Vault
from contract.receipts import SegmentReceipt, sign_segment_receipt


@dataclass(frozen=True)
class Reception:
    """A receipt to give, and whether the segment is new here."""

    receipt: bytes
    is_new: bool


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
    receipt = SegmentReceipt(
        recording_id=bytes.fromhex(recording_id),
        seq=seq,
        cipher_hash=cipher_hash,
        length=length,
        stored_ms=stored_ms,
        centre=rules.CENTRE_NAME,
    )
    return Reception(sign_segment_receipt(key, receipt), is_new=not entered)
