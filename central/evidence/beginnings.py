"""When recordings began as the centre believes: by their opening record, then by what the kit's boots tell."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from central.base.unit_of_work import UnitOfWork
from central.devices.times import (
    CENTRE_CLOCK_MS,
    FIX_LATENCY_MS,
    OLDEST_MS,
    PRECISE_MS,
    TellMoment,
    Told,
    tell_by_wall,
)
from central.evidence.models import ChainLink, Recording
from contract.chain import Record

# Of one kit in one transaction; the newest count.
_SETTLED_AT_ONCE = 2000


def tell_beginning(record: Record, received_ms: int) -> Told:
    """When a recording began by its opening record alone: by the satellites, else by the kit's wall clock."""
    gps_ms = record.extra.get("gps_ms")
    if isinstance(gps_ms, int) and received_ms - OLDEST_MS <= gps_ms <= received_ms + CENTRE_CLOCK_MS:
        return Told(min(gps_ms, received_ms), FIX_LATENCY_MS // 2, "gps")
    return tell_by_wall(record.started_ms, received_ms)


def settle_beginnings(uow: UnitOfWork, kit_no: int, tell: TellMoment, recast: Sequence[str]) -> int:
    """Tell again when the kit's recordings began, where that is not known to a second yet.

    In the boots `recast` all are told again. Returns how many are still known less exactly.
    """
    left = 0
    error_ms = col(Recording.begun_error_ms)
    query = (
        select(Recording, ChainLink)
        .join(ChainLink, (col(ChainLink.recording_id) == Recording.id) & (col(ChainLink.seq) == 0))
        .where(Recording.kit_no == kit_no)
    )
    if not recast:
        query = query.where(error_ms.is_(None) | (error_ms > PRECISE_MS))
    newest = query.order_by(col(Recording.received_ms).desc()).limit(_SETTLED_AT_ONCE)
    for recording, link in uow.session.exec(newest).all():
        boot = str(recording.opening.get("boot", ""))
        if boot not in recast and (recording.begun_error_ms or PRECISE_MS + 1) <= PRECISE_MS:
            continue
        told = tell(boot, link.monotonic_ms, link.started_ms, recording.received_ms)
        left += told is not None and (told.error_ms is None or told.error_ms > PRECISE_MS)
        if told is None or told == (recording.begun_ms, recording.begun_error_ms, recording.begun_by):
            continue
        recording.begun_ms, recording.begun_error_ms, recording.begun_by = told
        uow.session.add(recording)
    uow.session.flush()
    return left


def list_boots_of_beginnings(session: Session, kit_no: int) -> set[str]:
    """The boots of a kit's recordings whose beginning is not known to a second, and may be told better yet."""
    error_ms = col(Recording.begun_error_ms)
    query = select(Recording.opening).where(Recording.kit_no == kit_no, error_ms.is_(None) | (error_ms > PRECISE_MS))
    return {str(opening.get("boot", "")) for opening in session.exec(query).all()}
