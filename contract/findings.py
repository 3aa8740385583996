"""What a check of a package can find. Values only; `contract.phrases` says them to people."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from contract.continuity import Continuity


class Verdict(StrEnum):
    """GENUINE needs a trust anchor; without one the best is UNPROVEN."""

    GENUINE = "genuine"
    UNPROVEN = "unproven"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """The first thing wrong.

    `what` is dropped, swapped, cut, flipped, added, altered or foreign; `where` is chain, segment, disclosure,
    certificates, head, trust, absences, manifest or file; `seq` is the number of the record or segment; `other` the
    number it was swapped with, the count expected, or the like, as `code` needs it.
    """

    what: str
    where: str
    code: str
    seq: int | None = None
    other: int | None = None
    name: str = ""


class BrokenError(ValueError):
    """Carries the first finding out of a check."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The answer. What could not be established for a broken package is None."""

    verdict: Verdict
    finding: Finding | None = None
    recording_id: str | None = None
    kit_id: str | None = None
    session: str | None = None
    """Of a session's record, which has no kit: its id, which is the recording's as well."""
    centre: str | None = None
    root_fingerprint: str | None = None
    record_count: int | None = None
    segment_count: int | None = None
    disclosed: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()
    continuity: Continuity | None = None
    remarks: tuple[str, ...] = field(default=())
    notes: dict[str, str] = field(default_factory=dict)
