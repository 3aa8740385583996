"""The signing key in a token: made there, signing there, gone from there; what can be wrong is one sentence."""

import copy

import msgspec
import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from contract import chain
from contract.signing import verify_p256
from edge.token_key import Token, TokenError, TokenPinError
from tests.fakes.soft_token import make_token, put_in, take_out


@pytest.fixture
def keys(tmp_path, monkeypatch):
    return make_token(tmp_path / "hsm", monkeypatch)


@pytest.fixture
def token(keys):
    token = Token(keys)
    yield token
    token.close()


def test_a_key_is_made_once_and_signs_chains(token, keys):
    public = token.ensure_key()
    assert token.ensure_key() == public
    key = token.private_key()
    verify_p256(public, chain.DOMAIN, b"body", chain.sign(key, b"body"))
    assert copy.copy(key) is key
    with pytest.raises(NotImplementedError):
        key.private_numbers()
    with pytest.raises(TypeError):
        key.sign(b"x", ec.ECDSA(SHA384()))
    assert key.sign(b"x", ec.ECDSA(SHA256()))


def test_a_token_pulled_and_put_back_signs_again(token, keys, tmp_path):
    token.ensure_key()
    key = token.private_key()
    key.sign(b"x", ec.ECDSA(SHA256()))
    take_out(tmp_path / "hsm")
    token.close()  # a real reader ends the sessions itself, and SoftHSM looks at its folder only once
    pkcs11.lib(keys.pkcs11_module).reinitialize()
    with pytest.raises(TokenError, match="is not there"):
        key.sign(b"x", ec.ECDSA(SHA256()))
    put_in(tmp_path / "hsm")
    assert key.sign(b"x", ec.ECDSA(SHA256()))


def test_a_wrong_pin_is_tried_once_only(keys, tmp_path):
    pin = tmp_path / "hsm" / "pin"
    good = pin.read_text()
    pin.write_text("999999\n")
    with pytest.raises(TokenPinError, match="not that of token"):
        Token(keys).public_key()
    with pytest.raises(TokenPinError, match="not tried again"):
        Token(keys).public_key()
    pin.unlink()
    with pytest.raises(TokenError, match="cannot be read"):
        Token(keys).public_key()
    pin.write_text(good)
    assert Token(keys).ensure_key()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pkcs11_module": "/nowhere/libnone.so"}, "cannot be loaded"),
        ({"token_label": "another"}, "is not there"),
        ({"key_label": "another"}, "holds no key"),
    ],
)
def test_what_is_wrong_is_said(keys, token, change, said):
    token.ensure_key()
    with pytest.raises(TokenError, match=said):
        Token(msgspec.structs.replace(keys, **change)).public_key()


def test_destroyed_is_gone(token):
    token.ensure_key()
    token.destroy()
    with pytest.raises(TokenError, match="holds no key"):
        token.public_key()
    token.destroy()
