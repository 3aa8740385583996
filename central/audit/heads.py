"""Signed heads of the audit chain, and the witness file that keeps them on another medium.

A head says which hash the chain had at which row. Whoever rewrites the chain later would have to forge the heads
too; whoever deletes heads from the database still has the witness file against him. Each head names the one before
it, so that one taken out of the middle is missed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from central.audit.rules import WitnessError
from contract.signing import (
    BadSignatureError,
    CodecError,
    Signed,
    dumps,
    loads,
    sign_ed25519,
    verify_ed25519,
)

HEAD_DOMAIN: Final = b"zhixing/audit-head/v1"
_TAIL_BYTES: Final = 64 * 1024
_TYPES: Final = {"seq": int, "hash": bytes, "at_ms": int, "prev_seq": int}


@dataclass(frozen=True, kw_only=True)
class HeadStatement:
    """At `at_ms` the chain had `seq` rows and this `hash`; the head before it was at `prev_seq` (0: none)."""

    seq: int
    hash: bytes
    at_ms: int
    prev_seq: int


def key_id(key: Ed25519PublicKey) -> str:
    """Short name of a public key: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def sign_head(key: Ed25519PrivateKey, statement: HeadStatement) -> Signed:
    """Return the statement as deterministic CBOR with its signature."""
    body = dumps({"v": 1, **asdict(statement)})
    return Signed(body, sign_ed25519(key, HEAD_DOMAIN, body))


def open_head(keys: Iterable[Ed25519PublicKey], signed: Signed) -> HeadStatement:
    """Return the statement when one of `keys` signed it; raises BadSignatureError or CodecError."""
    for key in keys:
        try:
            verify_ed25519(key, HEAD_DOMAIN, signed.body, signed.sig)
        except BadSignatureError:
            continue
        return _read_statement(signed.body)
    raise BadSignatureError("The head is not signed by a key of this centre.")


def claimed_seq(signed: Signed) -> int:
    """The row that a head of unknown origin says it is of; 0 when it does not even read as a head."""
    try:
        return _read_statement(signed.body).seq
    except CodecError:
        return 0


def _read_statement(body: bytes) -> HeadStatement:
    value: Any = loads(body)
    if not isinstance(value, dict) or value.pop("v", None) != 1 or value.keys() != _TYPES.keys():
        raise CodecError("The audit head does not have the fields of its version.")
    if any(type(value[name]) is not kind for name, kind in _TYPES.items()):
        raise CodecError("A field of the audit head has a wrong type.")
    return HeadStatement(**value)


def pack_line(signed: Signed) -> str:
    """One line of the witness file or of an export: JSON for the eye, body and signature for the proof."""
    shown = _read_statement(signed.body)
    told = {"seq": shown.seq, "hash": shown.hash.hex(), "at_ms": shown.at_ms}
    return json.dumps({**told, "body": _b64(signed.body), "sig": _b64(signed.sig)})


def unpack_line(line: str) -> Signed:
    """Read what `pack_line` wrote; raises CodecError. Only body and signature count."""
    try:
        value = json.loads(line)
        return Signed(base64.b64decode(value["body"], validate=True), base64.b64decode(value["sig"], validate=True))
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise CodecError("The line is no audit head.") from error


def read_witness(path: Path) -> list[Signed]:
    """Return the heads of a witness file; a line that a power failure cut short is left out.

    Raises WitnessError when the file cannot be read or a whole line is no head.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise WitnessError(f"The witness file {path} cannot be read ({error.strerror}): name another one.") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"}"):
            continue
        try:
            found.append(unpack_line(line.decode("utf-8", "replace")))
        except CodecError as error:
            raise WitnessError(
                f"Line {number} of the witness file {path} is no audit head: take the copy of another medium."
            ) from error
    return found


def last_witnessed(path: Path) -> int:
    """Return the row of the newest head in the witness file, 0 without one, from its end; raises WitnessError."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise WitnessError(f"The witness file {path} cannot be read ({error.strerror}): mount its medium.") from error
    for line in reversed(lines):
        try:
            return _read_statement(unpack_line(line.decode("utf-8", "replace")).body).seq
        except CodecError:
            continue
    return 0


def append_witness(path: Path, signed: Sequence[Signed]) -> None:
    """Append heads and wait until the medium has them; raises WitnessError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            lines = "".join(pack_line(one) + "\n" for one in signed).encode()
            file.write(_start_of_line(file.fileno()) + lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WitnessError(
            f"The witness file {path} cannot be written ({error.strerror}): make its medium writable again."
        ) from error


def _start_of_line(descriptor: int) -> bytes:
    """A line feed when the last writer was cut short."""
    size = os.fstat(descriptor).st_size
    return b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
