"""How the kit is, from real sources: heat, charge, memory, card, queues, clock and what its processes say.

A report goes out every ``health_interval_s``; the quick sensors are read more often, and a warning that is urgent
(`edge.uplink.health_rules.URGENT`) is told at once, and so is a link that begins or ceases to count as metered: the
centre offers other things then. The state "health_warnings" holds the codes for the
officer's page.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from contract.health import Health
from contract.messages import encode
from edge import __version__, sensors
from edge.reach.trusted_time import TrustedTime
from edge.settings import Settings
from edge.spool import Spool
from edge.spool.card import find_trouble
from edge.uplink.clock_watch import find_belief
from edge.uplink.health_rules import URGENT, Readings, judge_health

SAMPLE_S: Final = 3.0
STATE: Final = "health_warnings"
# A report must fit into one small packet even over the thinnest link.
NOTE_CHARS: Final = 120
RESTARTED_MS: Final = 600_000
# While a card refuses every write, no report can be written either: it is told for so long afterwards.
CARD_TOLD_S: Final = 600.0


@dataclass(frozen=True)
class Sensors:
    """How the machine is asked; each may be replaced where no such machine is at hand."""

    temperature: Callable[[], float | None] = sensors.read_temperature
    battery: Callable[[], float | None] = sensors.read_battery
    power: Callable[[], sensors.Power] = sensors.read_power
    memory: Callable[[], float | None] = sensors.read_memory
    throttle: Callable[[], list[str]] = sensors.read_throttle
    wear: Callable[[], float | None] = lambda: None


def find_sensors(folder: Path) -> Sensors:
    """The sensors of this machine; the card is the one that ``folder`` lies on."""
    return Sensors(wear=partial(sensors.read_wear, sensors.find_card(folder)))


class HealthReporter:
    """Reads, judges and reports; `turn()` says when it is worth coming again."""

    def __init__(
        self,
        spool: Spool,
        settings: Settings,
        trusted_time: TrustedTime,
        *,
        describe_certificate: Callable[[], Mapping[str, object]] = dict,
        machine: Sensors | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._settings = settings
        self._time = trusted_time
        self._describe_certificate = describe_certificate
        self._machine = machine or find_sensors(settings.data_dir)
        self._monotonic_s = monotonic_s
        self._report_due_s = self._sample_due_s = float("-inf")
        self._slow = Readings()
        self._card = ("", float("-inf"))
        self._told_metered: bool | None = None
        told = spool.state.get(STATE)
        self._warnings: list[str] = [code for code in told if isinstance(code, str)] if isinstance(told, list) else []

    def turn(self) -> float:
        """Read what is due and report when it is time or urgent; returns after how many seconds to come again."""
        now_s = self._monotonic_s()
        if now_s < min(self._report_due_s, self._sample_due_s):
            return min(self._report_due_s, self._sample_due_s) - now_s
        self._sample_due_s = now_s + SAMPLE_S
        is_due = now_s >= self._report_due_s
        if is_due:
            self._slow = self._read_slow()
        readings = self._read_quick(self._slow)
        before, self._warnings = (
            self._warnings,
            judge_health(readings, self._settings.health, frozenset(self._warnings)),
        )
        self._spool.state.set(STATE, self._warnings)
        is_news = URGENT & ({*self._warnings} - {*before}) or self._is_metered() is not self._told_metered
        if is_due or is_news:
            self._report_due_s = now_s + self._settings.kit.health_interval_s
            self._report(readings)
        return max(0.0, min(self._report_due_s, self._sample_due_s) - self._monotonic_s())

    def note_error(self, error: BaseException) -> None:
        """An error of the spool: what it says of the card is told once the card takes a report again."""
        trouble = find_trouble(error)
        if trouble in ("read_only", "failing"):
            self._card = (trouble, self._monotonic_s() + CARD_TOLD_S)

    def _is_metered(self) -> bool:
        return bool(_table(self._spool.state.get("metered")).get("on"))

    def _report(self, readings: Readings) -> None:
        self._told_metered = self._is_metered()
        self._spool.state.set("time_floor_ms", self._time.floor_ms())
        report = build_health(
            self._spool,
            self._time,
            readings=readings,
            warnings=self._warnings,
            source=self._settings.camera.kind,
            certificate=self._describe_certificate(),
        )
        self._spool.outbox.append("health", encode(report))

    def _read_quick(self, slow: Readings) -> Readings:
        state = self._spool.state
        card = str(_table(state.get("card")).get("state", ""))
        if self._monotonic_s() < self._card[1]:
            card = self._card[0]
        return replace(
            slow,
            battery_pct=self._machine.battery(),
            power=self._machine.power(),
            temp_c=self._machine.temperature(),
            throttle=tuple(self._machine.throttle()),
            memory_pct=self._machine.memory(),
            card=card,
            storage=str(_table(state.get("storage_level")).get("level", "")),
        )

    def _read_slow(self) -> Readings:
        spool, now_ms = self._spool, time.time_ns() // 1_000_000
        certificate = self._describe_certificate()
        spool.state.set("certificate", certificate)
        until_ms = certificate.get("until_ms")
        oldest_ms = spool.outbox.oldest_ms()
        belief = find_belief(spool)
        true_ms = belief.get("utc_ms") or now_ms
        children = _table(spool.state.get("children")).values()
        ended_ms = [int(told["at_ms"]) for told in children if told.get("restarts")]
        return Readings(
            wear_pct=self._machine.wear(),
            oldest_age_ms=None if oldest_ms is None else max(0, now_ms - oldest_ms),
            upload_trouble=bool(_table(spool.state.get("upload_status")).get("trouble")),
            faults=len(spool.vault.list_faults()),
            set_aside=bool(spool.state.get("spool_set_aside")),
            restarted=any(0 <= now_ms - at_ms < RESTARTED_MS for at_ms in ended_ms),
            clock_source=str(belief.get("clock_source", "")),
            clock_error_ms=belief.get("clock_error_ms"),
            certificate_left_ms=until_ms - true_ms if isinstance(until_ms, int) else None,
        )


def build_health(
    spool: Spool,
    trusted_time: TrustedTime,
    *,
    source: str,
    readings: Readings | None = None,
    warnings: list[str] | None = None,
    certificate: Mapping[str, Any] | None = None,
) -> Health:
    """The present report; sizes in bytes."""
    facts = _table(spool.state.get("recorder_status"))
    recording_id = facts.get("recording_id")
    task = _table(spool.state.get("task_current")).get("number")
    told, readings = certificate or {}, readings or Readings()
    measured: dict[str, Any] = {
        "power": readings.power,
        "card": readings.card,
        "storage": readings.storage,
        **find_belief(spool),
    }
    return Health(
        recording=bool(facts.get("recording", False)),
        recording_id=recording_id if isinstance(recording_id, str) and recording_id else None,
        duty=bool(spool.state.get("duty", False)),
        queue_outbox=spool.outbox.count(),
        queue_segments=spool.vault.count_pending(),
        queue_oldest_ms=spool.outbox.oldest_ms(),
        free_bytes=shutil.disk_usage(spool.dir).free,
        vault_bytes=spool.vault.total_bytes(),
        uptime_s=int(time.clock_gettime(time.CLOCK_BOOTTIME)),
        boot=spool.boot,
        version=__version__,
        source=str(facts.get("source") or source)[:64],
        gps=str(spool.state.get("gps_status", ""))[:64],
        clock=trusted_time.describe()[:64],
        temp_c=readings.temp_c,
        battery_pct=readings.battery_pct,
        memory_pct=readings.memory_pct,
        card_wear_pct=readings.wear_pct,
        throttle=list(readings.throttle),
        metered=bool(_table(spool.state.get("metered")).get("on")),
        locked=bool(spool.state.get("lost")),
        task=task if isinstance(task, int) else None,
        certificate_until_ms=told.get("until_ms"),
        warnings=list(warnings or ()),
        note=_write_note(spool, facts, str(told.get("trouble") or "")),
        **measured,
    )


def _write_note(spool: Spool, recorder: dict[str, Any], trouble: str) -> str:
    notes = [text for text in (trouble, str(recorder.get("note") or "")) if text]
    faults = spool.vault.list_faults()
    if faults:
        notes.append(f"{len(faults)} segments no longer equal what was signed")
    upload = _table(spool.state.get("upload_status"))
    if upload.get("trouble"):
        notes.append(f"upload: {upload['trouble']}")
    children = _table(spool.state.get("children"))
    notes += [f"{name} restarted {told['restarts']} times" for name, told in children.items() if told["restarts"]]
    if spool.state.get("spool_set_aside"):
        notes.append("the spool was damaged and set aside")
    return "; ".join(notes)[:NOTE_CHARS]


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
