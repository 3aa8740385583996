"""The golden packages of tests/vectors: what they were found to be once, they must be for ever."""

import hashlib
import json
from pathlib import Path

import pytest

from contract import chain, envelope, package, segment, verify
from contract.findings import Verdict
from contract.signers import load_anchor
from tests.contract.package_case import read_files

VECTORS = Path(__file__).parent.parent / "vectors"
V1 = VECTORS / "v1"
EXPECTED: dict[str, list[object]] = json.loads((V1 / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_verdict_of_a_golden_package(name: str) -> None:
    anchor = load_anchor((V1 / "root.crt").read_bytes())
    judgement = verify.verify_package(V1 / f"{name}.zip", anchor)
    finding = judgement.finding
    found = [finding.what, finding.where, finding.seq] if finding else [None, None, None]
    assert [judgement.verdict.value, *found] == EXPECTED[name]
    unanchored = verify.verify_package(V1 / f"{name}.zip", None)
    assert unanchored.verdict is not Verdict.GENUINE


def test_every_golden_file_is_as_it_was() -> None:
    digests = dict(line.split("  ")[::-1] for line in (V1 / "SHA256SUMS").read_text().splitlines())
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in V1.iterdir()}
    found.pop("SHA256SUMS")
    assert found == digests


def test_golden_segments_open_and_match_their_records() -> None:
    (identity,) = envelope.identities_from_file_text((V1 / "centre.identity").read_text())
    files = read_files(V1 / "genuine.zip")
    records = [chain.decode(signed.body) for signed in package.unpack_chain(files[package.CHAIN])]
    segments = [record for record in records if record.kind is chain.Kind.SEGMENT]
    assert len(segments) == 8
    for record in segments:
        clear = envelope.open_bytes(files[f"segments/{record.seq:06d}.age"], [identity])
        header, fmp4 = segment.split_plaintext(clear)
        assert (header.seq, header.recording_id) == (record.seq, record.recording_id)
        assert chain.clear_hash(header.salt, fmp4) == record.clear_hash
