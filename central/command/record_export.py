"""A session's record leaves the house: one package a court can check without us, audited before it exists."""

from __future__ import annotations

from pathlib import Path

from central.base.clock import from_ms
from central.base.handover import ROOT_FILE, TRUST_FILE
from central.base.receipt_key import read_receipt_key
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command import record_queries as queries
from central.command import record_rules as rules
from central.command import record_service as service
from central.command.record_files import RecordShelf
from central.courts.permissions import Actor, check_permission
from contract.chain import Kind
from contract.package import Source, write_package


def export_record(
    store: Store, settings: Settings, actor: Actor, *, session_id: str, purpose: str, target: Path
) -> None:
    """Write the package of a session's record to ``target``, which must not exist; audited before it is written.

    Every sealed segment is read again first. Raises ForbiddenError, NotFoundError, RecordMissingError,
    RecordPurposeError, RecordDamagedError, RecordKeysMissingError, ReceiptKeyMissingError, OSError.
    """
    check_permission(actor, "export_recording")
    purpose = rules.check_purpose(purpose)
    key = read_receipt_key(Path(settings.keys_dir))
    trust = _read(Path(settings.handover_dir) / TRUST_FILE)
    root = _read(Path(settings.keys_dir) / ROOT_FILE)
    shelf = RecordShelf(Path(settings.data_dir))
    with store.read() as session:
        queries.get_record(session, actor, session_id)
        links = queries.list_links(session, session_id)
    segments = {link.seq: shelf.path_of(session_id, link.seq) for link in links if link.kind == Kind.SEGMENT}
    for link in links:
        if link.seq in segments and not shelf.holds(session_id, link.seq, link.cipher_hash):
            raise rules.RecordDamagedError(
                f"Segment {link.seq} no longer has the digest that the centre signed: check the evidence store.",
                session_id=session_id,
                seq=link.seq,
            )
    with store.write() as uow:
        record = queries.get_record(uow.session, actor, session_id)
        # A record that goes on may have grown meanwhile: the head is that of what goes out.
        head = service.state_head_of(uow, key, links)
        service.audit_export(uow, actor, record, purpose=purpose, head=head)
        exported_ms = uow.now_ms
    source = Source(
        chain=queries.to_signed(links),
        certificates=root,
        head=head,
        trust=trust,
        segments=segments,
        is_session=True,
        notes={
            "exported_by": actor.name,
            "purpose": purpose,
            "exported_at": from_ms(exported_ms).isoformat(timespec="seconds"),
            "court": record.court_code,
        },
    )
    write_package(target, source)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise rules.RecordKeysMissingError(
            f"{path.name} is missing: let the device authority hand it over anew, then export."
        ) from error
