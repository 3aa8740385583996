"""What the centre does by the clock.

Past its time and forgotten: outbox rows, sessions, directives, old fixes, remembered items, hours of health, boots
and logs of kits. Come to its time: moves of courts, ends of pauses, ends of remote commands and what nobody decided
or ratified.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from central.base.outbox import prune_outbox
from central.base.settings import Settings
from central.base.unit_of_work import Store, UnitOfWork
from central.cases import service as cases
from central.command import service as command
from central.courts import service as courts
from central.devices import rules
from central.devices import service as devices
from central.devices.health_history import prune_hours
from central.devices.logs import LogShelf, remove_old_logs
from central.flows.old_boots import prune_boots
from central.people import service as people

BITE = 2000
_DAY_MS = 24 * 3600 * 1000
_HOUR_MS = 3600 * 1000
# The curve shows a day; a week lets somebody look back after a weekend.
_HEALTH_DAYS = 8


def keep_house(store: Store, settings: Settings) -> dict[str, int]:
    """Forget in transactions small enough that no writer waits for long; returns how much of what went."""
    now_ms = store.clock.now_ms()
    with store.write() as uow:
        people.prune_sessions(uow)
        counts = {
            "directives_expired": devices.expire_directives(uow),
            "courts_settled": courts.settle_courts(uow),
            "pauses_ended": cases.end_due_pauses(uow),
            "commands_ended": command.expire_sessions(uow),
            "command_requests_lapsed": command.lapse_requests(uow),
            "emergencies_unratified": command.note_overdue(uow),
            "health_hours": prune_hours(uow, before_ms=now_ms - _HEALTH_DAYS * _DAY_MS),
            "outbox": prune_outbox(uow.session, before_ms=now_ms - settings.outbox_retention_hours * _HOUR_MS),
        }
    with store.read() as session:
        counts["papers_swept"] = cases.sweep_documents(session, settings, now_ms=now_ms)
    old_ms = now_ms - settings.position_retention_days * _DAY_MS
    counts["positions"] = _in_bites(store, lambda uow: devices.prune_positions(uow, before_ms=old_ms, limit=BITE))
    forgotten_ms = now_ms - rules.OLDEST_BACKLOG_MS
    counts["items"] = _in_bites(store, lambda uow: devices.prune_items(uow, before_ms=forgotten_ms, limit=BITE))
    counts["boots"] = prune_boots(store, bite=BITE)
    log_ms = now_ms - settings.log_retention_days * _DAY_MS
    counts["logs"] = remove_old_logs(store, LogShelf(Path(settings.data_dir)), before_ms=log_ms)
    return counts


def _in_bites(store: Store, prune: Callable[[UnitOfWork], int]) -> int:
    total = 0
    while True:
        with store.write() as uow:
            count = prune(uow)
        total += count
        if count < BITE:
            return total
