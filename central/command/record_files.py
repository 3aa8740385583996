"""The sealed segments of sessions' records on disk: each whole or absent, whatever power does.

Order as in the evidence store: draft + fsync, rename to ``<session>/<number>.age``, fsync of the folder, re-read;
only then may a row speak of it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central.command import record_rules as rules
from contract import chain, envelope
from contract.age_header import EnvelopeError
from contract.names import check_hex_id
from contract.segment import SegmentError, SegmentHeader, split_plaintext
from contract.session_record import MIME

FOLDER: Final = "session_records"


class RecordShelf:
    """Sealed segments below ``<data>/session_records``."""

    def __init__(self, data_dir: Path, *, min_free_bytes: int = 0) -> None:
        self._root = data_dir / FOLDER
        self._min_free_bytes = min_free_bytes
        self._root.mkdir(parents=True, exist_ok=True)

    def path_of(self, session_id: str, seq: int) -> Path:
        """Where a segment lies; raises BadNameError for an id that is no id."""
        return self._root / check_hex_id(session_id) / f"{seq:06d}.age"

    def check_room(self, size_bytes: int) -> None:
        """Raise RecordStoreFullError when the disk could not take `size_bytes` and keep its reserve."""
        if shutil.disk_usage(self._root).free - size_bytes < self._min_free_bytes:
            raise _full()

    def place(self, session_id: str, seq: int, sealed: bytes) -> None:
        """Make `sealed` the segment of this number, durably.

        Raises RecordStoreFullError, OSError, RecordDamagedError.
        """
        self.check_room(len(sealed))
        target = self.path_of(session_id, seq)
        draft = target.with_name(f".{target.name}.draft")
        try:
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                _sync(self._root)
            _write(draft, sealed)
            draft.rename(target)
            _sync(target.parent)
        except OSError as error:
            draft.unlink(missing_ok=True)
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise _full() from error
            raise
        if not self.holds(session_id, seq, hashlib.sha256(sealed).digest()):
            raise _damaged(session_id, seq, "it reads back differently")

    def holds(self, session_id: str, seq: int, cipher_hash: bytes) -> bool:
        """Re-read a segment and tell whether it has this digest."""
        try:
            with self.path_of(session_id, seq).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest() == cipher_hash
        except FileNotFoundError:
            return False

    def sweep(self, session_id: str, next_seq: int) -> int:
        """Remove what a killed relay left without a signed record: drafts, and numbers from `next_seq` on."""
        folder = self.path_of(session_id, 0).parent
        paths = list(folder.iterdir()) if folder.exists() else []
        left = [path for path in paths if path.name.startswith(".") or int(path.stem) >= next_seq]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def open_clear(
        self, session_id: str, seq: int, identity: X25519PrivateKey, record: chain.Record
    ) -> tuple[SegmentHeader, bytes]:
        """Decrypt a segment and check it against its signed record before any of it is given.

        Raises RecordDamagedError.
        """
        try:
            sealed = self.path_of(session_id, seq).read_bytes()
            header, clear = split_plaintext(envelope.open_bytes(sealed, [identity]))
        except FileNotFoundError as error:
            raise _damaged(session_id, seq, "its file is missing") from error
        except (EnvelopeError, SegmentError) as error:
            raise _damaged(session_id, seq, str(error)) from error
        if chain.clear_hash(header.salt, clear) != record.clear_hash or header.mime != MIME:
            raise _damaged(session_id, seq, "it does not have the digest that the centre signed")
        return header, clear


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _full() -> rules.RecordStoreFullError:
    return rules.RecordStoreFullError(
        "The centre's disk is full and sessions are not recorded: make room in the data folder at once."
    )


def _damaged(session_id: str, seq: int, fact: str) -> rules.RecordDamagedError:
    return rules.RecordDamagedError(
        f"Segment {seq} of the session's record cannot be opened ({fact}): check the evidence store, and tell the "
        "keeper of the house.",
        session_id=session_id,
        seq=seq,
    )
