"""A recording leaves the house: one package a court can check without us, audited before it exists."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.base.clock import from_ms
from central.base.receipt_key import read_receipt_key
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.courts.permissions import Actor, check_permission
from central.evidence import queries, rules, service
from central.evidence.models import Recording
from central.evidence.vault import Vault
from contract.absences import AbsenceStatement, sign_absences
from contract.chain import Kind
from contract.package import Source, write_package


def export_package(
    store: Store, settings: Settings, actor: Actor, *, recording_id: str, purpose: str, target: Path
) -> None:
    """Write the package of a recording to ``target``, which must not exist; blocking, audited before it is written.

    Every stored segment is read again first. Segments never received are left out and stated under the centre's
    signature. Raises ForbiddenError, NotFoundError, PurposeMissingError, NothingToExportError, SegmentDamagedError,
    HandoverMissingError, ReceiptKeyMissingError, OSError.
    """
    check_permission(actor, "export_recording")
    purpose = rules.check_purpose(purpose)
    key = read_receipt_key(Path(settings.keys_dir))
    trust = _read_handed_over(Path(settings.handover_dir) / "trust.cbor")
    root_pem = _read_handed_over(Path(settings.keys_dir) / "root.crt")
    vault = Vault(Path(settings.data_dir))
    with store.read() as session:
        queries.get_recording(session, actor, recording_id)
        digests = queries.list_stored_digests(session, recording_id)
    segments = _check_files(vault, recording_id, digests)
    with store.write() as uow:
        recording = queries.get_recording(uow.session, actor, recording_id)
        links = queries.list_links(uow.session, recording_id)
        if not links:
            raise rules.NothingToExportError("This recording has no signed record yet: wait for its kit to report.")
        head = service.state_head(uow, key, recording)
        absent = tuple(link.seq for link in links if link.kind == Kind.SEGMENT and link.seq not in segments)
        absences = _state_absences(key, recording, absent, uow.now_ms)
        service.audit_export(uow, actor, recording, purpose=purpose, head=head)
        exported_ms = uow.now_ms
    source = Source(
        chain=queries.to_signed(links),
        certificates=recording.chain_pem + root_pem,
        head=head,
        trust=trust,
        segments=segments,
        absences=absences,
        notes={
            "exported_by": actor.name,
            "purpose": purpose,
            "exported_at": from_ms(exported_ms).isoformat(timespec="seconds"),
            "court": recording.court_code,
        },
    )
    write_package(target, source)


def _state_absences(
    key: Ed25519PrivateKey, recording: Recording, absent: tuple[int, ...], now_ms: int
) -> bytes | None:
    if not absent:
        return None
    statement = AbsenceStatement(
        recording_id=bytes.fromhex(recording.id),
        head=recording.head,
        absent=absent,
        stated_ms=now_ms,
        centre=rules.CENTRE_NAME,
    )
    return sign_absences(key, statement)


def _check_files(vault: Vault, recording_id: str, digests: dict[int, bytes]) -> dict[int, Path]:
    for seq, digest in digests.items():
        if not vault.holds(recording_id, seq, digest):
            raise rules.SegmentDamagedError(
                f"Segment {seq} no longer has the digest that was receipted: check the evidence store, then export.",
                recording_id=recording_id,
                seq=seq,
            )
    return {seq: vault.path_of(recording_id, seq) for seq in digests}


def _read_handed_over(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise rules.HandoverMissingError(
            f"{path.name} is missing: let the device authority hand it over anew, then export."
        ) from error
