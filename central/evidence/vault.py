"""The files of the evidence store: written so that a power cut leaves a segment whole or absent.

Order: draft + fsync, rename to ``<recording>/<number>.age``, fsync of the folder, re-read and re-hash; only then
may a row and a receipt speak of it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central.base.ids import new_id
from central.evidence import rules
from contract import envelope
from contract.age_header import EnvelopeError
from contract.names import check_hex_id
from contract.segment import MAX_HEADER_BYTES, SegmentError, SegmentHeader, split_plaintext

_BLOCK_BYTES: Final = 1024 * 1024


@dataclass
class Draft:
    """A segment while it is being received: bytes go to a file and a digest."""

    path: Path
    file: FileIO
    digest: hashlib._Hash
    length: int = 0

    def write(self, data: bytes) -> None:
        """Take more bytes."""
        left = memoryview(data)
        while left:
            left = left[self.file.write(left) :]
        self.digest.update(data)
        self.length += len(data)

    def keep(self) -> None:
        """Leave what came to a later request, which goes on from there."""
        self.file.close()

    def discard(self) -> None:
        """Give the draft up; harmless after it was placed."""
        self.file.close()
        self.path.unlink(missing_ok=True)


class Vault:
    """Sealed segments below ``<data>/evidence``."""

    def __init__(self, data_dir: Path, *, min_free_bytes: int = 0) -> None:
        self._root = data_dir / "evidence"
        self._drafts = self._root / "incoming"
        self._min_free_bytes = min_free_bytes
        self._drafts.mkdir(parents=True, exist_ok=True)

    def clear_drafts(self, *, before_s: float) -> int:
        """Remove parts nobody has added to since ``before_s`` (epoch); nobody was promised any of it.

        Returns how many.
        """
        left = [path for path in self._drafts.iterdir() if path.stat().st_mtime < before_s]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def check_room(self, size_bytes: int = 0) -> None:
        """Raise StoreFullError when the disk could not take ``size_bytes`` and keep its reserve."""
        if shutil.disk_usage(self._root).free - size_bytes < self._min_free_bytes:
            raise rules.StoreFullError(rules.STORE_FULL_TEXT)

    def new_draft(self, name: str = "") -> Draft:
        """Begin to receive a segment; under a ``name`` (see `part_name`) what came of it can be taken up again."""
        path = self._drafts / (name or f"{new_id()}.tmp")
        return Draft(path, path.open("wb", buffering=0), hashlib.sha256())

    def resume_draft(self, name: str) -> Draft:
        """Take up what a broken request left, reading it again for its digest; an empty draft when nothing is."""
        path = self._drafts / name
        file = path.open("a+b", buffering=0)
        file.seek(0)
        draft = Draft(path, file, hashlib.sha256())
        while block := file.read(_BLOCK_BYTES):
            draft.digest.update(block)
            draft.length += len(block)
        return draft

    def measure_part(self, name: str) -> int:
        """How many bytes of a segment came so far; 0 when none did."""
        try:
            return (self._drafts / name).stat().st_size
        except FileNotFoundError:
            return 0

    def path_of(self, recording_id: str, seq: int) -> Path:
        """Where a segment lies; raises BadNameError for an id that is no id."""
        return self._root / check_hex_id(recording_id) / f"{seq:06d}.age"

    def place(self, draft: Draft, recording_id: str, seq: int) -> None:
        """Make the draft the stored segment, durably, and re-read it; raises SegmentDamagedError when it differs."""
        draft.file.flush()
        os.fsync(draft.file.fileno())
        draft.file.close()
        target = self.path_of(recording_id, seq)
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            _sync_folder(self._root)
        draft.path.rename(target)
        _sync_folder(target.parent)
        if not self.holds(recording_id, seq, draft.digest.digest()):
            raise rules.SegmentDamagedError(
                "The stored segment reads back differently: keep it and try again; check the centre's disk.",
                recording_id=recording_id,
                seq=seq,
            )

    def holds(self, recording_id: str, seq: int, cipher_hash: bytes) -> bool:
        """Re-read a stored segment and tell whether it has this digest."""
        try:
            with self.path_of(recording_id, seq).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest() == cipher_hash
        except FileNotFoundError:
            return False

    def place_proxy(self, recording_id: str, seq: int, sealed: bytes) -> None:
        """Keep a proxy's container beside its segment's place."""
        target = self._proxy_path(recording_id, seq)
        target.parent.mkdir(exist_ok=True)
        draft = self._drafts / f"{new_id()}.tmp"
        draft.write_bytes(sealed)
        draft.rename(target)

    def drop_proxy(self, recording_id: str, seq: int) -> None:
        """Remove a proxy's file, if there is one."""
        self._proxy_path(recording_id, seq).unlink(missing_ok=True)

    def _proxy_path(self, recording_id: str, seq: int) -> Path:
        return self.path_of(recording_id, seq).with_suffix(".proxy")

    def open_clear_proxy(
        self, recording_id: str, seq: int, identity: X25519PrivateKey, *, clear_hash: bytes
    ) -> tuple[SegmentHeader, Iterator[bytes]]:
        """Decrypt a proxy; as `open_clear`."""
        return self._open(self._proxy_path(recording_id, seq), (recording_id, seq), identity, clear_hash)

    def open_clear(
        self, recording_id: str, seq: int, identity: X25519PrivateKey, *, clear_hash: bytes
    ) -> tuple[SegmentHeader, Iterator[bytes]]:
        """Decrypt a stored segment: header, then fMP4 bytes, at the end checked against ``clear_hash``.

        Raises SegmentDamagedError, at once or after the last chunk.
        """
        return self._open(self.path_of(recording_id, seq), (recording_id, seq), identity, clear_hash)

    def _open(
        self, path: Path, name: tuple[str, int], identity: X25519PrivateKey, clear_hash: bytes
    ) -> tuple[SegmentHeader, Iterator[bytes]]:
        try:
            source = path.open("rb")
        except FileNotFoundError as error:
            raise _damaged(*name, "its file is missing") from error
        clear = _decrypt(source, identity, clear_hash, name)
        first = next(clear)
        assert isinstance(first, SegmentHeader)  # noqa: S101 -- what _decrypt yields first
        return first, (part for part in clear if isinstance(part, bytes))


