import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contract import envelope, trust
from contract.signing import BadSignatureError, CodecError, Signed, dumps, sign_p256

ROOT, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
CENTRE = X25519PrivateKey.generate()
RECEIPTS = Ed25519PrivateKey.generate()


def trust_list(epoch=3):
    return trust.TrustList(
        epoch=epoch,
        issued_ms=1,
        recipients=[envelope.recipient_to_text(CENTRE.public_key())],
        receipt_keys=[RECEIPTS.public_key().public_bytes_raw()],
    )


def test_a_trust_list_gives_the_keys_it_names():
    read = trust.verify_trust_list(ROOT.public_key(), trust.sign_trust_list(ROOT, trust_list()))
    assert envelope.open_bytes(envelope.seal(b"x", read.recipient_keys()), [CENTRE]) == b"x"
    assert read.receipt_public_keys() == [RECEIPTS.public_key()]


def test_a_strangers_trust_list_is_refused():
    with pytest.raises(BadSignatureError):
        trust.verify_trust_list(ROOT.public_key(), trust.sign_trust_list(STRANGER, trust_list()))


def test_an_older_trust_list_is_refused():
    data = trust.sign_trust_list(ROOT, trust_list(epoch=3))
    assert trust.verify_trust_list(ROOT.public_key(), data, not_before_epoch=3).epoch == 3
    with pytest.raises(trust.StaleListError, match="older than epoch 4"):
        trust.verify_trust_list(ROOT.public_key(), data, not_before_epoch=4)


def test_a_registry_is_no_trust_list():
    data = trust.sign_registry(ROOT, trust.Registry(epoch=1, issued_ms=1, kits=[]))
    assert trust.verify_registry(ROOT.public_key(), data).kits == []
    with pytest.raises(BadSignatureError):
        trust.verify_trust_list(ROOT.public_key(), data)


def test_a_signed_list_of_another_shape_is_refused():
    body = dumps({"epoch": "one"})
    with pytest.raises(CodecError):
        trust.verify_registry(ROOT.public_key(), Signed(body, sign_p256(ROOT, trust.REGISTRY_DOMAIN, body)).pack())
