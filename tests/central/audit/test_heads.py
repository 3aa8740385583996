"""Signed heads: what a chain with all its hashes forged is held against."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.audit import heads, queries, rules
from central.audit import service as audit
from central.audit.heads import HeadStatement
from contract.signing import BadSignatureError, CodecError, Signed, dumps, sign_ed25519
from tests.central.audit.tampering import append, rewrite_from, tamper

pytestmark = pytest.mark.both_databases


@pytest.fixture
def key():
    return Ed25519PrivateKey.generate()


def sign(store, key):
    with store.write() as uow:
        return audit.write_head(uow, key)


def grow(store, key, *counts):
    """Append so many rows, sign a head; again and again."""
    for count in counts:
        append(store, count)
        assert sign(store, key) is not None


def check(store, key, **arguments):
    with store.read() as session:
        return queries.check_chain(session, [key.public_key()], **arguments)


def findings(store, key, **arguments):
    return [(found.kind, found.first, found.last) for found in check(store, key, **arguments).findings]


def test_heads_are_signed_as_the_chain_grows_and_agree_with_it(store, key):
    assert sign(store, key) is None
    grow(store, key, 3, 2)
    assert sign(store, key) is None
    append(store, 1)
    report = check(store, key)
    assert (report.findings, report.rows, report.heads, report.signed_seq, report.is_signed) == ((), 6, 2, 5, True)
    with store.read() as session:
        head = queries.find_last_head(session)
        assert (head.seq, head.key_id) == (5, heads.key_id(key.public_key()))


def test_a_rewritten_chain_is_located_between_two_heads(store, key):
    grow(store, key, 3, 3, 3, 3)
    rewrite_from(store, 5, actor="user:mallory")
    with store.read() as session:
        assert queries.verify_chain(session)[0] == 12  # by itself it holds
    assert findings(store, key) == [("rewritten", 4, 6)]
    assert findings(store, key, since=5) == [("rewritten", 5, 6)]


def test_a_rewritten_beginning_is_located(store, key):
    grow(store, key, 3, 3)
    rewrite_from(store, 1, actor="user:mallory")
    assert findings(store, key) == [("rewritten", 1, 3)]


def test_a_chain_that_its_last_head_contradicts_is_not_signed_again(store, key):
    grow(store, key, 3, 3)
    append(store, 1)
    rewrite_from(store, 6, actor="user:mallory")
    with pytest.raises(rules.AuditBrokenError, match="Audit row 6 is no longer what its signed head says"):
        sign(store, key)
    tamper(store, "DELETE FROM audit_entry WHERE seq > 4")
    with pytest.raises(rules.AuditBrokenError):
        sign(store, key)


def test_a_cut_end_shows_against_the_newest_head(store, key):
    grow(store, key, 3, 3)
    tamper(store, "DELETE FROM audit_entry WHERE seq > 4")
    assert findings(store, key) == [("cut", 5, 6)]


def test_a_chain_emptied_whole_shows(store, key):
    grow(store, key, 3)
    tamper(store, "DELETE FROM audit_entry")
    assert findings(store, key) == [("cut", 1, 3)]


def test_an_end_cut_with_its_heads_shows_against_the_witness(store, key, tmp_path):
    grow(store, key, 3, 3)
    with store.read() as session:
        heads.append_witness(tmp_path / "witness", queries.list_heads(session))
    tamper(store, "DELETE FROM audit_entry WHERE seq > 3", "DELETE FROM audit_head WHERE seq > 3")
    assert findings(store, key) == []
    witness = heads.read_witness(tmp_path / "witness")
    assert findings(store, key, witness=witness) == [("cut", 4, 6)]
    append(store, 3, actor="user:mallory")
    assert findings(store, key, witness=witness) == [("rewritten", 4, 6)]


def test_a_head_taken_out_is_missed_by_the_next(store, key):
    grow(store, key, 2, 2, 2)
    tamper(store, "DELETE FROM audit_head WHERE seq = 4")
    assert findings(store, key) == [("head_missing", 4, 4)]


def test_a_head_signed_by_another_key_vouches_for_nothing(store, key):
    grow(store, key, 2)
    append(store, 2)
    sign(store, Ed25519PrivateKey.generate())
    assert findings(store, key) == [("head_forged", 4, 4)]
    assert check(store, key).signed_seq == 2


@pytest.mark.parametrize("column", ["body", "sig"])
def test_an_edited_head_is_found(store, key, column):
    grow(store, key, 2)
    with store.read() as session:
        value = bytearray(getattr(queries.find_last_head(session), column))
    value[-1] ^= 1
    tamper(store, f"UPDATE audit_head SET {column} = :value", value=bytes(value))
    assert [kind for kind, *_rows in findings(store, key)] == ["head_forged"]


def test_without_a_key_heads_are_not_looked_at_and_the_report_says_so(store, key):
    grow(store, key, 2)
    with store.read() as session:
        report = queries.check_chain(session, [])
    assert (report.findings, report.heads, report.is_signed) == ((), 0, False)


class TestStatement:
    def test_is_signed_under_a_domain_of_its_own(self, key):
        statement = HeadStatement(seq=1, hash=bytes(32), at_ms=5, prev_seq=0)
        signed = heads.sign_head(key, statement)
        assert heads.open_head([Ed25519PrivateKey.generate().public_key(), key.public_key()], signed) == statement
        foreign = Signed(signed.body, sign_ed25519(key, b"zhixing/head/v1", signed.body))
        with pytest.raises(BadSignatureError):
            heads.open_head([key.public_key()], foreign)

    @pytest.mark.parametrize(
        "body",
        [
            dumps({"v": 2, "seq": 1, "hash": b"", "at_ms": 1, "prev_seq": 0}),
            dumps({"v": 1, "seq": "1", "hash": b"", "at_ms": 1, "prev_seq": 0}),
            dumps({"v": 1, "seq": 1}),
            dumps([]),
            b"\xff",
        ],
    )
    def test_another_shape_is_refused_though_signed(self, key, body):
        signed = Signed(body, sign_ed25519(key, heads.HEAD_DOMAIN, body))
        with pytest.raises(CodecError):
            heads.open_head([key.public_key()], signed)
        assert heads.claimed_seq(signed) == 0


class TestWitnessFile:
    def signed(self, key, *numbers):
        return [heads.sign_head(key, HeadStatement(seq=n, hash=bytes(32), at_ms=n, prev_seq=0)) for n in numbers]

    def test_is_appended_to_and_read_again(self, key, tmp_path):
        path = tmp_path / "medium" / "witness"
        assert heads.last_witnessed(path) == 0
        heads.append_witness(path, self.signed(key, 3))
        heads.append_witness(path, self.signed(key, 5, 9))
        assert heads.read_witness(path) == self.signed(key, 3, 5, 9)
        assert heads.last_witnessed(path) == 9
        assert path.stat().st_mode & 0o077 == 0

    def test_a_line_cut_by_a_power_failure_is_left_out(self, key, tmp_path):
        path = tmp_path / "witness"
        heads.append_witness(path, self.signed(key, 3, 5))
        path.write_bytes(path.read_bytes()[:-30])
        assert heads.last_witnessed(path) == 3
        heads.append_witness(path, self.signed(key, 5))
        assert heads.read_witness(path) == self.signed(key, 3, 5)

    def test_a_whole_line_that_is_no_head_is_named(self, key, tmp_path):
        path = tmp_path / "witness"
        heads.append_witness(path, self.signed(key, 3))
        path.write_bytes(b'{"seq": 1}\n' + path.read_bytes())
        with pytest.raises(rules.WitnessError, match="Line 1 of the witness file"):
            heads.read_witness(path)

    def test_a_file_that_cannot_be_used_is_named(self, key, tmp_path):
        with pytest.raises(rules.WitnessError, match="cannot be read"):
            heads.read_witness(tmp_path / "none")
        with pytest.raises(rules.WitnessError, match="cannot be read"):
            heads.last_witnessed(tmp_path)
        with pytest.raises(rules.WitnessError, match="cannot be written"):
            heads.append_witness(tmp_path, self.signed(key, 3))
