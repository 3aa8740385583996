"""How an audit row is bound to the one before it."""

from __future__ import annotations

import hashlib
import re
from typing import Any, ClassVar

import msgspec

from central.base.errors import DomainError, InvalidInputError

GENESIS_HASH = bytes(32)
_DOMAIN = b"zhixing audit v1\n"
_ACTION = re.compile(r"[a-z_]+:[a-z_]+:[a-z_]+\Z")
_ENCODER = msgspec.json.Encoder(order="deterministic")


class AuditBrokenError(DomainError):
    """The chain does not hold; names the first row that proves it."""

    code: ClassVar[str] = "audit_broken"


def check_action(action: str) -> str:
    """Return `action` when it reads `room:subject:verb`; raises InvalidInputError otherwise."""
    if not _ACTION.match(action):
        raise InvalidInputError(
            f"Audit action {action!r} must read room:subject:verb in lower case; correct the call."
        )
    return action


def hash_entry(
    *,
    seq: int,
    at_ms: int,
    actor: str,
    court_code: str,
    action: str,
    subject: str,
    purpose: str,
    detail: dict[str, Any],
    prev_hash: bytes,
) -> bytes:
    """Return SHA-256 over domain, the previous hash and the row as JSON with sorted keys, 32 bytes."""
    row = [seq, at_ms, actor, court_code, action, subject, purpose, detail]
    return hashlib.sha256(_DOMAIN + prev_hash + _ENCODER.encode(row)).digest()
