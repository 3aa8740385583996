"""Logs of kits: asked for with a reason, brought sealed by the kit, read by who may, gone after a while. Audited."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlmodel import Session, col, select

from central.audit import service as audit
from central.base.errors import DomainError, InvalidInputError, NotFoundError
from central.base.unit_of_work import Store, UnitOfWork
from central.courts.permissions import Actor, check_permission, sees_court
from central.devices import queries
from central.devices.mailbox import put_directive
from central.devices.models import KitLog
from central.devices.rules import DAY_MS, KitRef
from contract import envelope
from contract.age_header import EnvelopeError

FOLDER: Final = "logs"
HOURS_MAX: Final = 168
REASON_MAX: Final = 500
# A kit that does not come back within this has forgotten those hours anyway.
EXPIRY_MS: Final = 7 * DAY_MS
_BITE: Final = 200


class LogNotAskedError(DomainError):
    """Nobody asked this kit for logs under this number, or they came already."""

    code: ClassVar[str] = "log_not_asked"


class LogGoneError(NotFoundError):
    """The logs are not here: not yet, or no longer."""

    code: ClassVar[str] = "log_gone"


class LogUnreadableError(DomainError):
    """What the kit brought cannot be opened with the centre's key."""

    code: ClassVar[str] = "log_unreadable"


class LogShelf:
    """Sealed files below ``<data>/logs``, one a directive."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / FOLDER

    def path_of(self, kit_no: int, number: int) -> Path:
        """Where the logs of a directive lie."""
        return self._root / f"{kit_no}-{number}.age"

    def place(self, source: Path, kit_no: int, number: int) -> None:
        """Take over a file of the same disk, durably."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with source.open("rb") as file:
            os.fsync(file.fileno())
        source.replace(self.path_of(kit_no, number))
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, kit_no: int, number: int) -> None:
        """Remove a file, if it is there."""
        self.path_of(kit_no, number).unlink(missing_ok=True)


def request_logs(uow: UnitOfWork, actor: Actor, kit_id: str, *, reason: str, hours: int) -> KitLog:
    """Order a kit to bring the logs of its last `hours`. Raises ForbiddenError, NotFoundError, InvalidInputError."""
    check_permission(actor, "fetch_logs")
    kit = _get_ref(uow.session, actor, kit_id)
    reason = reason.strip()
    if not 0 < len(reason) <= REASON_MAX:
        raise InvalidInputError(f"Say why the logs are needed, in up to {REASON_MAX} characters.")
    if not 1 <= hours <= HOURS_MAX:
        raise InvalidInputError(f"A kit keeps logs of at most {HOURS_MAX} hours: ask for 1 to {HOURS_MAX}.")
    body = {"reason": reason, "hours": hours, "by": actor.name[:64]}
    entry = put_directive(uow, kit, kind="logs", body=body, expires_ms=uow.now_ms + EXPIRY_MS)
    row = KitLog(
        kit_no=kit.kit_no,
        number=entry.number,
        asked_by=actor.audit_name,
        asked_ms=uow.now_ms,
        reason=reason,
        hours=hours,
    )
    uow.session.add(row)
    uow.session.flush()
    _note(uow, actor, kit, entry.number, "request", purpose=reason, hours=hours)
    return row


def list_logs(session: Session, actor: Actor, kit_id: str, *, limit: int = 20) -> Sequence[KitLog]:
    """Return what was asked of a kit, newest first. Raises ForbiddenError, NotFoundError."""
    check_permission(actor, "fetch_logs")
    kit = _get_ref(session, actor, kit_id)
    query = select(KitLog).where(KitLog.kit_no == kit.kit_no)
    return session.exec(query.order_by(col(KitLog.number).desc()).limit(limit)).all()


def check_expected(session: Session, kit: KitRef, number: int, digest: bytes) -> bool:
    """Whether these very logs are here already. Raises LogNotAskedError for any that nobody waits for."""
    row = session.get(KitLog, (kit.kit_no, number))
    if row is not None and row.digest == digest:
        return True
    if row is None or row.stored_ms is not None:
        raise LogNotAskedError(f"Nobody waits for logs under number {number}: drop them.", number=number)
    return False


def keep_log(store: Store, shelf: LogShelf, kit: KitRef, number: int, *, source: Path, digest: bytes) -> bool:
    """Take over the file a kit brought; False when it was here. Blocking. Raises LogNotAskedError, OSError."""
    with store.read() as session:
        if check_expected(session, kit, number, digest):
            return False
    length = source.stat().st_size
    shelf.place(source, kit.kit_no, number)
    with store.write() as uow:
        row = uow.session.get_one(KitLog, (kit.kit_no, number))
        row.digest, row.length, row.stored_ms = digest, length, uow.now_ms
        uow.session.add(row)
        audit.append(
            uow,
            actor=f"kit:{kit.kit_id}",
            court_code=kit.court_code,
            action="devices:logs:bring",
            subject=f"{kit.kit_id}/{number}",
            detail={"bytes": length},
        )
    return True


def open_log(
    uow: UnitOfWork, actor: Actor, kit_id: str, number: int, *, shelf: LogShelf, identity: X25519PrivateKey
) -> bytes:
    """Decrypt the logs a kit brought (a ZIP, at most 16 MB) for a person; audited.

    Raises ForbiddenError, NotFoundError, LogGoneError, LogUnreadableError.
    """
    check_permission(actor, "fetch_logs")
    kit = _get_ref(uow.session, actor, kit_id)
    row = uow.session.get(KitLog, (kit.kit_no, number))
    if row is None or row.stored_ms is None or row.removed_ms is not None:
        raise LogGoneError("These logs have not come yet, or were removed when their time was over.")
    try:
        clear = envelope.open_bytes(shelf.path_of(kit.kit_no, number).read_bytes(), [identity])
    except FileNotFoundError as error:
        raise LogGoneError("The file of these logs is missing: ask the kit for them again.") from error
    except EnvelopeError as error:
        raise LogUnreadableError(f"These logs cannot be opened ({error}): ask the kit for them again.") from error
    _note(uow, actor, kit, number, "read", purpose=row.reason)
    return clear


def remove_old_logs(store: Store, shelf: LogShelf, *, before_ms: int) -> int:
    """Remove files that came before that time; what was asked, by whom and why stays. Returns how many went."""
    with store.write() as uow:
        query = select(KitLog).where(col(KitLog.stored_ms) < before_ms, col(KitLog.removed_ms).is_(None))
        rows = uow.session.exec(query.limit(_BITE)).all()
        for row in rows:
            row.removed_ms = uow.now_ms
            uow.session.add(row)
    for row in rows:
        shelf.remove(row.kit_no, row.number)
    return len(rows)


def _get_ref(session: Session, actor: Actor, kit_id: str) -> KitRef:
    kit = queries.find_kit_ref(session, kit_id)
    if kit is None or not sees_court(actor.court_code, kit.court_code):
        raise NotFoundError(f"There is no kit {kit_id[:40]!r} in your courts; see the list of kits.", kit_id=kit_id)
    return kit


def _note(uow: UnitOfWork, actor: Actor, kit: KitRef, number: int, verb: str, *, purpose: str, **detail: int) -> None:
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=kit.court_code,
        action=f"devices:logs:{verb}",
        subject=f"{kit.kit_id}/{number}",
        purpose=purpose,
        detail=detail,
    )
