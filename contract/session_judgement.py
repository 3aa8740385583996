"""The judgement over an exported session's record: pure, no key, no network, no clock, no file.

The authority's root signs the trust list, the trust list names the centre's receipt keys, these sign every record
and the statement of the chain's end. The first thing wrong is named, as of a kit's recording.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from contract import package
from contract.continuity import state_continuity
from contract.findings import BrokenError, Finding, Judgement, Verdict
from contract.package import Contents
from contract.receipts import HeadStatement, verify_head
from contract.session_record import DOMAIN, CentreKeys
from contract.signers import Anchor, AnchorError, load_anchor, read_receipt_keys
from contract.signing import BadSignatureError, CodecError
from contract.walking import Signatory, check_end, check_rest, read_chain, walk

_OWN: Final = (package.SESSION_CHAIN, package.ROOT)
_OTHERS: Final = (package.CHAIN, package.CERTIFICATES, package.ABSENT)
# What the centre signed in a session's record is called so; a kit signed nothing of it.
_WORDS: Final = {
    "record_altered": "session_record_altered",
    "forged_record": "session_forged_record",
    "disclosure_altered": "session_disclosure_altered",
}


@dataclass(frozen=True)
class _Centre:
    """What is established before the chain is read."""

    root: x509.Certificate
    keys: CentreKeys
    head: HeadStatement


def is_session(contents: Contents) -> bool:
    """Tell whether a package is of a session rather than of a recording, by the files that only one of them has."""
    own, others = (sum(name in contents.files for name in names) for names in (_OWN, _OTHERS))
    return own > others


def judge_session(contents: Contents, anchor: Anchor | None) -> Judgement:
    """Judge the package of a session against the anchor, or without one ("intact, signer unproven" at best)."""
    try:
        return _judge(contents, anchor)
    except BrokenError as error:
        return Judgement(verdict=Verdict.BROKEN, finding=_reword(error.finding))


def _judge(contents: Contents, anchor: Anchor | None) -> Judgement:
    _check_files(contents)
    signed = read_chain(contents.files[package.SESSION_CHAIN])
    centre = _check_centre(contents, anchor)
    signatory = Signatory(centre.keys, centre.head, DOMAIN)
    session = centre.head.recording_id.hex()
    told = Judgement(
        verdict=Verdict.GENUINE if anchor is not None else Verdict.UNPROVEN,
        recording_id=session,
        session=session,
        centre=centre.head.centre,
    )
    try:
        records = walk(signed, contents, signatory=signatory)
        if records[0].extra.get("session") != session:
            raise BrokenError(Finding("foreign", "chain", "session_other", seq=0))
        check_end(signed, records, centre.head)
        check_rest(contents, records, foreign=_OTHERS)
    except BrokenError as error:
        return replace(told, verdict=Verdict.BROKEN, finding=_reword(error.finding))
    return replace(
        told,
        root_fingerprint=centre.root.fingerprint(SHA256()).hex(),
        record_count=len(records),
        segment_count=len(contents.segments),
        disclosed=tuple(sorted(contents.disclosed)),
        continuity=state_continuity(records, with_holes=False),
        notes=json.loads(contents.files[package.MANIFEST])["notes"],
    )


def _check_files(contents: Contents) -> None:
    for name in (package.SESSION_CHAIN, package.ROOT, package.HEAD, package.TRUST, package.MANIFEST):
        if name not in contents.files:
            raise BrokenError(Finding("dropped", "file", "file_missing", name=name))
    for name in contents.damaged:
        # A damaged chain is read on: its first damaged record will be named.
        if name != package.SESSION_CHAIN:
            raise BrokenError(Finding("flipped", "file", "file_damaged", name=name))


def _check_centre(contents: Contents, anchor: Anchor | None) -> _Centre:
    root = _check_root(contents.files[package.ROOT], anchor)
    keys = read_receipt_keys(contents.files[package.TRUST], root)
    try:
        head = verify_head(keys, contents.files[package.HEAD])
    except BadSignatureError as error:
        raise BrokenError(Finding("foreign", "head", "head_foreign")) from error
    except CodecError as error:
        raise BrokenError(Finding("altered", "head", "head_unreadable")) from error
    return _Centre(root, CentreKeys(keys), head)


def _check_root(pem: bytes, anchor: Anchor | None) -> x509.Certificate:
    try:
        travelled = load_anchor(pem)
    except AnchorError as error:
        raise BrokenError(Finding("altered", "certificates", "certificates_unreadable")) from error
    if travelled.certificate is None or (anchor is not None and travelled.fingerprint != anchor.fingerprint):
        raise BrokenError(Finding("foreign", "certificates", "foreign_signer"))
    return travelled.certificate


def _reword(finding: Finding) -> Finding:
    return replace(finding, code=_WORDS.get(finding.code, finding.code))
