"""Proxies: small pictures that come before their segment. Checked, kept, shown as what they are, gone with it.

They are no evidence: no receipt is signed for them, no package holds them, and continuity does not count them.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlmodel import Session

from central.audit import service as audit
from central.base.unit_of_work import Store, UnitOfWork
from central.courts.permissions import Actor, check_permission
from central.devices.rules import KitRef
from central.evidence import queries, rules
from central.evidence.models import Recording, StoredProxy
from central.evidence.service import ClearSegment
from central.evidence.vault import Vault
from contract import proxy
from contract.chain import Kind


def receive_proxy(store: Store, vault: Vault, *, kit: KitRef, recording_id: str, seq: int, parcel: bytes) -> bool:
    """Keep a proxy whose signature and digests hold; blocking. False when it was here, or its original is.

    Raises ForeignRecordingError, ChainRecordMissingError, ProxyRefusedError, StoreFullError.
    """
    try:
        signed, record, sealed = proxy.unpack(parcel)
    except proxy.ProxyError as error:
        raise rules.ProxyRefusedError(f"{error} Send it as the recorder made it, or drop it.") from error
    if (record.recording_id.hex(), record.seq) != (recording_id, seq):
        raise rules.ProxyRefusedError("The proxy is of another segment than the path names: drop it.")
    with store.read() as session:
        recording = _find_recording(session, kit, recording_id, seq, record)
        if not proxy.is_signed_by(_signer_of(recording), signed):
            raise rules.ProxyRefusedError("The proxy is not signed by the key of its recording: drop it.")
        if queries.find_segment(session, recording_id, seq) or find_proxy(session, recording_id, seq):
            return False
    vault.check_room(len(sealed))
    vault.place_proxy(recording_id, seq, sealed)
    with store.write() as uow:
        if queries.find_segment(uow.session, recording_id, seq) is not None:
            vault.drop_proxy(recording_id, seq)  # the original came between, and nobody else takes this file away
            return False
        uow.session.merge(
            StoredProxy(
                recording_id=recording_id,
                seq=seq,
                cipher_hash=record.cipher_hash,
                clear_hash=record.clear_hash,
                length=record.length,
                stored_ms=uow.now_ms,
            )
        )
    return True


def find_proxy(session: Session, recording_id: str, seq: int) -> StoredProxy | None:
    """A kept proxy, for work inside the centre (no actor)."""
    return session.get(StoredProxy, (recording_id, seq))


def open_clear_proxy(  # noqa: PLR0917 -- who, with what, which: read as one sentence at the one call
    uow: UnitOfWork,
    actor: Actor,
    vault: Vault,
    identity: X25519PrivateKey,
    recording_id: str,
    seq: int,
    *,
    purpose: str,
) -> ClearSegment:
    """Decrypt one proxy for a person; audited as a preview in this transaction, otherwise as `open_clear_segment`.

    Raises ForbiddenError, NotFoundError, SegmentNotStoredError, PurposeMissingError, SegmentDamagedError.
    """
    check_permission(actor, "play_recording")
    purpose = rules.check_purpose(purpose)
    recording = queries.get_recording(uow.session, actor, recording_id)
    row = find_proxy(uow.session, recording_id, seq)
    if row is None:
        raise rules.SegmentNotStoredError(
            f"No preview of segment {seq} of this recording is here.", recording_id=recording_id, seq=seq
        )
    header, chunks = vault.open_clear_proxy(recording_id, seq, identity, clear_hash=row.clear_hash)
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=recording.court_code,
        action="evidence:proxy:open",
        subject=f"{recording_id}/{seq}",
        purpose=purpose,
        detail={"kit_id": recording.kit_id},
    )
    return ClearSegment(header, chunks)


def _find_recording(
    session: Session, kit: KitRef, recording_id: str, seq: int, record: proxy.ProxyRecord
) -> Recording:
    recording = queries.find_recording(session, recording_id)
    if recording is not None and recording.kit_no != kit.kit_no:
        raise rules.ForeignRecordingError(rules.FOREIGN_TEXT, recording_id=recording_id)
    link = queries.find_link(session, recording_id, seq)
    if recording is None or link is None:
        raise rules.ChainRecordMissingError(
            f"The chain record {seq} of this recording is not here yet: send it first, then the proxy.",
            recording_id=recording_id,
            seq=seq,
        )
    if link.kind != Kind.SEGMENT or link.cipher_hash != record.original_hash:
        raise rules.ProxyRefusedError("The proxy is of another segment than the chain's record names: drop it.")
    return recording


def _signer_of(recording: Recording) -> EllipticCurvePublicKey:
    key = x509.load_pem_x509_certificate(recording.chain_pem).public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise rules.ProxyRefusedError("The recording's certificate carries no P-256 key.")
    return key
