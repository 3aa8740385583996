"""Which kits were ordered to record together, for which call, and until when. Writer and reads; never commits."""

from __future__ import annotations

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from central.base.unit_of_work import UnitOfWork
from central.devices.rules import KitRef
from central.incidents.models import RecordingCall


def add_call(uow: UnitOfWork, call_id: str, origin: KitRef, kit: KitRef, *, distance_m: int, number: int) -> None:
    """Enter that `kit` was ordered by directive `number` to record for a call from `origin`, `distance_m` away."""
    row = RecordingCall(
        call_id=call_id,
        kit_no=kit.kit_no,
        kit_id=kit.kit_id,
        origin_kit_no=origin.kit_no,
        distance_m=distance_m,
        number=number,
        ordered_ms=uow.now_ms,
    )
    uow.session.add(row)
    uow.session.flush()


def close_call(uow: UnitOfWork, call_id: str) -> list[str]:
    """End a call once; returns the ids of the kits ordered for it, nearest first, none when it was ended before."""
    query = select(RecordingCall.kit_id).where(
        RecordingCall.call_id == call_id, col(RecordingCall.ended_ms).is_(None)
    )
    kit_ids = list(uow.session.exec(query.order_by(col(RecordingCall.distance_m))))
    rule = update(RecordingCall).where(col(RecordingCall.call_id) == call_id, col(RecordingCall.ended_ms).is_(None))
    return kit_ids if uow.connection.execute(rule.values(ended_ms=uow.now_ms)).rowcount else []


def count_calls(session: Session, origin_kit_no: int, *, since_ms: int) -> int:
    """Return for how many calls from a kit others were ordered since then, for work inside the centre."""
    query = select(func.count(col(RecordingCall.call_id).distinct())).where(
        RecordingCall.origin_kit_no == origin_kit_no, RecordingCall.ordered_ms >= since_ms
    )
    return session.exec(query).one()


def list_open_calls(session: Session, origin_kit_no: int) -> list[str]:
    """Return the calls from a kit that still have kits recording, oldest first, for work inside the centre."""
    query = select(RecordingCall.call_id, RecordingCall.ordered_ms).where(
        RecordingCall.origin_kit_no == origin_kit_no, col(RecordingCall.ended_ms).is_(None)
    )
    return list(dict.fromkeys(call_id for call_id, _ in session.exec(query.order_by(col(RecordingCall.ordered_ms)))))
