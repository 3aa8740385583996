import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from contract import signing

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def test_a_p256_signature_has_64_bytes_and_verifies():
    sig = signing.sign_p256(KEY, b"d", b"body")
    assert len(sig) == 64
    signing.verify_p256(KEY.public_key(), b"d", b"body", sig)


@pytest.mark.parametrize(("domain", "body", "cut"), [(b"e", b"body", 0), (b"d", b"bodz", 0), (b"d", b"body", 1)])
def test_another_domain_body_or_length_does_not_verify(domain, body, cut):
    sig = signing.sign_p256(KEY, b"d", b"body")
    with pytest.raises(signing.BadSignatureError):
        signing.verify_p256(KEY.public_key(), domain, body, sig[: 64 - cut])


def test_another_key_does_not_verify():
    with pytest.raises(signing.BadSignatureError):
        signing.verify_p256(OTHER.public_key(), b"d", b"b", signing.sign_p256(KEY, b"d", b"b"))


def test_ed25519_is_bound_to_its_domain():
    key = ed25519.Ed25519PrivateKey.generate()
    sig = signing.sign_ed25519(key, b"d", b"b")
    signing.verify_ed25519(key.public_key(), b"d", b"b", sig)
    with pytest.raises(signing.BadSignatureError):
        signing.verify_ed25519(key.public_key(), b"e", b"b", sig)


def test_cbor_that_is_not_deterministic_is_refused():
    with pytest.raises(signing.CodecError, match="deterministic"):
        signing.loads(cbor2.dumps({"bb": 1, "a": 2}))
    with pytest.raises(signing.CodecError):
        signing.loads(signing.dumps([1]) + b"\0")
    with pytest.raises(signing.CodecError, match="more than"):
        signing.loads(signing.dumps(b"x" * 100), limit_bytes=50)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_codec_error(data):
    try:
        assert signing.dumps(signing.loads(data)) == data
    except signing.CodecError as error:
        assert str(error)


def test_a_signed_item_is_exactly_two_byte_strings():
    signed = signing.Signed(b"b", b"s")
    assert signing.Signed.unpack(signed.pack()) == signed
    for wrong in ([b"b"], [b"b", "s"], {"a": 1}, b"b"):
        with pytest.raises(signing.CodecError):
            signing.Signed.unpack(signing.dumps(wrong))
