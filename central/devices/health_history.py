"""A kit's health hour by hour, and the fleet's health for those who may see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import delete
from sqlmodel import Session, col, select

from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission
from central.devices import health, queries
from central.devices.health import HealthLimits, HealthView
from central.devices.models import KitHealthHour
from central.devices.queries import KitView
from contract.health import Health


@dataclass(frozen=True)
class FleetLine:
    """A kit and how it is."""

    view: KitView
    health: HealthView


def note_hour(uow: UnitOfWork, kit_no: int, report: Health, *, received_ms: int) -> None:
    """Keep the worst of this hour; writes only when a report is worse than those before it."""
    hour_ms = received_ms - received_ms % health.HOUR_MS
    row = uow.session.get(KitHealthHour, (kit_no, hour_ms))
    is_new = row is None
    row = row or KitHealthHour(kit_no=kit_no, hour_ms=hour_ms, free_min_bytes=report.free_bytes)
    row.battery_min_pct = _least(row.battery_min_pct, report.battery_pct)
    row.temp_max_c = _most(row.temp_max_c, report.temp_c)
    row.messages_max = max(row.messages_max, report.queue_outbox)
    row.segments_max = max(row.segments_max, report.queue_segments)
    row.free_min_bytes = min(row.free_min_bytes, report.free_bytes)
    if is_new:
        uow.session.add(row)


class KitHour(NamedTuple):
    """The worst of one hour."""

    hour_ms: int
    battery_min_pct: float | None
    temp_max_c: float | None
    segments_max: int


def list_hours(session: Session, actor: Actor, kit_id: str, *, now_ms: int) -> list[KitHour]:
    """Return the kit's last hours, oldest first. Raises ForbiddenError, NotFoundError."""
    kit = queries.get_kit(session, actor, kit_id, now_ms=now_ms).kit
    first_ms = now_ms - health.HISTORY_HOURS * health.HOUR_MS
    query = select(KitHealthHour).where(KitHealthHour.kit_no == kit.kit_no, col(KitHealthHour.hour_ms) > first_ms)
    rows = session.exec(query.order_by(col(KitHealthHour.hour_ms)))
    return [KitHour(row.hour_ms, row.battery_min_pct, row.temp_max_c, row.segments_max) for row in rows]


def list_fleet(session: Session, actor: Actor, *, now_ms: int, limits: HealthLimits) -> list[FleetLine]:
    """Return the kits of the actor's courts that are not revoked, the worst first. Raises ForbiddenError."""
    check_permission(actor, "see_health")
    lines = [
        FleetLine(view, judge_view(view, now_ms=now_ms, limits=limits))
        for view in queries.list_kits(session, actor, now_ms=now_ms)
        if view.kit.revoked_ms is None
    ]
    return sorted(lines, key=lambda line: (*line.health.rank(), line.view.kit.kit_id))


def judge_view(view: KitView, *, now_ms: int, limits: HealthLimits) -> HealthView:
    """Judge what a kit said last."""
    state = view.state
    if state is None:
        return HealthView((), None)
    return health.judge_health(
        state.health,
        now_ms=now_ms,
        received_ms=state.health_ms,
        limits=limits,
        clock_offset_ms=state.clock_offset_ms,
    )


def count_versions(lines: Sequence[FleetLine]) -> list[tuple[str, int]]:
    """How many kits run which software, the most frequent first; "" for kits that were never heard."""
    return Counter(line.view.state.version if line.view.state else "" for line in lines).most_common()


def prune_hours(uow: UnitOfWork, *, before_ms: int) -> int:
    """Forget hours before that time; returns how many rows went."""
    return uow.connection.execute(delete(KitHealthHour).where(col(KitHealthHour.hour_ms) < before_ms)).rowcount


def _least(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _most(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)
