"""Heads while the centre runs: when they are due, and the witness that follows."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from central.audit import heads, queries
from central.audit.rules import WitnessError
from central.base.handover import TrustListError, list_receipt_keys
from central.base.receipt_key import ReceiptKeyMissingError
from central.base.settings import Settings
from central.flows import audit_heads, upkeep
from contract.trust import TrustList, sign_trust_list
from tests.central.audit.tampering import append, rewrite_from, tamper
from tests.central.sync.pki import Pki

PKI = Pki()


@pytest.fixture
def settings(tmp_path):
    PKI.write_centre_keys(tmp_path / "keys")
    return Settings(
        data_dir=str(tmp_path / "data"),
        keys_dir=str(tmp_path / "keys"),
        handover_dir=str(tmp_path / "handover"),
        audit_head_every_s=60,
        audit_witness_file=str(tmp_path / "medium" / "witness"),
    )


def test_a_head_is_signed_when_it_is_due_and_the_chain_has_grown(store, clock, settings):
    assert audit_heads.sign_head(store, settings) == 0
    append(store, 2)
    assert audit_heads.sign_head(store, settings) == 2
    append(store, 1)
    clock.advance(s=59)
    assert audit_heads.sign_head(store, settings) == 0
    clock.advance(s=1)
    assert audit_heads.sign_head(store, settings) == 3
    clock.advance(s=3600)
    assert audit_heads.sign_head(store, settings) == 0
    report = audit_heads.check_audit(store, settings)
    assert (report.is_whole, report.heads, report.signed_seq) == (True, 4, 3)  # each in the database and witnessed


def test_the_witness_catches_up_after_its_medium_was_away(store, clock, settings, tmp_path):
    (tmp_path / "medium").write_text("no folder")
    append(store, 1)
    with pytest.raises(WitnessError, match="cannot be"):
        audit_heads.sign_head(store, settings)
    (tmp_path / "medium").unlink()
    append(store, 1)
    clock.advance(s=60)
    assert audit_heads.sign_head(store, settings) == 2
    with store.read() as session:
        assert heads.read_witness(tmp_path / "medium" / "witness") == queries.list_heads(session)


def test_a_chain_shorter_than_its_witness_is_told_at_once(store, clock, settings):
    append(store, 3)
    audit_heads.sign_head(store, settings)
    tamper(store, "DELETE FROM audit_entry WHERE seq > 1", "DELETE FROM audit_head")
    clock.advance(s=60)
    with pytest.raises(WitnessError, match="knows 3 audit rows and the database only 1"):
        audit_heads.sign_head(store, settings)
    lines = list(upkeep.describe(audit_heads.check_audit(store, settings)))
    assert lines[1:] == [
        "heads: none signed yet",
        "BROKEN rows 2 to 3: not there although a signed head counts them, so the end was cut off",
    ]


def test_a_witness_named_by_hand_must_exist(store, settings, tmp_path):
    append(store, 3)
    audit_heads.sign_head(store, settings)
    rewrite_from(store, 2, actor="user:mallory")
    copy = tmp_path / "copy"
    copy.write_bytes((tmp_path / "medium" / "witness").read_bytes())
    tamper(store, "DELETE FROM audit_head")
    alone = msgspec.structs.replace(settings, audit_witness_file="")
    assert audit_heads.check_audit(store, alone).is_whole
    report = audit_heads.check_audit(store, alone, witness=copy)
    assert [(found.kind, found.first, found.last) for found in report.findings] == [("rewritten", 1, 3)]
    with pytest.raises(WitnessError, match="cannot be read"):
        audit_heads.check_audit(store, alone, witness=tmp_path / "none")


def test_without_a_receipt_key_nothing_is_signed_and_that_is_said(store, settings, tmp_path):
    (tmp_path / "keys" / "receipt.key").unlink()
    append(store, 1)
    assert audit_heads.sign_head(store, settings) == 0
    lines = list(upkeep.describe(audit_heads.check_audit(store, settings)))
    assert lines[1].startswith("heads: not compared, because there is no receipt key")
    (tmp_path / "keys" / "receipt.key").write_text("no key")
    with pytest.raises(ReceiptKeyMissingError):
        audit_heads.sign_head(store, settings)


def test_heads_of_a_former_key_count_while_the_trust_list_names_it(store, settings, tmp_path):
    append(store, 1)
    audit_heads.sign_head(store, settings)
    former = PKI.receipt_key.public_key().public_bytes_raw()
    newer = Pki().receipt_key
    (tmp_path / "keys" / "receipt.key").write_bytes(
        newer.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    assert [found.kind for found in audit_heads.check_audit(store, settings).findings] == ["head_forged"]
    (tmp_path / "handover").mkdir()
    trust = TrustList(epoch=1, issued_ms=1, recipients=[], receipt_keys=[former])
    (tmp_path / "handover" / "trust.cbor").write_bytes(sign_trust_list(PKI.root.key, trust))
    assert len(list_receipt_keys(settings)) == 2
    assert audit_heads.check_audit(store, settings).is_whole
    (tmp_path / "handover" / "trust.cbor").write_bytes(sign_trust_list(Pki().root.key, trust))
    with pytest.raises(TrustListError, match="hand it over anew"):
        audit_heads.check_audit(store, settings)
