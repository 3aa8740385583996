"""The walk along a chain: each record with its segment, the end against the centre's word, and what else there is.

Pure; `contract.judgement` walks a kit's recording with it, `contract.session_judgement` a session's record.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import cbor2

from contract import chain, package
from contract.chain import ChainError, Kind, Record
from contract.findings import BrokenError, Finding
from contract.manifest import build_manifest
from contract.package import Contents
from contract.receipts import HeadStatement
from contract.signing import BadSignatureError, CodecError, Signed


@dataclass(frozen=True)
class Signatory:
    """By whose key and under which domain a chain is signed, and how far the centre says it holds it."""

    key: chain.Key
    head: HeadStatement
    domain: bytes = chain.DOMAIN


def read_chain(data: bytes) -> list[Signed]:
    """The records of a chain's file; raise BrokenError naming the first that cannot be read."""
    try:
        return package.unpack_chain(data)
    except CodecError as error:
        seq = _find_unreadable(data)
        code = "chain_unreadable" if seq is None else "record_unreadable"
        raise BrokenError(Finding("flipped", "chain", code, seq=seq)) from error


def _find_unreadable(data: bytes) -> int | None:
    """The number of the first record that cannot be read; None when each can, and only the array around them not."""
    width = {24: 1, 25: 2, 26: 4}.get(data[0] & 31, 0) if data else 0
    stream = io.BytesIO(data[1 + width :])
    decoder = cbor2.CBORDecoder(stream)
    seq = 0
    while seq == 0 or stream.tell() < len(stream.getvalue()):
        try:
            item = decoder.decode()
        except (cbor2.CBORError, ValueError, OverflowError, RecursionError, MemoryError):
            return seq
        if not (isinstance(item, list) and len(item) == 2 and all(isinstance(part, bytes) for part in item)):
            return seq
        seq += 1
    return None


def walk(
    signed: Sequence[Signed], contents: Contents, *, signatory: Signatory, absent: frozenset[int] = frozenset()
) -> list[Record]:
    """Check record by record, each with its segment and disclosure; give the records.

    `absent`: numbers of segments that need not be there. Raises BrokenError.
    """
    key, head = signatory.key, signatory.head
    state = chain.begin(head.recording_id, signatory.domain)
    records: list[Record] = []
    for seq, item in enumerate(signed):
        try:
            record, state = chain.check_record(item, key, state)
        except ChainError as error:
            raise BrokenError(_explain(signed, seq, key, closed=state.closed, head=head)) from error
        records.append(record)
        if record.seq not in absent or record.seq in contents.segments:
            _check_segment(record, contents, signed)
        _check_disclosure(record, contents)
    return records


def _explain(signed: Sequence[Signed], seq: int, key: chain.Key, *, closed: bool, head: HeadStatement) -> Finding:
    """Say how the record at place `seq` came to be wrong, from what the other places hold."""
    here = find_record(signed, key, seq)
    later = {found.seq for at in range(seq + 1, len(signed)) if (found := find_record(signed, key, at))}
    if here is None:
        code, what = ("forged_record", "added") if seq in later else ("record_altered", "flipped")
        return Finding(what, "chain", code, seq=seq)
    if closed:
        return Finding("added", "chain", "after_end", seq=seq)
    if here.recording_id != head.recording_id:
        return Finding("added" if seq in later else "swapped", "chain", "other_recording", seq=seq)
    return _explain_number(here.seq, seq, later)


def _explain_number(found: int, seq: int, later: set[int]) -> Finding:
    """A genuine record of this recording stands where another should."""
    if found > seq and seq in later:
        return Finding("swapped", "chain", "records_swapped", seq=seq, other=found)
    if found > seq:
        return Finding("dropped", "chain", "record_dropped", seq=seq, other=found)
    if found < seq:
        return Finding("added", "chain", "record_repeated", seq=seq, other=found)
    return Finding("swapped", "chain", "other_branch", seq=seq)


