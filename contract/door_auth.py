"""What a request at the devices' HTTP door proves, and in which words (RFC 7523, RFC 9449 style).

Each request carries ``Authorization: Bearer <JWT>``: signed ES256 with the device key, bound to method, path, body
and a nonce of the server, because a kit's clock cannot be trusted. The certificate chain (leaf, kits' CA) stands in
the ``x5c`` header (RFC 7515 section 4.1.6), so that the door works behind any proxy; later tokens may name it.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

ALGORITHM: Final = "ES256"
TOKEN_TYPE: Final = "zhixing-kit+jwt"  # noqa: S105 -- a media type, not a secret
AUDIENCE: Final = "zhixing-door"
# RFC 7515 section 4.1.8: once a certificate was shown, its thumbprint stands for it; the chain in every token would
# be a third of what a small picture weighs.
THUMBPRINT: Final = "x5t#S256"
NONCE_HEADER: Final = "Kit-Nonce"
CLAIMS: Final = ("iss", "sub", "aud", "htm", "htu", "bh", "nonce", "jti")

PROBLEM_PREFIX: Final = "urn:zhixing:problem:"
CHAIN_RECORD_MISSING: Final = PROBLEM_PREFIX + "chain-record-missing"
DIGEST_MISMATCH: Final = PROBLEM_PREFIX + "digest-mismatch"
BAD_TOKEN: Final = PROBLEM_PREFIX + "bad-token"
NONCE_EXPIRED: Final = PROBLEM_PREFIX + "nonce-expired"
REVOKED: Final = PROBLEM_PREFIX + "revoked"
FOREIGN_RECORDING: Final = PROBLEM_PREFIX + "foreign-recording"
TOO_LARGE: Final = PROBLEM_PREFIX + "too-large"
STORE_FULL: Final = PROBLEM_PREFIX + "store-full"
BAD_REQUEST: Final = PROBLEM_PREFIX + "bad-request"
OFFSET_MISMATCH: Final = PROBLEM_PREFIX + "offset-mismatch"
# 202: a zone between the networks has it whole; the centre has not answered yet, so it is still the kit's.
HELD: Final = PROBLEM_PREFIX + "held"
# The device authority's own word about a renewal that was carried to it; its sentence is the detail.
RENEWAL_REFUSED: Final = PROBLEM_PREFIX + "renewal-refused"

# How far a segment has come: said by the door to HEAD, and by the kit where its PUT begins. The names are those of
# draft-ietf-httpbis-resumable-upload; the resource is the segment itself, so no upload needs a name of its own. The
# token's `bh` names the whole segment also when only its rest is sent: the digest of the whole decides.
OFFSET_HEADER: Final = "Upload-Offset"
MAX_NONCES_AT_ONCE: Final = 16

MAX_SEGMENT_BYTES: Final = 64 * 1024 * 1024
# Logs on request: as they lie on the kit, and as the door takes them, packed and sealed.
MAX_LOG_CLEAR_BYTES: Final = 16 * 1024 * 1024
MAX_LOG_BYTES: Final = 8 * 1024 * 1024

# Where a kit asks for its next certificate (``contract.renewal``); the centre carries it to the authority.
RENEWAL_PATH: Final = "/v1/renewal"


def body_hash(digest: bytes) -> str:
    """The ``bh`` claim: base64url without padding of the SHA-256 of the body (of the whole, where a part is sent)."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def claims(kit_id: str, *, method: str, path: str, body_digest: bytes, nonce: str, jti: str) -> dict[str, str]:
    """The claims of one request; ``path`` as sent, without host and query."""
    return {
        "iss": kit_id,
        "sub": kit_id,
        "aud": AUDIENCE,
        "htm": method,
        "htu": path,
        "bh": body_hash(body_digest),
        "nonce": nonce,
        "jti": jti,
    }


def thumbprint(certificate_der: bytes) -> str:
    """The ``x5t#S256`` header of a certificate."""
    return body_hash(hashlib.sha256(certificate_der).digest())


def content_digest(digest: bytes) -> str:
    """The ``Content-Digest`` header (RFC 9530) of a SHA-256 digest."""
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


EMPTY_BODY_DIGEST: Final = hashlib.sha256(b"").digest()


def segment_path(recording_id: bytes, seq: int) -> str:
    """Where a segment is PUT."""
    return f"/v1/recordings/{recording_id.hex()}/segments/{seq}"


def proxy_path(recording_id: bytes, seq: int) -> str:
    """Where a segment's proxy is PUT."""
    return f"/v1/recordings/{recording_id.hex()}/proxies/{seq}"


def log_path(number: int, digest: bytes) -> str:
    """Where the logs that directive ``number`` asks for are PUT; ``digest`` is the sealed file's SHA-256."""
    return f"/v1/logs/{number}/{digest.hex()}"


def chain_path(recording_id: bytes) -> str:
    """Where chain records are POSTed."""
    return f"/v1/recordings/{recording_id.hex()}/chain"
