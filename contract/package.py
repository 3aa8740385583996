"""The exported evidence package: one plain zip that a court keeps, opens and checks without us.

    manifest.json        for people; what it says of the chain is checked against the chain
    chain.cbor           every signed record, as a CBOR array of ``[body, sig]``
    certificates.pem     the kit's certificate, kits-ca, and the root when it is to travel along
    head.cbor            the centre's signed statement of how far the chain goes
    trust.cbor           the authority's signed list of the centre's keys
    absent.cbor          the centre's signed statement of segments it never received, where there are any
    segments/NNNNNN.age  each segment as it was sealed; NNNNNN is its record's number
    disclosure/NNNNNN.mp4 and NNNNNN.salt   segments disclosed in clear, where there are any

The record of a live session (`contract.session_record`) has session.cbor and root.pem (the authority's certificate)
in the place of chain.cbor and certificates.pem: the centre signs it with the keys of the trust list.

Equal content gives equal bytes. Nothing here decides what is true: that is `contract.judgement`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Self

from contract import chain
from contract.archive import BLOCK_BYTES, ArchiveError, Entry, read_blocks, read_directory
from contract.manifest import build_manifest
from contract.segment import SALT_BYTES
from contract.signing import CodecError, Signed, dumps, loads

MAX_CHAIN_BYTES: Final = 64 * 1024 * 1024
MAX_SEGMENT_BYTES: Final = 64 * 1024 * 1024
MAX_SEQ: Final = 999_999

MANIFEST, CHAIN, CERTIFICATES, HEAD, TRUST, ABSENT = (
    "manifest.json",
    "chain.cbor",
    "certificates.pem",
    "head.cbor",
    "trust.cbor",
    "absent.cbor",
)
SESSION_CHAIN, ROOT = "session.cbor", "root.pem"
_LIMITS: Final = {
    MANIFEST: 32 * 1024 * 1024,
    CHAIN: MAX_CHAIN_BYTES,
    SESSION_CHAIN: MAX_CHAIN_BYTES,
    CERTIFICATES: 64 * 1024,
    ROOT: 64 * 1024,
    HEAD: 4 * 1024,
    TRUST: 64 * 1024,
    ABSENT: 4 * 1024 * 1024,
}
_NUMBERED: Final = re.compile(r"(segments|disclosure)/([0-9]{6})\.(age|mp4|salt)")
# The zip format's own beginning of time, so that equal content gives equal bytes.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class PackageError(ValueError):
    """A package cannot be written or read at all; the message is one sentence with the remedy."""


@dataclass(frozen=True)
class Digest:
    """SHA-256 and length of a file in the package."""

    sha256: bytes
    size: int


@dataclass(frozen=True)
class Disclosure:
    """A clear segment (fMP4 bytes) and the salt of its header; `seq` is its record's number."""

    seq: int
    salt: bytes
    clear: bytes


