"""What a recording is, which records may join its chain, and what its continuity statement says. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple

from central.base.errors import ConflictError, DomainError, ForbiddenError, InvalidInputError, NotFoundError
from contract.chain import Kind

FOREIGN_TEXT: Final = "The recording belongs to another kit; a kit may only continue its own."
STORE_FULL_TEXT: Final = "The centre's evidence store is full: keep the segment and try again later; make room there."
CENTRE_NAME: Final = "zhixing-centre"
# Records that came before their predecessors; a kit sends in order, so a few hundred is already much.
MAX_WAITING: Final = 5000
# Segments follow each other within half a frame or so; a longer silence wants a signed gap.
UNSTATED_GAP_MS: Final = 1500
MAX_PURPOSE_CHARS: Final = 200

Verdict = Literal["accepted", "repeat", "waiting", "refused"]


class ForeignRecordingError(ForbiddenError):
    """A recording belongs to another kit."""

    code: ClassVar[str] = "foreign_recording"


class ChainRecordMissingError(ConflictError):
    """A segment came before the record that names it."""

    code: ClassVar[str] = "chain_record_missing"


class DigestMismatchError(ConflictError):
    """A segment is not the one its signed record names, or another one is stored already."""

    code: ClassVar[str] = "digest_mismatch"


class StoreFullError(DomainError):
    """The evidence store has too little room to promise anything."""

    code: ClassVar[str] = "store_full"


class HandoverMissingError(DomainError):
    """A file of the device authority that belongs to every package is not here."""

    code: ClassVar[str] = "handover_missing"


class SegmentNotStoredError(NotFoundError):
    """The record is known, its segment has not arrived."""

    code: ClassVar[str] = "segment_not_stored"


class SegmentDamagedError(ConflictError):
    """A stored segment no longer matches its signed record."""

    code: ClassVar[str] = "segment_damaged"


class ProxyRefusedError(ConflictError):
    """A small picture is not what its signed record says, or not of this segment."""

    code: ClassVar[str] = "proxy_refused"


class NothingMissingError(ConflictError):
    """Originals are asked for that are all here."""

    code: ClassVar[str] = "nothing_missing"


class NothingToExportError(ConflictError):
    """A recording without any chained record has nothing a court could check."""

    code: ClassVar[str] = "nothing_to_export"


class PurposeMissingError(InvalidInputError):
    """Evidence is opened for a stated purpose only."""

    code: ClassVar[str] = "purpose_missing"


class RecordVerdict(NamedTuple):
    """What became of one signed record. ``code`` and ``reason`` are set when it was refused."""

    verdict: Verdict
    recording_id: str = ""
    seq: int = -1
    code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class SegmentFacts:
    """What the chain says of one segment or gap, and whether the segment is here."""

    seq: int
    kind: Kind
    started_ms: int
    monotonic_ms: int
    duration_ms: int
    cause: str
    stored: bool


@dataclass(frozen=True)
class Discontinuity:
    """A stretch without evidence. ``stated``: the kit signed for it itself."""

    seq: int
    cause: str
    started_ms: int
    duration_ms: int | None
    stated: bool


@dataclass(frozen=True)
class Continuity:
    """How whole a recording is: ``whole`` when closed, nothing missing and no gap of any kind."""

    whole: bool
    closed: bool
    gaps: tuple[Discontinuity, ...]


def check_purpose(purpose: str) -> str:
    """Return the purpose without outer blanks; raise PurposeMissingError when there is none."""
    purpose = purpose.strip()
    if not purpose or len(purpose) > MAX_PURPOSE_CHARS:
        raise PurposeMissingError(
            f"State for what the evidence is opened, in 1 to {MAX_PURPOSE_CHARS} characters.",
            limit=MAX_PURPOSE_CHARS,
        )
    return purpose


def state_continuity(facts: Sequence[SegmentFacts], *, closed: bool, waiting: bool) -> Continuity:
    """The continuity statement of a chain, in order of its records.

    Besides the kit's own gap records it names segments that have not arrived (``not_received``), silences nobody
    signed for (``unstated``), and records whose predecessors are missing (``records_missing``).
    """
    gaps: list[Discontinuity] = []
    end_ms: int | None = None
    for fact in facts:
        if fact.kind is Kind.GAP:
            gaps.append(Discontinuity(fact.seq, fact.cause, fact.started_ms, fact.duration_ms, stated=True))
            end_ms = None  # what follows a stated gap may start anew, even on another boot's clock
        elif fact.kind is Kind.SEGMENT:
            silent_ms = fact.monotonic_ms - end_ms if end_ms is not None else 0
            if abs(silent_ms) > UNSTATED_GAP_MS:
                started_ms = fact.started_ms - max(silent_ms, 0)
                gaps.append(Discontinuity(fact.seq, "unstated", started_ms, silent_ms, stated=False))
            if not fact.stored:
                gaps.append(Discontinuity(fact.seq, "not_received", fact.started_ms, fact.duration_ms, stated=False))
            end_ms = fact.monotonic_ms + fact.duration_ms
    if waiting:
        last = facts[-1] if facts else None
        gaps.append(
            Discontinuity(last.seq + 1 if last else 0, "records_missing", last.started_ms if last else 0, None, False)
        )
    return Continuity(closed and not gaps, closed, tuple(gaps))
