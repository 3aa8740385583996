import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract import receipts
from contract.signing import BadSignatureError, CodecError, Signed, dumps, loads

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
RECEIPT = receipts.SegmentReceipt(
    recording_id=b"r" * 16, seq=4, cipher_hash=b"h" * 32, length=10, stored_ms=5, centre="云29"
)
HEAD = receipts.HeadStatement(
    recording_id=b"r" * 16, count=4, head=b"h" * 32, closed=True, stated_ms=5, centre="云29"
)


def test_a_receipt_comes_back_as_it_was_signed():
    data = receipts.sign_segment_receipt(KEY, RECEIPT)
    assert receipts.verify_segment_receipt([OTHER.public_key(), KEY.public_key()], data) == RECEIPT
    assert receipts.verify_head([KEY.public_key()], receipts.sign_head(KEY, HEAD)) == HEAD


def test_a_strangers_receipt_is_refused():
    with pytest.raises(BadSignatureError):
        receipts.verify_segment_receipt([OTHER.public_key()], receipts.sign_segment_receipt(KEY, RECEIPT))


def test_a_head_statement_is_no_receipt():
    with pytest.raises(BadSignatureError):
        receipts.verify_segment_receipt([KEY.public_key()], receipts.sign_head(KEY, HEAD))


def test_a_changed_receipt_is_refused():
    signed = Signed.unpack(receipts.sign_segment_receipt(KEY, RECEIPT))
    changed = Signed(dumps({**loads(signed.body), "seq": 5}), signed.sig)
    with pytest.raises(BadSignatureError):
        receipts.verify_segment_receipt([KEY.public_key()], changed.pack())


@pytest.mark.parametrize("change", [{"seq": "4"}, {"seq": True}, {"extra": 1}, {"v": 2}, {"cipher_hash": "h"}])
def test_a_signed_statement_of_another_shape_is_refused(change):
    from contract.signing import sign_ed25519

    body = dumps({**loads(Signed.unpack(receipts.sign_segment_receipt(KEY, RECEIPT)).body), **change})
    data = Signed(body, sign_ed25519(KEY, receipts.SEGMENT_DOMAIN, body)).pack()
    with pytest.raises(CodecError):
        receipts.verify_segment_receipt([KEY.public_key()], data)