@dataclass(frozen=True, kw_only=True)
class Source:
    """What to put into a package. `segments` maps record numbers to files of ciphertext.

    `certificates` is PEM: leaf, kits-ca and usually the root. `absences` (`contract.absences`) is needed when
    `segments` lacks some of the chain's. `is_session`: the chain is that of a session's record, `certificates` the
    root alone. `disclosures` are taken one by one, so that a generator may open them as
    they are written. `notes` are remarks for people (who exported, what for); no signature covers them.
    """

    chain: Sequence[Signed]
    certificates: bytes
    head: bytes
    trust: bytes
    segments: Mapping[int, Path]
    absences: bytes | None = None
    is_session: bool = False
    disclosures: Iterable[Disclosure] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A package as read: small files whole, large ones as digests. Values only, for the pure core.

    `files` lacks what the package lacks; `damaged` names files whose CRC-32 is wrong; `foreign` names files no
    package has. `disclosed` holds the digest of salt and clear segment together, None when one of the two is missing.
    """

    files: Mapping[str, bytes]
    segments: Mapping[int, Digest]
    disclosed: Mapping[int, bytes | None]
    damaged: Sequence[str] = ()
    foreign: Sequence[str] = ()


def write_package(path: Path, source: Source) -> None:
    """Write the package to `path`, which must not exist; durable and whole, or absent.

    Raises:
        PackageError: a record is unreadable, a segment is too large, or `path` exists.
        OSError: a segment's file cannot be read or the package not be written.
    """
    fresh = path.with_name(path.name + ".part")
    if path.exists():
        raise PackageError(f"{path.name} exists already; export under another name.")
    try:
        with fresh.open("xb") as file:
            _write_entries(file, source)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def unpack_chain(data: bytes) -> list[Signed]:
    """Read chain.cbor; raise CodecError when it is not an array of ``[body, sig]``."""
    value = loads(data, limit_bytes=MAX_CHAIN_BYTES)
    if not isinstance(value, list) or not value:
        raise CodecError("The chain must be a CBOR array of records.")
    for item in value:
        if not (isinstance(item, list) and len(item) == 2 and all(isinstance(part, bytes) for part in item)):
            raise CodecError("A record of the chain must be an array of two byte strings.")
    return [Signed(body, sig) for body, sig in value]


def _write_entries(file: BinaryIO, source: Source) -> None:
    try:
        records = [chain.decode(signed.body) for signed in source.chain]
        manifest = build_manifest(records, source.notes)
    except (CodecError, LookupError) as error:
        raise PackageError(f"The recording's chain cannot be exported: {error}") from error
    small = {
        MANIFEST: json.dumps(manifest, ensure_ascii=False, indent=1).encode() + b"\n",
        SESSION_CHAIN if source.is_session else CHAIN: dumps([list(signed) for signed in source.chain]),
        ROOT if source.is_session else CERTIFICATES: source.certificates,
        HEAD: source.head,
        TRUST: source.trust,
    }
    if source.absences is not None:
        small[ABSENT] = source.absences
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, data in small.items():
            if len(data) > _LIMITS[name]:
                raise PackageError(f"{name} would be larger than {_LIMITS[name]} bytes; export a shorter part.")
            _write_entry(archive, name, [data])
        for seq, path in sorted(source.segments.items()):
            if path.stat().st_size > MAX_SEGMENT_BYTES:
                raise PackageError(f"Segment {seq} is larger than {MAX_SEGMENT_BYTES} bytes.")
            _write_entry(archive, f"segments/{seq:06d}.age", _read_file(path))
        for item in source.disclosures:
            _write_entry(archive, f"disclosure/{item.seq:06d}.mp4", [item.clear])
            _write_entry(archive, f"disclosure/{item.seq:06d}.salt", [item.salt])


def _write_entry(archive: zipfile.ZipFile, name: str, blocks: Iterable[bytes]) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3
    info.external_attr = 0o644 << 16
    with archive.open(info, "w") as entry:
        for block in blocks:
            entry.write(block)


def _read_file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


class Reader:
    """An opened package. A context manager; raises PackageError when the file is no package at all."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self._entries = read_directory(self._file)
            self._check_sizes()
        except ArchiveError as error:
            self._file.close()
            raise PackageError(str(error)) from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read_contents(self) -> Contents:
        """Read and digest everything once, segment by segment."""
        files, damaged, foreign = {}, [], []
        segments: dict[int, Digest] = {}
        disclosed: dict[int, bytes | None] = {}
        for name, entry in self._entries.items():
            if name in _LIMITS:
                files[name] = self._read_whole(entry)
                if zlib.crc32(files[name]) != entry.crc:
                    damaged.append(name)
            elif (number := _split_name(name)) is None:
                foreign.append(name)
            elif number[0] == "segments":
                segments[number[1]] = self._digest(entry)
            elif number[1] not in disclosed:
                disclosed[number[1]] = self._digest_disclosed(number[1])
        return Contents(files=files, segments=segments, disclosed=disclosed, damaged=damaged, foreign=foreign)

    def _check_sizes(self) -> None:
        if not _LIMITS.keys() & self._entries.keys():
            raise PackageError("The archive holds nothing of an evidence package; give the exported file itself.")
        for name, entry in self._entries.items():
            limit = SALT_BYTES if name.endswith(".salt") else _LIMITS.get(name, MAX_SEGMENT_BYTES)
            if entry.size > limit:
                raise PackageError(f"{name} is larger than the {limit} bytes a package may hold there.")

    def _read_whole(self, entry: Entry) -> bytes:
        return b"".join(read_blocks(self._file, entry))

    def _digest(self, entry: Entry) -> Digest:
        digest = hashlib.sha256()
        for block in read_blocks(self._file, entry):
            digest.update(block)
        return Digest(digest.digest(), entry.size)

    def _digest_disclosed(self, seq: int) -> bytes | None:
        salt = self._entries.get(f"disclosure/{seq:06d}.salt")
        clear = self._entries.get(f"disclosure/{seq:06d}.mp4")
        if salt is None or clear is None or salt.size != SALT_BYTES:
            return None
        digest = hashlib.sha256(self._read_whole(salt))
        for block in read_blocks(self._file, clear):
            digest.update(block)
        return digest.digest()


def _split_name(name: str) -> tuple[str, int] | None:
    match = _NUMBERED.fullmatch(name)
    if match is None or (match[1] == "segments") != (match[3] == "age"):
        return None
    return match[1], int(match[2])
