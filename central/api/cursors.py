"""Cursors of the change feed as callers see them: opaque, and told apart from anything that is none. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from typing import Final

from central.api.problems import ProblemError
from central.cases.feed import Position

_FORM: Final = 1
_LAYOUT: Final = struct.Struct(">Bqq")
_CHECK_BYTES: Final = 4


def write_cursor(position: Position) -> str:
    """Return the cursor of a position: 28 characters of URL-safe base64."""
    body = _LAYOUT.pack(_FORM, *position)
    return base64.urlsafe_b64encode(body + _check(body)).decode()


def read_cursor(cursor: str) -> Position:
    """Return the position of a cursor; raises ProblemError 422 for anything else."""
    try:
        raw = base64.b64decode(cursor.encode("ascii"), b"-_", validate=True)
        body, check = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
        form, change_id, at_ms = _LAYOUT.unpack(body)
    except (UnicodeEncodeError, binascii.Error, struct.error):
        raise ProblemError(422, "cursor_invalid") from None
    if form != _FORM or check != _check(body):
        raise ProblemError(422, "cursor_invalid")
    return Position(change_id, at_ms)


def _check(body: bytes) -> bytes:
    # Against cut and mistyped cursors; it is no secret and protects nothing.
    return hashlib.sha256(b"zhixing change feed\n" + body).digest()[:_CHECK_BYTES]
