"""The judgement over an evidence package: pure, no key, no network, no clock, no file.

Everything is checked in one order, and the first thing wrong is named: who signed (certificates, the centre's
keys), then each record and its segment by number, then the end of the chain against the centre's statement, then
what else lies in the package.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from contract import chain, package
from contract.absences import verify_absences
from contract.chain import ChainError, Kind, Record
from contract.continuity import state_continuity
from contract.findings import BrokenError, Finding, Judgement, Verdict
from contract.package import Contents
from contract.receipts import HeadStatement, verify_head
from contract.signers import (
    Anchor,
    Certificates,
    check_issuers,
    check_validity,
    read_certificates,
    read_kit_id,
    read_receipt_keys,
)
from contract.signing import BadSignatureError, CodecError, Signed, verify_p256

CLOCK_REMARK: Final = "kit_clock_off"
ROOT_REMARK: Final = "no_root"


@dataclass(frozen=True)
class _Signers:
    """What is established before the chain is read."""

    certificates: Certificates
    kit_id: str
    head: HeadStatement
    absent: frozenset[int]
    remarks: tuple[str, ...]


def judge(contents: Contents, anchor: Anchor | None) -> Judgement:
    """Judge a package against the anchor, or without one ("intact, signer unproven" at best).

    Raises:
        signers.AnchorError: the anchor cannot be used with this package.
    """
    try:
        return _judge(contents, anchor)
    except BrokenError as error:
        return Judgement(verdict=Verdict.BROKEN, finding=error.finding)


def _judge(contents: Contents, anchor: Anchor | None) -> Judgement:
    _check_files(contents)
    signed = _read_chain(contents.files[package.CHAIN])
    signers = _check_signers(contents, signed, anchor)
    try:
        records = _walk(signed, signers, contents)
        _check_kit(records[0], signers.kit_id)
        _check_end(signed, records, signers.head)
        _check_rest(contents, records)
    except BrokenError as error:
        return Judgement(
            verdict=Verdict.BROKEN,
            finding=error.finding,
            recording_id=signers.head.recording_id.hex(),
            kit_id=signers.kit_id,
            centre=signers.head.centre,
        )
    root = signers.certificates.root
    return Judgement(
        verdict=Verdict.GENUINE if anchor is not None else Verdict.UNPROVEN,
        recording_id=signers.head.recording_id.hex(),
        kit_id=signers.kit_id,
        centre=signers.head.centre,
        root_fingerprint=None if root is None else root.fingerprint(SHA256()).hex(),
        record_count=len(records),
        segment_count=len(contents.segments),
        disclosed=tuple(sorted(contents.disclosed)),
        absent=tuple(sorted(signers.absent - contents.segments.keys())),
        continuity=state_continuity(records),
        remarks=signers.remarks,
        notes=json.loads(contents.files[package.MANIFEST])["notes"],
    )


def _check_files(contents: Contents) -> None:
    needed = (package.CHAIN, package.CERTIFICATES, package.HEAD, package.TRUST, package.MANIFEST)
    for name in needed:
        if name not in contents.files:
            raise BrokenError(Finding("dropped", "file", "file_missing", name=name))
    for name in contents.damaged:
        # A damaged chain is read on: its first damaged record will be named.
        if name != package.CHAIN:
            raise BrokenError(Finding("flipped", "file", "file_damaged", name=name))


def _read_chain(data: bytes) -> list[Signed]:
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


def _check_signers(contents: Contents, signed: Sequence[Signed], anchor: Anchor | None) -> _Signers:
    certificates = read_certificates(contents.files[package.CERTIFICATES], anchor)
    check_issuers(certificates, anchored=anchor is not None)
    keys = read_receipt_keys(contents.files[package.TRUST], certificates.root)
    try:
        head = verify_head(keys, contents.files[package.HEAD])
    except BadSignatureError as error:
        raise BrokenError(Finding("foreign", "head", "head_foreign")) from error
    except CodecError as error:
        raise BrokenError(Finding("altered", "head", "head_unreadable")) from error
    first = _find_record(signed, certificates.key, 0)
    # The kit's clock may be wrong by years; then the centre's signed time must do, and the verdict says so.
    moments_ms = [] if first is None else [first.started_ms]
    in_time = check_validity(certificates, [*moments_ms, head.stated_ms])
    remarks = () if in_time else (CLOCK_REMARK,)
    if certificates.root is None:
        remarks = (*remarks, ROOT_REMARK)
    absent = _read_absent(contents, keys, head)
    return _Signers(certificates, read_kit_id(certificates), head, absent, remarks)


def _read_absent(contents: Contents, keys: list[Ed25519PublicKey], head: HeadStatement) -> frozenset[int]:
    """The numbers of the segments that the centre says it never received of this very chain."""
    if package.ABSENT not in contents.files:
        return frozenset()
    try:
        statement = verify_absences(keys, contents.files[package.ABSENT])
    except BadSignatureError as error:
        raise BrokenError(Finding("foreign", "absences", "absences_foreign")) from error
    except CodecError as error:
        raise BrokenError(Finding("altered", "absences", "absences_unreadable")) from error
    if (statement.recording_id, statement.head) != (head.recording_id, head.head):
        raise BrokenError(Finding("foreign", "absences", "absences_of_another"))
    return frozenset(statement.absent)


def _walk(signed: Sequence[Signed], signers: _Signers, contents: Contents) -> list[Record]:
    """Check record by record, each with its segment and disclosure; give the records."""
    key, head = signers.certificates.key, signers.head
    state = chain.begin(head.recording_id)
    records: list[Record] = []
    for seq, item in enumerate(signed):
        try:
            record, state = chain.check_record(item, key, state)
        except ChainError as error:
            raise BrokenError(_explain(signed, seq, key, closed=state.closed, head=head)) from error
        records.append(record)
        if record.seq not in signers.absent or record.seq in contents.segments:
            _check_segment(record, contents, signed)
        _check_disclosure(record, contents)
    return records


def _explain(
    signed: Sequence[Signed], seq: int, key: EllipticCurvePublicKey, *, closed: bool, head: HeadStatement
) -> Finding:
    """Say how the record at place `seq` came to be wrong, from what the other places hold."""
    here = _find_record(signed, key, seq)
    later = {found.seq for at in range(seq + 1, len(signed)) if (found := _find_record(signed, key, at))}
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


def _find_record(signed: Sequence[Signed], key: EllipticCurvePublicKey, at: int) -> Record | None:
    """The record at this place when the kit signed it, whatever it continues."""
    try:
        verify_p256(key, chain.DOMAIN, signed[at].body, signed[at].sig)
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


def _check_kit(opening: Record, kit_id: str) -> None:
    if opening.extra["kit"] != kit_id:
        raise BrokenError(Finding("foreign", "certificates", "other_kit", seq=0, name=opening.extra["kit"]))


def _check_end(signed: Sequence[Signed], records: Sequence[Record], head: HeadStatement) -> None:
    """The chain must end exactly where the centre says it holds it."""
    count = len(records)
    if count < head.count:
        raise BrokenError(Finding("cut", "chain", "tail_cut", seq=count, other=head.count))
    if count > head.count:
        raise BrokenError(Finding("added", "chain", "beyond_head", seq=head.count, other=head.count))
    if chain.link_hash(signed[-1]) != head.head or head.closed != (records[-1].kind is Kind.FINAL):
        raise BrokenError(Finding("swapped", "head", "other_head", seq=count - 1))


def _check_rest(contents: Contents, records: Sequence[Record]) -> None:
    """What the package holds beyond the chain: segments of no record, unknown files, the manifest's words."""
    count = len(records)
    stray = sorted(seq for seq in contents.segments if seq >= count)
    if stray:
        raise BrokenError(Finding("added", "segment", "segment_without_record", seq=stray[0]))
    stray = sorted(seq for seq in contents.disclosed if seq >= count)
    if stray:
        raise BrokenError(Finding("added", "disclosure", "disclosure_without_record", seq=stray[0]))
    if contents.foreign:
        raise BrokenError(Finding("added", "file", "file_added", name=contents.foreign[0]))
    if not _manifest_agrees(contents.files[package.MANIFEST], records):
        raise BrokenError(Finding("altered", "manifest", "manifest_disagrees", name=package.MANIFEST))


def _manifest_agrees(data: bytes, records: Sequence[Record]) -> bool:
    try:
        manifest = json.loads(data)
        notes = manifest["notes"]
        plain = all(isinstance(key, str) and isinstance(value, str) for key, value in notes.items())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return plain and bool(manifest == package.build_manifest(records, notes))
