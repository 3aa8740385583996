"""A strict reader of plain zip archives: stored entries only, every entry where the directory says it is.

Nothing is ever unpacked to disk and nothing can swell: an entry is a span of the file itself. What a lenient
reader might see differently (two entries of one name, overlaps, bytes between entries, a prefix, a comment, a
directory that contradicts the entries) is refused. Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

MAX_ENTRIES: Final = 300_000
MAX_DIRECTORY_BYTES: Final = 64 * 1024 * 1024
BLOCK_BYTES: Final = 1024 * 1024

_SAFE_NAME: Final = re.compile(rb"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_FOLDER_NAME: Final = re.compile(rb"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}/")
_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64: Final = struct.Struct("<4sLQL")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_FULL16: Final = 0xFFFF
_FULL32: Final = 0xFFFFFFFF
_ENCRYPTED: Final = 0x0001 | 0x0040 | 0x2000
_HAS_DESCRIPTOR: Final = 0x0008
_MAX_DESCRIPTOR_BYTES: Final = 24


class ArchiveError(ValueError):
    """The file is not an archive that may be read; the message is one sentence with the remedy."""


@dataclass(frozen=True)
class Entry:
    """A span of the archive: `size` bytes from `start`; `crc` is CRC-32 as the archive states it."""

    name: str
    start: int
    size: int
    crc: int


@dataclass(frozen=True)
class _Listed:
    """An entry as the directory lists it."""

    name: bytes
    flags: int
    crc: int
    size: int
    offset: int


def read_directory(source: BinaryIO) -> dict[str, Entry]:
    """All entries by name, in the order in which they lie in the file.

    Raises:
        ArchiveError: the archive is damaged, ambiguous, compressed, encrypted or beyond the limits.
    """
    size = source.seek(0, 2)
    count, start, length = _find_directory(source, size)
    listed = sorted(_read_listed(_read_at(source, start, length), count), key=lambda item: item.offset)
    entries: dict[str, Entry] = {}
    position = 0
    for item in listed:
        entry, end = _locate(source, item, position)
        if end > start:
            raise ArchiveError(f"{entry.name} reaches into the archive's directory; the file is damaged.")
        position = end
        if item.name.endswith(b"/"):
            continue
        if entry.name in entries:
            raise ArchiveError(f"{entry.name} stands in the archive twice; use the file as it was exported.")
        entries[entry.name] = entry
    if start - position > _MAX_DESCRIPTOR_BYTES:
        raise ArchiveError("Bytes lie hidden between the entries; use the file as it was exported.")
    return entries


def read_blocks(source: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The entry's bytes in blocks of at most 1 MiB."""
    source.seek(entry.start)
    left = entry.size
    while left:
        block = source.read(min(left, BLOCK_BYTES))
        if not block:
            raise ArchiveError(f"The file ends inside {entry.name}; copy it anew.")
        left -= len(block)
        yield block


def _find_directory(source: BinaryIO, size: int) -> tuple[int, int, int]:
    """Number of entries, offset and length of the directory, which must end where the end record begins."""
    if size < _END.size:
        raise ArchiveError("The file is too short to be an evidence package; copy it anew.")
    end_at = size - _END.size
    magic, disk, start_disk, here, count, length, start, comment = _END.unpack(_read_at(source, end_at, _END.size))
    if magic != b"PK\x05\x06" or comment:
        raise ArchiveError("The file is no evidence package, or its end is cut off; copy it anew.")
    if _FULL16 in (here, count) or _FULL32 in (length, start):
        end_at, count, length, start = _find_directory64(source, end_at)
    elif disk or start_disk or here != count:
        raise ArchiveError("An archive in several parts is no evidence package; join the parts first.")
    if count > MAX_ENTRIES or length > MAX_DIRECTORY_BYTES:
        raise ArchiveError("The archive lists more entries than any evidence package has.")
    if start + length != end_at:
        raise ArchiveError("The archive's directory is not where its end says; the file is damaged or was edited.")
    return count, start, length


