"""One file that holds what the centre knows: database, papers, the sealed field keyring, on demand the recordings.

The database is read in one snapshot beside a running centre. The files are added after it: a paper is on disk before
its row is committed and never changes, so whatever the snapshot names is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from sqlmodel import Session

from central.audit import queries as audit_queries
from central.base import archive, dump, keyring
from central.base.archive import ArchiveWriter
from central.base.errors import NotFoundError
from central.base.handover import find_trust_list
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command import record_files
from contract import envelope

KIND: Final = "zhixing-backup"
VERSION: Final = 1
KEYS_PART: Final = "keys/fields.json.age"
FOLDERS: Final = ("documents", "logs")
# Large, and never changed once written: recordings of kits, and the sessions' records.
EVIDENCE: Final = ("evidence", record_files.FOLDER)
_INCOMING: Final = "incoming"
KEYS_LEFT_OUT: Final = (
    "keys/fields.json is NOT in this backup, because no hand-over names a recipient to seal it to: save that file "
    "separately, without it identity numbers and private fields cannot be opened."
)


@dataclass(frozen=True)
class Backup:
    """What went into the file: rows per table, files per folder, and whether the field keyring is in it, sealed."""

    rows: dict[str, int]
    files: dict[str, int]
    has_keys: bool
    manifest: dict[str, Any]


def make_backup(
    store: Store,
    settings: Settings,
    target: Path,
    *,
    with_evidence: bool = False,
    tell: Callable[[str], None] = lambda _line: None,
) -> Backup:
    """Write a backup to `target`, which must not exist; blocking, beside a running centre.

    Raises ArchiveExistsError, ArchiveFullError, NotFoundError, TrustListError, KeyringError, OSError; then nothing is
    left at `target`.
    """
    recipients = _list_recipients(settings)
    keys = _read_keys(settings)
    with archive.open_archive(target) as writer, store.read() as session:
        manifest = _describe(session, store)
        keys = _merge_keys(keys, _read_keys(settings))  # a key that joined before the snapshot was taken, too
        tables: dict[str, Any] = {}
        for table in dump.list_tables(session.connection()):
            tables[table.name] = {"columns": table.columns, "rows": _add_table(session, writer, table)}
            tell(f"backup: {table.name}: {tables[table.name]['rows']} rows")
        sequences = dump.read_sequences(session.connection())
        files = {}
        for folder in (*FOLDERS, *(EVIDENCE if with_evidence else ())):
            files[folder] = _add_folder(writer, Path(settings.data_dir) / folder, folder)
            tell(f"backup: {folder}: {files[folder]} files")
        has_keys = bool(keys and recipients)
        if has_keys:
            writer.add_bytes(KEYS_PART, envelope.seal(json.dumps(keys).encode(), recipients))
        manifest |= {"tables": tables, "sequences": sequences, "files": files, "has_keys": has_keys}
        writer.close(manifest)
    return Backup({name: table["rows"] for name, table in tables.items()}, files, has_keys, manifest)


def _describe(session: Session, store: Store) -> dict[str, Any]:
    """Begin the snapshot and say what it is of."""
    connection = session.connection()
    from alembic.runtime.migration import MigrationContext  # see base.schema

    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise NotFoundError("There is no database to back up: correct database_url or data_dir in the settings.")
    rows, head = audit_queries.find_tail(session)
    return {
        "kind": KIND,
        "v": VERSION,
        "made_ms": store.clock.now_ms(),
        "revision": revision,
        "database": connection.dialect.name,
        "audit": {"rows": rows, "head": head.hex()},
    }


def _add_table(session: Session, writer: ArchiveWriter, table: dump.Table) -> int:
    total = 0
    for number, (rows, part) in enumerate(dump.read_parts(session.connection(), table), 1):
        writer.add_bytes(f"tables/{table.name}/{number:06}.cbor.gz", part)
        total += rows
    return total


def _add_folder(writer: ArchiveWriter, folder: Path, name: str) -> int:
    count = 0
    for path in _list_files(folder):
        try:
            writer.add_file(f"{name}/{path.relative_to(folder).as_posix()}", path)
        except FileNotFoundError:
            continue  # removed meanwhile: the snapshot does not need it, or the restore's check will say so
        count += 1
    return count


def _list_files(folder: Path) -> Iterator[Path]:
    """Whole files below a folder: what still arrives has a name that begins with a dot, or lies in `incoming`."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and parts[0] != _INCOMING and not path.name.startswith("."):
            yield path


def _list_recipients(settings: Settings) -> list[X25519PublicKey]:
    trust = find_trust_list(settings)
    return trust.recipient_keys() if trust else []


def _read_keys(settings: Settings) -> dict[str, dict[str, str]]:
    path = Path(settings.keys_dir) / keyring.FILE
    return keyring.read_content(path) if path.exists() else {}


def _merge_keys(first: dict[str, dict[str, str]], second: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in {*first, *second}}
