"""A stated purpose, kept with the player: signed, bound to one recording and one log-in, good for some hours.

The page asks once for what the evidence is opened; every segment fetched afterwards carries this grant, and the
purpose in it goes into the audit chain with each segment.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import ClassVar, Final

from central.base.errors import ForbiddenError

GRANT_MS: Final = 8 * 3600 * 1000
_SIGNATURE_BYTES: Final = 32


class GrantInvalidError(ForbiddenError):
    """The stated purpose is missing, of another recording or log-in, or too old."""

    code: ClassVar[str] = "grant_invalid"


def issue_grant(secret: bytes, *, session_token: str, recording_id: str, purpose: str, now_ms: int) -> str:
    """Return a grant for `recording_id` that ends in GRANT_MS or when this process does."""
    body = json.dumps([purpose, now_ms + GRANT_MS], ensure_ascii=False).encode()
    signature = _sign(secret, session_token, recording_id, body)
    return base64.urlsafe_b64encode(signature + body).decode().rstrip("=")


def read_purpose(secret: bytes, grant: str, *, session_token: str, recording_id: str, now_ms: int) -> str:
    """Return the purpose stated in `grant`; raises GrantInvalidError."""
    try:
        raw = base64.urlsafe_b64decode(grant + "=" * (-len(grant) % 4))
    except ValueError:
        raise _invalid() from None
    signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _sign(secret, session_token, recording_id, body)):
        raise _invalid()
    purpose, expires_ms = json.loads(body)
    if now_ms >= expires_ms:
        raise _invalid()
    return str(purpose)


def _sign(secret: bytes, session_token: str, recording_id: str, body: bytes) -> bytes:
    holder = hashlib.sha256(session_token.encode()).digest()
    return hmac.digest(secret, b"play\n" + holder + recording_id.encode() + b"\n" + body, "sha256")


def _invalid() -> GrantInvalidError:
    return GrantInvalidError("State anew for what the recording is opened; the earlier statement no longer holds.")
