"""A backup becomes a centre again: everything checked first, into an empty place only, then proven.

The backup may come from either kind of database and go into either.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from sqlalchemy import Connection, inspect
from sqlalchemy.engine import make_url

from central.audit import queries as audit_queries
from central.audit.rules import AuditBrokenError
from central.base import archive, db, dump, keyring, schema
from central.base.archive import ArchiveDamagedError
from central.base.errors import DomainError
from central.base.keyring import sync_folder
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.flows.backup import KEYS_PART, KIND, VERSION
from contract import envelope

_TABLES: Final = "tables"
_IDENTITY: Final = "centre.age"
_BLOCK: Final = 1024 * 1024


class RestoreTargetError(DomainError):
    """Something is already where the backup would go."""

    code: ClassVar[str] = "restore_target"


class BackupUnknownError(DomainError):
    """The file is no backup that this release can read."""

    code: ClassVar[str] = "backup_unknown"


@dataclass(frozen=True)
class Restored:
    """What came back, and what the administrator still has to do (`remark`, empty: nothing)."""

    rows: dict[str, int]
    files: dict[str, int]
    audit_rows: int
    revision: str
    remark: str


def restore_backup(settings: Settings, source: Path, *, tell: Callable[[str], None] = lambda _line: None) -> Restored:
    """Restore `source` into the configured, empty database and folders; blocking.

    Every digest is checked before anything is written; the schema is brought up to date afterwards and the audit
    chain recomputed. Raises ArchiveDamagedError, BackupUnknownError, RestoreTargetError, AuditBrokenError,
    ArchiveFullError, OSError; then the target is as empty as before.
    """
    manifest = archive.check_archive(source)
    tell("restore: every digest is right")
    _check_known(manifest, source)
    url = db.database_url(settings)
    _check_empty(settings, url, manifest)
    keys = _open_keys(settings, source, manifest)
    try:
        rows = _load_database(url, source, manifest, tell)
        revision = schema.migrate_url(url)
        audit_rows = _check_audit(url, manifest)
        files = _unpack_files(settings, source, manifest)
        remark = _restore_keys(settings, source, manifest, keys)
    except BaseException as error:
        _empty(settings, url, manifest)
        if archive.is_no_room(error):
            raise archive.ArchiveFullError("There is no room for what the backup holds: free space first.") from error
        raise
    return Restored(rows, files, audit_rows, revision, remark)


def _check_known(manifest: dict[str, Any], source: Path) -> None:
    if manifest.get("kind") != KIND or manifest.get("v") != VERSION:
        raise BackupUnknownError(f"{source} is no backup that this release reads: use the release that made it.")
    from alembic.script import ScriptDirectory  # see base.schema

    scripts = ScriptDirectory.from_config(schema.alembic_config("sqlite://"))
    known = {script.revision for script in scripts.walk_revisions()}
    if manifest["revision"] not in known:
        raise BackupUnknownError(
            f"{source} was made by a newer release (schema {manifest['revision']}): install that release first."
        )


def _check_empty(settings: Settings, url: str, manifest: dict[str, Any]) -> None:
    engine = db.create_engine(url)
    try:
        with engine.connect() as connection:
            if inspect(connection).get_table_names():
                raise RestoreTargetError(
                    f"The database {make_url(url).render_as_string()} is not empty: restore into a new one."
                )
    finally:
        engine.dispose()
    for name in manifest["files"]:
        folder = Path(settings.data_dir) / name
        if any(path.is_file() for path in folder.rglob("*")):
            raise RestoreTargetError(f"The folder {folder} is not empty: move it away, then restore.")


def _load_database(url: str, source: Path, manifest: dict[str, Any], tell: Callable[[str], None]) -> dict[str, int]:
    from alembic import command  # see base.schema

    command.upgrade(schema.alembic_config(url), manifest["revision"])
    engine = db.create_engine(url)
    try:
        with db.writer_engine(engine).begin() as connection:
            counts = _load_tables(connection, source, manifest)
            dump.write_sequences(connection, manifest["sequences"])
    finally:
        engine.dispose()
    for name, count in counts.items():
        tell(f"restore: {name}: {count} rows")
    return counts


def _load_tables(connection: Connection, source: Path, manifest: dict[str, Any]) -> dict[str, int]:
    counts = dict.fromkeys(manifest["tables"], 0)
    for name, part in archive.read_parts(source):
        kind, _, rest = name.partition("/")
        if kind == _TABLES:
            table = rest.partition("/")[0]
            counts[table] += dump.write_rows(connection, table, manifest["tables"][table]["columns"], part.read())
    for table, described in manifest["tables"].items():
        if counts[table] != described["rows"]:
            raise ArchiveDamagedError(f"{source} holds another number of rows of {table} than it says: use another.")
    return counts


def _check_audit(url: str, manifest: dict[str, Any]) -> int:
    """Recompute the chain and compare it with the head the backup names."""
    store = Store(db.create_engine(url))
    try:
        with store.read() as session:
            count, head = audit_queries.verify_chain(session)
    finally:
        store.close()
    told = manifest["audit"]
    if (count, head.hex()) != (told["rows"], told["head"]):
        raise AuditBrokenError(
            f"The restored audit ends at row {count}, the backup names row {told['rows']}: use another backup.",
            seq=count,
        )
    return count


def _unpack_files(settings: Settings, source: Path, manifest: dict[str, Any]) -> dict[str, int]:
    counts = dict.fromkeys(manifest["files"], 0)
    folders: set[Path] = set()
    for name, part in archive.read_parts(source):
        kind = name.partition("/")[0]
        if kind not in counts:
            continue
        path = Path(settings.data_dir) / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_file(path, part)
        folders.add(path.parent)
        counts[kind] += 1
    for folder in folders:
        sync_folder(folder)
    return counts


def _write_file(path: Path, part: BinaryIO) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(part, file, _BLOCK)
        file.flush()
        os.fsync(file.fileno())


def _open_keys(settings: Settings, source: Path, manifest: dict[str, Any]) -> dict[str, dict[str, str]] | None:
    """Return the backup's field keyring, None when it has none or the centre's identity does not open it.

    Raises RestoreTargetError when the keyring that is here already lacks one of its keys.
    """
    sealed = _read_sealed_keys(source) if manifest["has_keys"] else b""
    try:
        identities = envelope.identities_from_file_text((Path(settings.keys_dir) / _IDENTITY).read_text())
        keys: dict[str, dict[str, str]] = json.loads(envelope.open_bytes(sealed, identities))
    except (OSError, ValueError):
        return None
    path = Path(settings.keys_dir) / keyring.FILE
    if path.exists():
        here = keyring.read_content(path)
        if any(here[name].get(number) != key for name in here for number, key in keys[name].items()):
            raise RestoreTargetError(f"{path} lacks keys of the backup: move it away, then restore.")
    return keys


def _restore_keys(
    settings: Settings, source: Path, manifest: dict[str, Any], keys: dict[str, dict[str, str]] | None
) -> str:
    """Put the field keyring in its place; says what is left to do when that cannot be done here."""
    path = Path(settings.keys_dir) / keyring.FILE
    if path.exists():
        return ""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if keys is not None:
        keyring.write_new(path, keys)
        return ""
    if not manifest["has_keys"]:
        return f"The backup holds no field keyring: put the saved {path.name} into {path.parent} before you start."
    sealed = path.with_name(f"{path.name}.age")
    sealed.unlink(missing_ok=True)
    _write_file(sealed, io.BytesIO(_read_sealed_keys(source)))
    return (
        f"The field keyring is sealed and {_IDENTITY} does not open it: with the escrow identity run "
        f"`age -d -i IDENTITY {sealed} > {path}` before you start."
    )


def _read_sealed_keys(source: Path) -> bytes:
    return next((part.read() for name, part in archive.read_parts(source) if name == KEYS_PART), b"")


def _empty(settings: Settings, url: str, manifest: dict[str, Any]) -> None:
    """Take back what was restored so far, from places that were empty before."""
    for name in manifest["files"]:
        shutil.rmtree(Path(settings.data_dir) / name, ignore_errors=True)
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            Path(f"{address.database}{suffix}").unlink(missing_ok=True)
        return
    if schema.current_revision(url):
        from alembic import command  # see base.schema

        command.downgrade(schema.alembic_config(url), "base")
    engine = db.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    engine.dispose()
