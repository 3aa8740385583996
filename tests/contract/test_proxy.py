"""A proxy's parcel: read strictly, bound to its segment, signed over a domain of its own."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from contract import chain, proxy
from contract.signing import Signed, dumps, loads, sign_p256

KEY = ec.generate_private_key(ec.SECP256R1())
SEALED = b"sealed pictures"
RECORD = proxy.ProxyRecord(
    recording_id=b"r" * 16,
    seq=3,
    cipher_hash=hashlib.sha256(SEALED).digest(),
    clear_hash=b"c" * 32,
    original_hash=b"o" * 32,
    length=len(SEALED),
)


def make(record: proxy.ProxyRecord = RECORD, domain: bytes = proxy.DOMAIN) -> bytes:
    body = proxy.encode(record)
    return proxy.pack(Signed(body, sign_p256(KEY, domain, body)), SEALED)


def test_what_was_packed_is_read() -> None:
    signed, record, sealed = proxy.unpack(make())
    assert (record, sealed) == (RECORD, SEALED)
    assert proxy.is_signed_by(KEY.public_key(), signed)


def test_a_strangers_signature_is_none() -> None:
    signed, _, _ = proxy.unpack(make())
    assert not proxy.is_signed_by(ec.generate_private_key(ec.SECP256R1()).public_key(), signed)


def test_a_chains_signature_serves_no_proxy() -> None:
    signed, _, _ = proxy.unpack(make(domain=chain.DOMAIN))
    assert not proxy.is_signed_by(KEY.public_key(), signed)


@pytest.mark.parametrize(
    "parcel",
    [
        b"",
        b"\xff",
        dumps([]),
        dumps([b"a", b"b"]),
        dumps([b"a", b"b", 1]),
        make()[:-1] + b"X",
        make(replace(RECORD, length=1)),
        make(replace(RECORD, clear_hash=b"short")),
        make(replace(RECORD, recording_id=b"short")),
        make(replace(RECORD, seq=-1)),
        b"x" * (proxy.MAX_PARCEL_BYTES + 1),
    ],
    ids=range(11),
)
def test_what_is_none_is_refused(parcel: bytes) -> None:
    with pytest.raises(proxy.ProxyError):
        proxy.unpack(parcel)


def test_unknown_and_mistyped_fields_are_refused() -> None:
    fields = loads(proxy.encode(RECORD))
    for changed in ({**fields, "more": 1}, {**fields, "seq": "3"}, {**fields, "v": 2}):
        with pytest.raises(proxy.ProxyError):
            proxy.unpack(proxy.pack(Signed(dumps(changed), b"s" * 64), SEALED))
