"""The signed hash chain of a recording: one record for its opening, each segment, each gap, and its end.

Every record is deterministic CBOR with integer keys, signed with the kit's device key over the domain
``zhixing/chain/v1``; ``prev`` is SHA-256 of the previous record's body and signature, so nothing can be dropped,
swapped, cut, spliced or added without the first wrong record showing. ``clear_hash`` is SHA-256 of salt and clear
segment: a court checks a disclosed segment against the device's signature with no key at all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from contract.signing import (
    BadSignatureError,
    CodecError,
    Signed,
    dumps,
    loads,
    sign_p256,
    verify_p256,
)

DOMAIN: Final = b"zhixing/chain/v1"
VERSION: Final = 1
# X25519 + ChaCha20-Poly1305 + SHA-256 + ECDSA P-256. Suite 1 (post-quantum hybrid) and 3 (国密) are reserved.
SUITE: Final = 2
MAX_RECORD_BYTES: Final = 4096
MAX_CAUSE_CHARS: Final = 200
MAX_LENGTH_BYTES: Final = 2**40
EMPTY_HASH: Final = b""

# Causes of gaps and ends, as they stand in records; screens translate them.
CAUSES: Final = (
    "power_loss",
    "crash",
    "reboot",
    "storage_full",
    "camera_stall",
    "camera_timeout",
    "encoder_stall",
    "memory",
    "card_slow",
    "card_read_only",
    "card_failed",
    "clock_step",
    "officer",
    "centre",
    "sos",
    "neighbour",
    "live",
    "watch_me",
    "lost",
    "shutdown",
    "restart",
    "start",
    "source_ended",
)


class ChainError(ValueError):
    """A record does not continue its chain. ``seq`` is the place in the chain, ``reason`` one sentence."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"Record {seq}: {reason}")
        self.seq = seq
        self.reason = reason


class Kind(IntEnum):
    """What a record states."""

    OPEN = 0
    SEGMENT = 1
    GAP = 2
    FINAL = 3


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record. Times in ms: ``started_ms`` wall since the epoch, ``monotonic_ms`` since boot.

    ``extra`` of the opening: ``kit`` (id), ``boot`` (hex), ``previous`` ([recording id, head] of the recording
    before it on this kit, or None), and what the recorder wishes to state of officer and camera. ``extra`` of any
    record may hold ``gps_ms``: satellite time at ``monotonic_ms``, beside which ``started_ms`` may be wrong.
    """

    kind: Kind
    recording_id: bytes
    seq: int
    prev: bytes
    started_ms: int
    monotonic_ms: int
    duration_ms: int = 0
    cipher_hash: bytes = EMPTY_HASH
    clear_hash: bytes = EMPTY_HASH
    length: int = 0
    cause: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    suite: int = SUITE
    version: int = VERSION


# Integer keys keep a record near 200 bytes.
_KEYS: Final[dict[int, str]] = {
    1: "version",
    2: "suite",
    3: "kind",
    4: "recording_id",
    5: "seq",
    6: "prev",
    7: "cipher_hash",
    8: "clear_hash",
    9: "length",
    10: "started_ms",
    11: "duration_ms",
    12: "monotonic_ms",
    13: "cause",
    14: "extra",
}
_BYTES_FIELDS: Final = ("recording_id", "prev", "cipher_hash", "clear_hash")
_MAX_TIME_MS: Final = 7_258_118_400_000


@dataclass(frozen=True)
class ChainState:
    """Where a chain stands: the next record must carry ``next_seq`` and ``prev``."""

    recording_id: bytes
    next_seq: int
    prev: bytes
    closed: bool = False


class Signatory(Protocol):
    """Whoever else than a kit may sign a chain: the centre, of a session's record (`contract.session_record`)."""

    def verify_record(self, signed: Signed) -> None:
        """Raise BadSignatureError unless this signatory signed the record."""
        ...


Key = EllipticCurvePublicKey | Signatory


def begin(recording_id: bytes, domain: bytes = DOMAIN) -> ChainState:
    """The state before the opening record: its ``prev`` is the digest of domain and recording id."""
    return ChainState(recording_id, 0, hashlib.sha256(domain + b"\0open\0" + recording_id).digest())


def check_signature(signed: Signed, key: Key) -> None:
    """Raise BadSignatureError unless ``key`` (of a kit, or another signatory's) signed the record."""
    if isinstance(key, EllipticCurvePublicKey):
        verify_p256(key, DOMAIN, signed.body, signed.sig)
    else:
        key.verify_record(signed)