def part_name(recording_id: str, seq: int, cipher_hash: bytes) -> str:
    """What a segment is called while it comes; with its digest, so that two never mix."""
    return f"{check_hex_id(recording_id)}-{seq:06d}-{cipher_hash.hex()}.part"


def _decrypt(
    source: BinaryIO, identity: X25519PrivateKey, clear_hash: bytes, name: tuple[str, int]
) -> Iterator[SegmentHeader | bytes]:
    with source:
        try:
            chunks = envelope.open_stream(source, [identity])
            head = b""
            while len(head) < 4 or len(head) < 4 + min(int.from_bytes(head[:4], "big"), MAX_HEADER_BYTES):
                head += next(chunks, b"") or _end_of_header()
            header, rest = split_plaintext(head)
            digest = hashlib.sha256(header.salt + rest)
            yield header
            if rest:
                yield rest
            for chunk in chunks:
                digest.update(chunk)
                yield chunk
        except (EnvelopeError, SegmentError) as error:
            raise _damaged(*name, str(error)) from error
        if digest.digest() != clear_hash:
            raise _damaged(*name, "the clear segment does not have the digest that the kit signed")


def _end_of_header() -> bytes:
    raise SegmentError("The decrypted segment ends inside its header.")


def _damaged(recording_id: str, seq: int, fact: str) -> rules.SegmentDamagedError:
    return rules.SegmentDamagedError(
        f"Segment {seq} cannot be opened ({fact}): check the evidence store, and tell the keeper of the house.",
        recording_id=recording_id,
        seq=seq,
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
