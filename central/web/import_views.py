"""What the import pages show of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from central.imports.rules import OPEN_STATES, STALE_MS


@dataclass(frozen=True)
class JobView:
    """A job with what is worked out from it."""

    job: Any
    is_open: bool
    percent: int
    rows_per_s: int
    left_s: int | None
    """Seconds it will still take, None while that cannot be told."""
    is_silent: bool
    """Its worker has not been heard of for a while; another takes it up."""
    can_be_real: bool
    can_cancel: bool
    differences: int
    is_clean: bool
    """Every row was taken and every count agrees."""


def view_job(job: Any, *, now_ms: int) -> JobView:
    """Return the view of a job."""
    share = min(1.0, job.read_bytes / job.size_bytes) if job.size_bytes else 0.0
    spent_ms = (job.ended_ms or now_ms) - (job.started_ms or now_ms)
    rate = job.rows_read * 1000 // max(1, spent_ms)
    left_s = round(spent_ms / 1000 * (1 - share) / share) if share > 0.02 and spent_ms > 3000 else None
    outcome = job.reconciliation or {}
    return JobView(
        job=job,
        is_open=job.state in OPEN_STATES,
        percent=int(share * 100),
        rows_per_s=rate,
        left_s=left_s,
        is_silent=job.state == "running" and now_ms - (job.heartbeat_ms or now_ms) > STALE_MS,
        can_be_real=job.is_dry_run and job.state == "done" and bool(job.file_id),
        can_cancel=job.state in ("waiting", "queued", "running"),
        differences=int(outcome.get("differences", 0)),
        is_clean=job.state == "done" and not job.rejected_count and not outcome.get("differences"),
    )


@dataclass
class GroupRow:
    """Cases of one court and type: in the file, in the database, and each by state."""

    court: str
    type_code: str
    in_file: int = 0
    in_database: int = 0
    claim_fen: int = 0
    states: list[tuple[str, int, int]] = field(default_factory=list)

    @property
    def is_short(self) -> bool:
        """Whether the database holds fewer than the file."""
        return self.in_database < self.in_file


def group_rows(reconciliation: Mapping[str, Any] | None) -> list[GroupRow]:
    """Return the groups of a reconciliation by court and type, in their order."""
    rows: dict[tuple[str, str], GroupRow] = {}
    for group in (reconciliation or {}).get("groups", ()):
        place = (group["court"], group["type"])
        row = rows.setdefault(place, GroupRow(*place))
        row.in_file += group["file"]
        row.in_database += group["database"]
        row.claim_fen += group["file_claim_fen"]
        row.states.append((group["state"], group["file"], group["database"]))
    return list(rows.values())
