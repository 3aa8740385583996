"""What the officer's page shows, put together from the spool and the machine: codes and numbers, no sentences."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from contract.categories import CATEGORIES
from contract.orders import OUTCOMES, REFUSALS
from edge import __version__
from edge.screen.command_facts import read_command
from edge.sensors import find_card, is_charging, read_battery, read_memory, read_temperature, read_throttle, read_wear
from edge.settings import Settings
from edge.spool import Spool
from edge.spool.tasks import TaskRow

# Counting what waits walks an index: over a week of positions that is not for every second.
COUNT_EVERY_S: Final = 5.0
_FELT_SHOWN: Final = 3
# An SOS that a person has taken is told for so long.
SOS_SHOWN_MS: Final = 30 * 60 * 1000

Facts = dict[str, Any]


class FactsReader:
    """Reads the facts again and again; slow ones are kept for ``COUNT_EVERY_S``."""

    def __init__(
        self,
        spool: Spool,
        settings: Settings,
        *,
        now_s: Callable[[], float] = time.monotonic,
        boot_ms: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
        power: Path = Path("/sys/class/power_supply"),
    ) -> None:
        self._spool, self._settings = spool, settings
        self._now_s, self._boot_ms, self._power = now_s, boot_ms, power
        self._card = find_card(settings.data_dir)
        self._slow: Facts = {}
        self._slow_until_s = float("-inf")

    def read(self) -> Facts:
        """Everything the page shows, as JSON can carry it. Times are ms, wall clock of the kit."""
        lost = self._table("lost") or None
        return {
            "kit": self._settings.kit.id,
            "version": __version__,
            "boot": self._spool.boot,
            "lost": lost,
            "recording": self._read_recording(),
            "category": str((self._table("category")).get("code", "")),
            "categories": CATEGORIES,
            "refusals": REFUSALS,
            "outcomes": OUTCOMES,
            "duty": self._spool.state.get("duty") is True,
            "quiet": self._read_quiet(),
            "position": self._read_position(),
            "link": self._read_link(),
            "storage": self._table("storage_level"),
            "card": self._table("card"),
            "clock": self._table("clock_status"),
            "certificate": self._table("certificate"),
            "warnings": self._spool.state.get("health_warnings") or [],
            "sos": self._read_sos(),
            "felt": (self._spool.state.get("felt") or [])[-_FELT_SHOWN:],
            # In whose hands a lost kit is nobody knows: names and cases of tasks do not leave the spool.
            "tasks": [] if lost else [self._read_task(task) for task in self._spool.tasks.newest()],
            "task_current": None if lost else self._spool.state.get("task_current"),
            "restarts": self._read_restarts(),
            **read_command(self._spool, self._settings, is_lost=lost is not None),
            **self._read_slow(),
        }

    def _read_slow(self) -> Facts:
        if self._now_s() >= self._slow_until_s:
            self._slow_until_s = self._now_s() + COUNT_EVERY_S
            battery = read_battery(self._power)
            self._slow = {
                "queue": {
                    "messages": self._spool.outbox.count(),
                    "segments": self._spool.vault.count_pending(),
                    "bytes": self._spool.vault.total_bytes(),
                    "oldest_ms": self._spool.outbox.oldest_ms(),
                    "trouble": str(self._table("upload_status").get("trouble") or ""),
                },
                "battery": None
                if battery is None
                else {"percent": round(battery), "charging": is_charging(self._power)},
                "machine": {
                    "temp_c": read_temperature(),
                    "memory_pct": read_memory(),
                    "wear_pct": read_wear(self._card),
                    "throttle": read_throttle(),
                },
            }
        return self._slow

    def _read_recording(self) -> Facts:
        status, wanted = self._table("recorder_status"), self._table("recording_wanted")
        return {
            "state": str(status.get("state", "")),
            "on": bool(status.get("recording")),
            "id": status.get("recording_id"),
            "since_ms": status.get("since_ms"),
            "ends_ms": status.get("ends_ms"),
            "note": str(status.get("note", "")),
            "wanted": bool(wanted.get("on")),
            "cause": str(wanted.get("cause", "")) if wanted.get("on") else "",
            "by": str(wanted.get("by", "")) if wanted.get("on") else "",
        }

    def _read_position(self) -> Facts:
        fix = self._table("last_fix")
        here = fix.get("boot") == self._spool.boot
        return {
            "status": str(self._spool.state.get("gps_status") or ""),
            "lat": fix.get("lat"),
            "lon": fix.get("lon"),
            "accuracy_m": fix.get("accuracy_m"),
            "suspect": str(fix.get("suspect", "")),
            # Of this boot alone: across a restart nobody knows how long the kit was off.
            "mono_ms": fix.get("monotonic_ms") if here else None,
        }

    def _read_link(self) -> Facts:
        link, metered = self._table("link_status"), self._table("metered")
        officer = self._table("metered_officer").get("on")
        return {
            "connected": bool(link.get("connected")),
            "since_ms": link.get("since_ms"),
            "reason": str(link.get("reason", "")),
            "metered": bool(metered.get("on")),
            "thin": bool(metered.get("thin")),
            "metered_why": str(metered.get("why", "")),
            "metered_officer": officer if isinstance(officer, bool) else None,
            "up_kbps": self._table("link_speed").get("up_kbps"),
        }

    def _read_sos(self) -> Facts | None:
        sos = self._table("sos")
        if not sos:
            return None
        age_ms = self._boot_ms() - sos["boot_ms"] if sos.get("boot") == self._spool.boot else None
        over = bool(sos.get("acked") or sos.get("withdrawn"))
        if over and (age_ms is None or age_ms > SOS_SHOWN_MS):
            return None
        window_ms = self._settings.panel.withdraw_s * 1000
        return {
            "alarm_id": sos.get("alarm_id"),
            "pressed_ms": sos.get("pressed_ms"),
            "receipted": bool(sos.get("receipted")),
            "acked": bool(sos.get("acked")),
            "acked_by": str(sos.get("acked_by", "")),
            "withdrawn": bool(sos.get("withdrawn")),
            "withdrawable": not sos.get("withdrawn") and age_ms is not None and 0 <= age_ms <= window_ms,
        }

    def _read_task(self, task: TaskRow) -> Facts:
        waits = task.receipt_seq is not None and self._spool.outbox.is_pending(task.receipt_seq)
        return {
            **msgspec.to_builtins(task.read_body()),
            "number": task.number,
            "issued_ms": task.issued_ms,
            "state": task.state,
            "state_ms": task.state_ms,
            "note": task.note,
            # Where the last answer is: on this kit alone, or at the centre.
            "at_centre": not waits,
        }

    def _read_quiet(self) -> bool:
        quiet = self._spool.state.get("quiet")
        return quiet if isinstance(quiet, bool) else self._settings.panel.quiet

    def _read_restarts(self) -> dict[str, int]:
        return {name: told["restarts"] for name, told in self._table("children").items() if isinstance(told, dict)}

    def _table(self, key: str) -> Facts:
        told = self._spool.state.get(key)
        return told if isinstance(told, dict) else {}