def link_hash(signed: Signed) -> bytes:
    """What the next record carries as ``prev``: SHA-256 of body and signature."""
    return hashlib.sha256(signed.body + signed.sig).digest()


def clear_hash(salt: bytes, fmp4: bytes) -> bytes:
    """The blinded digest of a clear segment."""
    return hashlib.sha256(salt + fmp4).digest()


def encode(record: Record) -> bytes:
    """The record's body; fields at their default are left out."""
    fields = {}
    for key, name in _KEYS.items():
        value = getattr(record, name)
        if value not in (EMPTY_HASH, "", {}) and not (name in ("length", "duration_ms") and value == 0):
            fields[key] = int(value) if isinstance(value, int) else value
    return dumps(fields)


def decode(body: bytes) -> Record:
    """Read a record's body strictly; raise CodecError when a field is unknown, missing, mistyped or out of range."""
    if len(body) > MAX_RECORD_BYTES:
        raise CodecError(f"A chain record has more than {MAX_RECORD_BYTES} bytes.")
    fields = loads(body)
    if not isinstance(fields, dict) or any(key not in _KEYS for key in fields):
        raise CodecError("A chain record must be a map of known fields.")
    values = {_KEYS[key]: value for key, value in fields.items()}
    _check_fields(values)
    try:
        record = Record(**{**values, "kind": Kind(values["kind"])})
    except (KeyError, TypeError, ValueError) as error:
        raise CodecError(f"A chain record is incomplete: {error}.") from error
    if encode(record) != body:
        raise CodecError("A chain record spells out a default, so its digest would be ambiguous.")
    _check_shape(record)
    return record


def _check_fields(values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name in _BYTES_FIELDS:
            if not isinstance(value, bytes) or len(value) != (16 if name == "recording_id" else 32):
                raise CodecError(f"Field {name} of a chain record has a wrong type or length.")
        elif name == "cause":
            if not isinstance(value, str) or len(value) > MAX_CAUSE_CHARS:
                raise CodecError("Field cause of a chain record is not a short text.")
        elif name == "extra":
            if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
                raise CodecError("Field extra of a chain record is not a map with text keys.")
        elif type(value) is not int or not 0 <= value <= _MAX_TIME_MS:
            raise CodecError(f"Field {name} of a chain record is not a number in range.")


def _check_shape(record: Record) -> None:
    if record.version != VERSION or record.suite != SUITE:
        raise CodecError(
            f"Version {record.version} with suite {record.suite} is not known here; use a newer program."
        )
    has_digests = bool(record.cipher_hash and record.clear_hash and record.length)
    has_any = bool(record.cipher_hash or record.clear_hash or record.length)
    if has_digests != (record.kind is Kind.SEGMENT) or has_any != has_digests or record.length > MAX_LENGTH_BYTES:
        raise CodecError("Only a segment's record carries digests and a length, and it carries all of them.")
    if (record.kind is Kind.OPEN) != (record.seq == 0):
        raise CodecError("The opening record, and only it, has number 0.")
    if record.kind is Kind.GAP and not record.cause:
        raise CodecError("A gap must state its cause.")
    if record.kind is Kind.OPEN and not any(isinstance(record.extra.get(key), str) for key in ("kit", "session")):
        raise CodecError("The opening record must name its kit, or its session.")


def sign(key: EllipticCurvePrivateKey, body: bytes) -> bytes:
    """Signature of a record's body by the device key."""
    return sign_p256(key, DOMAIN, body)


def check_record(signed: Signed, key: Key, state: ChainState) -> tuple[Record, ChainState]:
    """Check that ``signed`` is by ``key`` and is the next record of ``state``; give it and the state after it.

    Raises ChainError naming the place in the chain.
    """
    seq = state.next_seq
    try:
        check_signature(signed, key)
        record = decode(signed.body)
    except (BadSignatureError, CodecError) as error:
        raise ChainError(seq, str(error)) from error
    if state.closed:
        raise ChainError(seq, "the recording was already closed; this record was added.")
    if record.recording_id != state.recording_id:
        raise ChainError(seq, "the record belongs to another recording.")
    if record.seq != seq:
        raise ChainError(seq, f"record {record.seq} stands here; records were dropped, swapped or repeated.")
    if record.prev != state.prev:
        raise ChainError(seq, "the record does not continue the one before it.")
    return record, ChainState(state.recording_id, seq + 1, link_hash(signed), record.kind is Kind.FINAL)
