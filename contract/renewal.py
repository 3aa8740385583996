"""A kit asks for its next certificate by way of the devices' door: a statement that the authority itself can check.

EST (RFC 7030) knows the kit by its certificate in TLS, which ends at the first server; a zone between the networks
and the centre only carry. So the kit signs what it asks for with the key of its present certificate, and the
authority checks that, whoever brought it. One certificate follows another for one key: the same statement again, or
another for the same, brings the same certificate.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from msgspec import Meta

from contract.signing import CodecError, Signed, dumps, loads, sign_p256, verify_p256

DOMAIN: Final = b"zhixing/renewal/v1"
MEDIA_TYPE: Final = "application/cbor"
MAX_BYTES: Final = 8 * 1024


class RenewalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``serial``: the present certificate's, lower-case hex without leading zeros; ``csr``: PKCS#10, DER.

    The request's key is the kit's own or that of its token (`provisioning.kit_keys`).
    """

    kit_id: str
    serial: Annotated[str, Meta(pattern="^[1-9a-f][0-9a-f]{0,63}$")]
    csr: Annotated[bytes, Meta(max_length=MAX_BYTES)]
    v: int = 1


def sign_request(key: EllipticCurvePrivateKey, request: RenewalRequest) -> bytes:
    """CBOR ``[body, sig]``; ``key`` is that of the present certificate."""
    body = dumps(msgspec.to_builtins(request, builtin_types=(bytes,)))
    return Signed(body, sign_p256(key, DOMAIN, body)).pack()


def read_request(data: bytes) -> RenewalRequest:
    """The statement as written, its signature not checked; raise CodecError."""
    if len(data) > MAX_BYTES:
        raise CodecError(f"A request for renewal has at most {MAX_BYTES} bytes.")
    try:
        return msgspec.convert(loads(Signed.unpack(data).body), RenewalRequest)
    except msgspec.ValidationError as error:
        raise CodecError(f"The request for renewal is malformed: {error}.") from error


def verify_request(key: EllipticCurvePublicKey, data: bytes) -> None:
    """Check that the holder of ``key`` asks for this; raise CodecError, BadSignatureError."""
    signed = Signed.unpack(data)
    verify_p256(key, DOMAIN, signed.body, signed.sig)
