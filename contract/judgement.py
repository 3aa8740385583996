"""The judgement over an evidence package: pure, no key, no network, no clock, no file.

Everything is checked in one order, and the first thing wrong is named: who signed (certificates, the centre's
keys), then each record and its segment by number, then the end of the chain against the centre's statement, then
what else lies in the package.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from contract import package
from contract.absences import verify_absences
from contract.chain import Record
from contract.continuity import state_continuity
from contract.findings import BrokenError, Finding, Judgement, Verdict
from contract.package import Contents
from contract.receipts import HeadStatement, verify_head
from contract.session_judgement import is_session, judge_session
from contract.signers import (
    Anchor,
    Certificates,
    check_issuers,
    check_validity,
    read_certificates,
    read_kit_id,
    read_receipt_keys,
)
from contract.signing import BadSignatureError, CodecError, Signed
from contract.walking import Signatory, check_end, check_rest, find_record, read_chain, walk

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
    if is_session(contents):
        return judge_session(contents, anchor)
    try:
        return _judge(contents, anchor)
    except BrokenError as error:
        return Judgement(verdict=Verdict.BROKEN, finding=error.finding)


def _judge(contents: Contents, anchor: Anchor | None) -> Judgement:
    _check_files(contents)
    signed = read_chain(contents.files[package.CHAIN])
    signers = _check_signers(contents, signed, anchor)
    try:
        key, head = signers.certificates.key, signers.head
        records = walk(signed, contents, signatory=Signatory(key, head), absent=signers.absent)
        _check_kit(records[0], signers.kit_id)
        check_end(signed, records, signers.head)
        check_rest(contents, records, foreign=(package.SESSION_CHAIN, package.ROOT))
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
    first = find_record(signed, certificates.key, 0)
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


def _check_kit(opening: Record, kit_id: str) -> None:
    if opening.extra.get("kit") != kit_id:
        raise BrokenError(Finding("foreign", "certificates", "other_kit", seq=0, name=str(opening.extra.get("kit"))))
