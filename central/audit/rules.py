"""How an audit row is bound to the one before it, and how long its parts may be. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from central.base.errors import DomainError, InvalidInputError

GENESIS_HASH = bytes(32)
FORM = 2
"""Form of new rows. Rows of release 0.1.0 have form 1: hashed without the case number."""
LIMITS: Final = {"actor": 80, "court_code": 20, "action": 80, "subject": 200, "purpose": 500, "case_no": 60}
"""Characters of each text; longer ones are cut, because an act must never fail for its record's length."""
_DOMAINS: Final = {1: b"zhixing audit v1\n", 2: b"zhixing audit v2\n"}
_ACTION = re.compile(r"[a-z_]+:[a-z_]+:[a-z_]+\Z")
_ENCODER = msgspec.json.Encoder(order="deterministic")


class AuditBrokenError(DomainError):
    """The chain does not hold; names the first row that proves it."""

    code: ClassVar[str] = "audit_broken"


class WitnessError(DomainError):
    """The witness file cannot be read or written."""

    code: ClassVar[str] = "audit_witness"


class AuditExportError(DomainError):
    """A file is not an export of the audit."""

    code: ClassVar[str] = "audit_export"


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act to be recorded, as `service.append_many` takes it."""

    actor: str
    court_code: str
    action: str
    subject: str
    purpose: str = ""
    case_no: str = ""
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """What a search asks for; empty fields ask for nothing. Times in ms since 1970 UTC, `until_ms` exclusive.

    `action`, `subject` and `court_code` are beginnings, `purpose` a part, the others the whole.
    """

    from_ms: int | None = None
    until_ms: int | None = None
    actor: str = ""
    court_code: str = ""
    case_no: str = ""
    action: str = ""
    subject: str = ""
    purpose: str = ""

    def told(self) -> dict[str, Any]:
        """The fields that were filled in, as the audit row of a search or export tells them."""
        return {name: value for name in self.__dataclass_fields__ if (value := getattr(self, name)) not in {"", None}}


def check_action(action: str) -> str:
    """Return `action` when it reads `room:subject:verb`; raises InvalidInputError otherwise."""
    if not _ACTION.match(action) or len(action) > LIMITS["action"]:
        raise InvalidInputError(
            f"Audit action {action!r} must read room:subject:verb in lower case; correct the call."
        )
    return action


def clean_text(name: str, text: str) -> str:
    """Return `text` as both databases can hold it: no NUL, no lone surrogate, cut to the limit of field `name`."""
    cleaned = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    limit = LIMITS[name]
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def clean_detail(detail: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `detail` as it will be read back: what JSON cannot hold raises InvalidInputError."""
    try:
        value = msgspec.json.decode(msgspec.json.encode(dict(detail or {})))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"The detail of an audit row must be JSON ({error}); correct the call.") from error
    return dict(value)


def hash_entry(
    *,
    form: int,
    seq: int,
    at_ms: int,
    actor: str,
    court_code: str,
    action: str,
    subject: str,
    purpose: str,
    case_no: str,
    detail: Mapping[str, Any],
    prev_hash: bytes,
) -> bytes:
    """Return SHA-256 over domain, the previous hash and the row as JSON with sorted keys, 32 bytes.

    A row of an unknown form, or of form 1 with a case number, has no right hash: empty bytes are returned.
    """
    row = [seq, at_ms, actor, court_code, action, subject, purpose, detail]
    if form == FORM:
        row.insert(7, case_no)
    elif form != 1 or case_no:
        return b""
    return hashlib.sha256(_DOMAINS[form] + prev_hash + _ENCODER.encode(row)).digest()
