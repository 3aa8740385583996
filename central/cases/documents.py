"""Papers of a case: named, or with their file sealed at rest; withdrawn, never deleted.

A file lies in data_dir/documents/<first 2 hex>/<id> as `0x01 | nonce (12) | AES-256-GCM`, bound to its id, under a
random key of its own. That key is sealed by the keyring in the paper's row, so that a rotation of the keyring leaves
files alone. The file is whole on the disk (written beside, fsync, rename, fsync of the folder) before the row is; a
file without its row cannot be opened by anybody and is swept away.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import Session, col, select

from central.base.errors import ConflictError, DomainError, InvalidInputError, NotFoundError
from central.base.ids import new_id
from central.base.keyring import Keyring
from central.base.settings import Settings
from central.base.unit_of_work import UnitOfWork
from central.cases import record, rules
from central.cases.catalogue import get_catalogue
from central.cases.media import sniff_media
from central.cases.models import CaseDocument
from central.courts.permissions import Actor, Viewer

KEY_FIELD: Final = "case_document.key_cipher"
_FORM: Final = b"\x01"
_NONCE_BYTES: Final = 12
_FIRST_DAY: Final = date(1949, 10, 1)
# What a file without a row may be: a transaction that has not committed yet.
SWEEP_AGE_S: Final = 24 * 3600


class DocumentTooBigError(InvalidInputError):
    """The file is larger than the setting `document_max_bytes`."""

    code: ClassVar[str] = "document_too_big"


class DocumentStoreFullError(DomainError):
    """The disk cannot take the file."""

    code: ClassVar[str] = "document_store_full"


class DocumentDamagedError(DomainError):
    """The file is missing or was altered."""

    code: ClassVar[str] = "document_damaged"


class DocumentWithdrawnError(ConflictError):
    """The paper was withdrawn."""

    code: ClassVar[str] = "document_withdrawn"


class DocumentNameOnlyError(NotFoundError):
    """The paper is only named; it has no file."""

    code: ClassVar[str] = "document_name_only"


@dataclass(frozen=True, slots=True)
class DocumentMeta:
    """What is told of a paper: kind of the catalogue, title, its number, the day it was made, the law it cites."""

    kind: str
    title: str = ""
    doc_no: str = ""
    made_on: date | None = None
    file_name: str = ""
    law_version: str = ""


def add_document(
    uow: UnitOfWork,
    actor: Actor,
    case_no: str,
    meta: DocumentMeta,
    *,
    data: bytes | None,
    settings: Settings,
    keyring: Keyring,
) -> CaseDocument:
    """Add a paper to a case; `data` is its file, None for a paper that is only named. Closed cases take papers too.

    Raises DocumentTooBigError, MediaUnknownError, DocumentStoreFullError, UnknownCodeError, TextTooLongError,
    DayError, NotFoundError, ForbiddenError; then nothing stays on the disk.
    """
    case = record.open_case(uow, actor, case_no, "add_document")
    catalogue = get_catalogue()
    kind = catalogue.document(meta.kind)
    if meta.made_on is not None:
        rules.check_day(meta.made_on, filed_on=_FIRST_DAY, on=record.day_of(uow))
    document = CaseDocument(
        case_id=case.case_id or 0,
        kind=meta.kind,
        title=rules.check_text(meta.title, "title", 200) or kind.zh,
        doc_no=rules.check_text(meta.doc_no, "document number", 100),
        made_on=meta.made_on,
        file_name=_clean_name(meta.file_name),
        law_version=rules.check_text(meta.law_version, "law version", 60) or catalogue.law_version,
        added_by=actor.audit_name,
        added_ms=uow.now_ms,
    )
    if data is not None:
        if len(data) > settings.document_max_bytes:
            raise DocumentTooBigError(
                f"The file has {len(data)} bytes, {settings.document_max_bytes} are allowed; make it smaller.",
                limit=settings.document_max_bytes // 1024,
            )
        document.media_type = sniff_media(data)
        document.size_bytes, document.sha256 = len(data), hashlib.sha256(data).hexdigest()
        key = secrets.token_bytes(32)
        document.key_cipher = keyring.seal(KEY_FIELD, document.id, key.hex())
        _write_sealed(Path(settings.data_dir), document.id, key, data)
    uow.session.add(document)
    detail = {"document_id": document.id, "document": meta.kind, "title": document.title, "doc_no": document.doc_no}
    try:
        record.keep_change(uow, case, actor, "document_added", detail=detail)
    except BaseException:
        path_of(Path(settings.data_dir), document.id).unlink(missing_ok=True)
        raise
    return document


def read_document(
    uow: UnitOfWork,
    actor: Viewer,
    case_no: str,
    document_id: str,
    *,
    settings: Settings,
    keyring: Keyring,
    purpose: str = "",
) -> tuple[CaseDocument, bytes]:
    """Return a paper and its clear file, checked against its digest, and audit the reading.

    Withdrawn papers can be read by whoever sees the case: they stay part of the record.
    Raises NotFoundError, DocumentNameOnlyError, DocumentDamagedError, KeyringError.
    """
    case = record.open_case(uow, actor, case_no, "see_case")
    document = uow.session.get(CaseDocument, document_id)
    if document is None or document.case_id != case.case_id:
        raise NotFoundError("There is no such paper on this case; choose one of its papers.")
    if document.key_cipher is None:
        raise DocumentNameOnlyError("This paper is only named here and has no file; ask for the paper itself.")
    key = bytes.fromhex(keyring.open(KEY_FIELD, document.id, document.key_cipher))
    data = _read_sealed(Path(settings.data_dir), document, key)
    record.keep_audit(
        uow,
        case,
        actor,
        "cases:document:read",
        purpose=rules.read_purpose(actor, purpose),
        detail={"document_id": document.id, "document": document.kind},
    )
    return document, data


def withdraw_document(uow: UnitOfWork, actor: Actor, case_no: str, document_id: str, reason: str) -> CaseDocument:
    """Withdraw a paper: it stays readable and proves nothing any more.

    Raises NotFoundError, DocumentWithdrawnError, TextMissingError, ForbiddenError.
    """
    case = record.open_case(uow, actor, case_no, "add_document")
    document = uow.session.get(CaseDocument, document_id)
    if document is None or document.case_id != case.case_id:
        raise NotFoundError("There is no such paper on this case; choose one of its papers.")
    if document.withdrawn_ms is not None:
        raise DocumentWithdrawnError("This paper was withdrawn before; nothing is left to do.")
    reason = rules.check_text(reason, "reason", is_needed=True)
    document.withdrawn_ms, document.withdrawn_by = uow.now_ms, actor.audit_name
    uow.session.add(document)
    detail = {"document_id": document.id, "document": document.kind, "title": document.title, "reason": reason}
    record.keep_change(uow, case, actor, "document_withdrawn", detail=detail)
    return document


def sweep_documents(session: Session, settings: Settings, *, now_ms: int) -> int:
    """Remove files without a row that are older than a day, and half-written ones; returns how many.

    One of the 256 folders a minute, so that housekeeping stays short however many papers there are.
    """
    folder = _root(Path(settings.data_dir)) / f"{now_ms // 60_000 % 256:02x}"
    if not folder.is_dir():
        return 0
    old = [path for path in folder.iterdir() if now_ms / 1000 - path.stat().st_mtime > SWEEP_AGE_S]
    known = _known_ids(session, [path.name for path in old])
    orphans = [path for path in old if path.name not in known]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def _known_ids(session: Session, names: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(names), 500):
        query = select(CaseDocument.id).where(col(CaseDocument.id).in_(names[start : start + 500]))
        known |= set(session.exec(query).all())
    return known


def path_of(data_dir: Path, document_id: str) -> Path:
    """Return where the sealed file of a paper lies."""
    return _root(data_dir) / document_id[:2] / document_id


def _root(data_dir: Path) -> Path:
    return data_dir / "documents"


def _clean_name(name: str) -> str:
    """Return the bare file name for the reader; it never becomes a path."""
    bare = name.replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in bare if sign.isprintable())[-200:]


def _write_sealed(data_dir: Path, document_id: str, key: bytes, data: bytes) -> None:
    """Write the sealed file whole or not at all; raises DocumentStoreFullError."""
    path = path_of(data_dir, document_id)
    draft = path.with_name(f".{document_id}.{new_id()[:8]}")
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, data, document_id.encode())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_FORM + nonce)
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        for folder in (path.parent, path.parent.parent):
            _sync_folder(folder)
    except OSError as error:
        for leftover in (draft, path):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)
        cause = "is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"refused the file ({error.strerror})"
        raise DocumentStoreFullError(
            f"The disk of the centre {cause}; nothing was kept. Ask the administrator to free space, then try again."
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_sealed(data_dir: Path, document: CaseDocument, key: bytes) -> bytes:
    try:
        raw = path_of(data_dir, document.id).read_bytes()
        if raw[:1] != _FORM:
            raise InvalidTag
        nonce, sealed = raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
        data = AESGCM(key).decrypt(nonce, sealed, document.id.encode())
        if hashlib.sha256(data).hexdigest() != document.sha256:
            raise InvalidTag
    except (OSError, InvalidTag, ValueError) as error:
        raise DocumentDamagedError(
            "The file of this paper is missing or was altered; report it, and restore it from a backup."
        ) from error
    return data
