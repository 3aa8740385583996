"""What somebody searches for, as an opaque token in the address.

A name or an identity number must not stand in an address: addresses end up in histories, logs and on screens that
others see. The text is sealed with the process's secret and bound to the person; a token dies with the process.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

MAX_AGE_S = 24 * 3600
MAX_CHARS = 200


def seal_search(secret: bytes, login: str, text: str) -> str:
    """Return the token of `text` for this person; empty for empty."""
    text = text.strip()[:MAX_CHARS]
    return _fernet(secret, login).encrypt(text.encode()).decode().rstrip("=") if text else ""


def open_search(secret: bytes, login: str, token: str) -> str | None:
    """Return the text of a token; None when it is another person's, too old, or of a process that has ended."""
    if not token:
        return ""
    padded = token + "=" * (-len(token) % 4)
    try:
        return _fernet(secret, login).decrypt(padded.encode("ascii"), ttl=MAX_AGE_S).decode()
    except (InvalidToken, UnicodeEncodeError):
        return None


def _fernet(secret: bytes, login: str) -> Fernet:
    key = hashlib.sha256(b"zhixing search v1\n" + secret + login.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