def find_record(signed: Sequence[Signed], key: chain.Key, at: int) -> Record | None:
    """The record at this place when its signatory signed it, whatever it continues."""
    try:
        chain.check_signature(signed[at], key)
        return chain.decode(signed[at].body)
    except (BadSignatureError, CodecError):
        return None


def _check_segment(record: Record, contents: Contents, signed: Sequence[Signed]) -> None:
    seq, found = record.seq, contents.segments.get(record.seq)
    if record.kind is not Kind.SEGMENT:
        if found is not None:
            raise BrokenError(Finding("added", "segment", "segment_without_record", seq=seq))
        return
    if found is None:
        raise BrokenError(Finding("dropped", "segment", "segment_missing", seq=seq))
    if (found.sha256, found.size) == (record.cipher_hash, record.length):
        return
    other = _find_owner(found.sha256, signed)
    if other is not None:
        raise BrokenError(Finding("swapped", "segment", "segments_swapped", seq=seq, other=other))
    if found.size < record.length:
        raise BrokenError(Finding("cut", "segment", "segment_cut", seq=seq, other=record.length - found.size))
    if found.size > record.length:
        raise BrokenError(Finding("added", "segment", "segment_longer", seq=seq, other=found.size - record.length))
    raise BrokenError(Finding("flipped", "segment", "segment_altered", seq=seq))


def _find_owner(digest: bytes, signed: Sequence[Signed]) -> int | None:
    """The number of the record that names this ciphertext."""
    for item in signed:
        with suppress(CodecError):
            record = chain.decode(item.body)
            if record.cipher_hash == digest:
                return record.seq
    return None


def _check_disclosure(record: Record, contents: Contents) -> None:
    if record.seq not in contents.disclosed:
        return
    if record.kind is not Kind.SEGMENT:
        raise BrokenError(Finding("added", "disclosure", "disclosure_without_record", seq=record.seq))
    digest = contents.disclosed[record.seq]
    if digest is None:
        raise BrokenError(Finding("dropped", "disclosure", "disclosure_incomplete", seq=record.seq))
    if digest != record.clear_hash:
        raise BrokenError(Finding("flipped", "disclosure", "disclosure_altered", seq=record.seq))


def check_end(signed: Sequence[Signed], records: Sequence[Record], head: HeadStatement) -> None:
    """The chain must end exactly where the centre says it holds it."""
    count = len(records)
    if count < head.count:
        raise BrokenError(Finding("cut", "chain", "tail_cut", seq=count, other=head.count))
    if count > head.count:
        raise BrokenError(Finding("added", "chain", "beyond_head", seq=head.count, other=head.count))
    if chain.link_hash(signed[-1]) != head.head or head.closed != (records[-1].kind is Kind.FINAL):
        raise BrokenError(Finding("swapped", "head", "other_head", seq=count - 1))


def check_rest(contents: Contents, records: Sequence[Record], *, foreign: Sequence[str] = ()) -> None:
    """What the package holds beyond the chain: segments of no record, unknown files, the manifest's words."""
    count = len(records)
    stray = sorted(seq for seq in contents.segments if seq >= count)
    if stray:
        raise BrokenError(Finding("added", "segment", "segment_without_record", seq=stray[0]))
    stray = sorted(seq for seq in contents.disclosed if seq >= count)
    if stray:
        raise BrokenError(Finding("added", "disclosure", "disclosure_without_record", seq=stray[0]))
    unknown = [*contents.foreign, *(name for name in foreign if name in contents.files)]
    if unknown:
        raise BrokenError(Finding("added", "file", "file_added", name=unknown[0]))
    if not _manifest_agrees(contents.files[package.MANIFEST], records):
        raise BrokenError(Finding("altered", "manifest", "manifest_disagrees", name=package.MANIFEST))


def _manifest_agrees(data: bytes, records: Sequence[Record]) -> bool:
    try:
        manifest = json.loads(data)
        notes = manifest["notes"]
        plain = all(isinstance(key, str) and isinstance(value, str) for key, value in notes.items())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return plain and bool(manifest == build_manifest(records, notes))
