"""What a kit signs when it asks for its next certificate."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from contract.renewal import DOMAIN, MAX_BYTES, RenewalRequest, read_request, sign_request, verify_request
from contract.signing import BadSignatureError, CodecError, Signed, dumps, sign_p256

KEY = ec.generate_private_key(ec.SECP256R1())
ASKED = RenewalRequest(kit_id="dl-2901-01", serial="a1b2", csr=b"request")


def test_what_was_signed_is_read_and_holds() -> None:
    data = sign_request(KEY, ASKED)
    verify_request(KEY.public_key(), data)
    assert read_request(data) == ASKED


def test_another_key_a_changed_word_and_another_meaning_do_not_hold() -> None:
    data = sign_request(KEY, ASKED)
    stranger = ec.generate_private_key(ec.SECP256R1())
    changed = Signed(Signed.unpack(sign_request(KEY, RenewalRequest(kit_id="x", serial="a1", csr=b""))).body, b"")
    signed = Signed.unpack(data)
    elsewhere = Signed(signed.body, sign_p256(KEY, b"zhixing/lost/v1", signed.body)).pack()
    for key, bad in (
        (stranger.public_key(), data),
        (KEY.public_key(), Signed(changed.body, signed.sig).pack()),
        (KEY.public_key(), elsewhere),
    ):
        with pytest.raises(BadSignatureError):
            verify_request(key, bad)


@pytest.mark.parametrize(
    "body",
    [
        {"kit_id": "dl-2901-01", "serial": "a1"},
        {"kit_id": "dl-2901-01", "serial": "A1", "csr": b"x"},
        {"kit_id": "dl-2901-01", "serial": "0a", "csr": b"x"},
        {"kit_id": 7, "serial": "a1", "csr": b"x"},
        [],
    ],
)
def test_what_is_malformed_is_refused_in_one_sentence(body: object) -> None:
    raw = dumps(body)
    with pytest.raises(CodecError, match="renewal is malformed"):
        read_request(Signed(raw, sign_p256(KEY, DOMAIN, raw)).pack())


@pytest.mark.parametrize("data", [b"", b"\xff", bytes(MAX_BYTES + 1)])
def test_what_is_no_statement_is_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        read_request(data)