def _find_directory64(source: BinaryIO, end_at: int) -> tuple[int, int, int, int]:
    locator_at = end_at - _LOCATOR64.size
    if locator_at < _END64.size:
        raise ArchiveError("The archive's end is damaged; copy the file anew.")
    magic, _, record_at, _ = _LOCATOR64.unpack(_read_at(source, locator_at, _LOCATOR64.size))
    if magic != b"PK\x06\x07" or record_at != locator_at - _END64.size:
        raise ArchiveError("The archive's end is damaged; copy the file anew.")
    fields = _END64.unpack(_read_at(source, record_at, _END64.size))
    if fields[0] != b"PK\x06\x06" or fields[1] != _END64.size - 12 or fields[6] != fields[7]:
        raise ArchiveError("The archive's end is damaged; copy the file anew.")
    return record_at, fields[7], fields[8], fields[9]


def _read_listed(directory: bytes, count: int) -> Iterator[_Listed]:
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(directory):
            raise ArchiveError("The archive's directory is cut short; copy the file anew.")
        fields = _CENTRAL.unpack_from(directory, at)
        magic, flags, method, crc, packed, size = fields[0], fields[3], fields[4], *fields[7:10]
        name_size, extra_size, comment_size, offset = *fields[10:13], fields[16]
        at += _CENTRAL.size
        name = directory[at : at + name_size]
        extra = directory[at + name_size : at + name_size + extra_size]
        at += name_size + extra_size + comment_size
        if magic != b"PK\x01\x02" or at > len(directory):
            raise ArchiveError("The archive's directory is damaged; copy the file anew.")
        if not (_SAFE_NAME.fullmatch(name) or (_FOLDER_NAME.fullmatch(name) and size == 0)):
            raise ArchiveError(f"The archive holds the name {name[:80]!r}, which no evidence package has.")
        if method != 0 or packed != size or flags & _ENCRYPTED or size == _FULL32:
            raise ArchiveError(
                f"{name.decode()} is compressed, encrypted or too large; use the file as it was exported."
            )
        if offset == _FULL32:
            offset = _read_long_offset(extra)
        yield _Listed(name, flags, crc, size, offset)
    if at != len(directory):
        raise ArchiveError("The archive's directory has bytes to spare; the file is damaged or was edited.")


def _read_long_offset(extra: bytes) -> int:
    """The offset from the zip64 field, which holds nothing else here: sizes always fit 32 bits."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<2H", extra)
        if kind == 1 and size >= 8 and len(extra) >= 12:
            return int(struct.unpack_from("<Q", extra, 4)[0])
        extra = extra[4 + size :]
    raise ArchiveError("The archive's directory is damaged; copy the file anew.")


def _locate(source: BinaryIO, item: _Listed, position: int) -> tuple[Entry, int]:
    """The entry's span and where it ends, after its own header was found to say what the directory says."""
    name = item.name.decode()
    if not 0 <= item.offset - position <= (_MAX_DESCRIPTOR_BYTES if position else 0):
        raise ArchiveError(f"{name} overlaps another entry or follows hidden bytes; use the file as it was exported.")
    header = _read_at(source, item.offset, _LOCAL.size)
    magic, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(header)
    deferred = bool(flags & _HAS_DESCRIPTOR) and (crc, packed, size) == (0, 0, 0)
    same = (flags, method, crc, packed, size) == (item.flags, 0, item.crc, item.size, item.size)
    if magic != b"PK\x03\x04" or not (same or (deferred and flags == item.flags and method == 0)):
        raise ArchiveError(f"The header of {name} contradicts the archive's directory; the file was edited.")
    start = item.offset + _LOCAL.size
    if _read_at(source, start, name_size) != item.name:
        raise ArchiveError(f"The header of {name} carries another name; the file was edited.")
    start += name_size + extra_size
    return Entry(name, start, item.size, item.crc), start + item.size


def _read_at(source: BinaryIO, offset: int, size: int) -> bytes:
    source.seek(offset)
    data = source.read(size)
    if len(data) != size:
        raise ArchiveError("The file is cut short; copy it anew.")
    return data
