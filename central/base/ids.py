"""Identifiers nobody can guess."""

from __future__ import annotations

import hashlib
import secrets


def new_id() -> str:
    """Return 128 random bits as 32 hex digits."""
    return secrets.token_hex(16)


def new_token() -> str:
    """Return 256 random bits as URL-safe text; store only its `hash_token`."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the SHA-256 of a random token, hex; enough because the token has 256 bits of its own."""
    return hashlib.sha256(token.encode()).hexdigest()
