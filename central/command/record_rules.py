"""What the record of a session is made of, and what can be wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from central.base.errors import ConflictError, DomainError, InvalidInputError, NotFoundError

CENTRE_NAME: Final = "zhixing-centre"
MAX_PURPOSE_CHARS: Final = 200
# Of a clip that is opened at once; a session of hours is looked through part by part.
CLIP_MS: Final = 300_000
# So often the head of a long session's record is entered in the audit chain, in segments.
ANCHOR_EVERY: Final = 60
# Why a stretch of a session was relayed and not recorded; each is among `contract.phrases.CAUSES`.
CRASH, FULL, FAILED, NO_KEYS, MEMORY, CENTRE = "crash", "storage_full", "disk_failed", "no_keys", "memory", "centre"


class RecordMissingError(NotFoundError):
    """A session has no record, or the segment asked for is not in it."""

    code: ClassVar[str] = "session_record_missing"


class RecordDamagedError(ConflictError):
    """A sealed segment of a session's record is not what the centre signed for."""

    code: ClassVar[str] = "session_record_damaged"


class RecordStoreFullError(DomainError):
    """The disk is full: what is relayed cannot be recorded."""

    code: ClassVar[str] = "session_record_full"


class RecordKeysMissingError(DomainError):
    """What seals and signs a record was not handed over."""

    code: ClassVar[str] = "session_record_keys"


class RecordPurposeError(InvalidInputError):
    """A session's record is opened and exported for a stated purpose only."""

    code: ClassVar[str] = "session_record_purpose"


class NoPictureError(NotFoundError):
    """The source has neither picture nor sound in the part asked for."""

    code: ClassVar[str] = "session_record_empty"


@dataclass(frozen=True, kw_only=True)
class SealedPart:
    """A segment as it lies on disk: what its signed record states. Times in ms since 1970 UTC, the centre's clock.

    `tracks` counts frames by track (`track_name`); `entry_no` is the number of the last entry of the log in it.
    """

    seq: int
    cipher_hash: bytes
    clear_hash: bytes
    length: int
    started_ms: int
    duration_ms: int
    monotonic_ms: int
    tracks: dict[str, int]
    entry_no: int


@dataclass(frozen=True)
class Track:
    """One picture of a session: a source and which of its streams, from when to when, in how many frames."""

    source: str
    stream: int
    started_ms: int
    ended_ms: int
    frames: int


@dataclass(frozen=True)
class RecordState:
    """Where a record stands: number of its next chain record, and of the last line of the log that is sealed."""

    next_seq: int = 0
    entry_no: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the session's log as JSON, bound to the one before it (`command.rules.hash_entry`)."""

    no: int
    at_ms: int
    kind: str
    body: bytes


def track_name(source: str, stream: int) -> str:
    """The name under which frames are counted: a picture's source and stream."""
    return f"{source}/{stream}"


def voice_name(source: str) -> str:
    """The name under which a talker's packets are counted."""
    return f"{source}/voice"


def list_tracks(parts: Sequence[tuple[int, int, dict[str, int]]]) -> list[Track]:
    """The pictures of a session, each source's better one first.

    `parts`: started_ms, duration_ms and frames by track of each segment.
    """
    spans: dict[str, tuple[int, int, int]] = {}
    for started_ms, duration_ms, tracks in parts:
        for name, frames in tracks.items():
            first, _, total = spans.get(name, (started_ms, 0, 0))
            spans[name] = (first, started_ms + duration_ms, total + frames)
    found = []
    for name, (first, last, total) in sorted(spans.items()):
        source, _, stream = name.rpartition("/")
        if stream.isdecimal():
            found.append(Track(source, int(stream), first, last, total))
    return found


def check_purpose(purpose: str) -> str:
    """Return the purpose without outer blanks; raise RecordPurposeError when there is none."""
    purpose = purpose.strip()
    if not purpose or len(purpose) > MAX_PURPOSE_CHARS:
        raise RecordPurposeError(
            f"State for what the session's record is opened, in 1 to {MAX_PURPOSE_CHARS} characters.",
            limit=MAX_PURPOSE_CHARS,
        )
    return purpose
