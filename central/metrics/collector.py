"""Gathers the figures at each reading: from the database, the disk and the kernel; nothing is kept in between.

Labels name kits, processes, states and codes. Kit ids are names of devices; no officer, case, place or text of a
person is ever a label or a value.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cryptography import x509
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from central.base.settings import Settings
from central.base.unit_of_work import ReadSession, Store
from central.devices import queries as devices
from central.evidence.backlog import measure_backlog
from central.incidents.open_calls import count_open_calls
from central.metrics.processes import measure_processes

log = logging.getLogger(__name__)

PRESENCES: Final = ("live", "late", "stale", "dark")
# A value of a kit's report, the name of its figure, what it is, and by how much it is multiplied.
_OF_KIT: Final = (
    ("battery_pct", "battery_ratio", "Charge of the kit's battery, 0 to 1", 0.01),
    ("temp_c", "temperature_celsius", "The kit's hottest sensor", 1.0),
    ("memory_pct", "memory_used_ratio", "Memory in use at the kit, 0 to 1", 0.01),
    ("card_wear_pct", "card_wear_ratio", "Life of the kit's card that is spent at most, 0 to 1", 0.01),
    ("free_bytes", "free_bytes", "Free space on the kit's card", 1.0),
    ("queue_outbox", "waiting_messages", "Messages at the kit without the centre's receipt", 1.0),
    ("queue_segments", "waiting_segments", "Segments at the kit without the centre's receipt", 1.0),
    ("clock_error_ms", "clock_error_seconds", "How far the kit's belief about the time may err", 0.001),
)


class CentreCollector(Collector):
    """What Prometheus reads. `list_pids` and `list_restarts` tell of the supervisor's processes by name."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        list_pids: Callable[[], Mapping[str, int]] = dict,
        list_restarts: Callable[[], Mapping[str, int]] = dict,
        version: str = "",
    ) -> None:
        self._settings = settings
        self._store = store
        self._list_pids = list_pids
        self._list_restarts = list_restarts
        self._version = version

    def describe(self) -> list[Metric]:
        """Nothing beforehand: registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every figure; a database that does not answer costs its figures and is told, not the others."""
        yield _labelled("zhixing_build_info", "The centre's software", "version", {self._version: 1.0})
        yield from self._collect_processes()
        yield from self._collect_disk()
        is_up = 1.0
        try:
            yield from self._collect_database()
        except SQLAlchemyError as error:
            log.warning("metrics: the database does not answer: %s", type(error).__name__)
            is_up = 0.0
        yield GaugeMetricFamily("zhixing_database_up", "Whether the database answered this reading", is_up)

    def _collect_processes(self) -> Iterator[Metric]:
        usage = measure_processes(self._list_pids())
        resident = {name: float(one.resident_bytes) for name, one in usage.items()}
        yield _labelled("zhixing_process_resident_bytes", "Memory in RAM, children included", "process", resident)
        cpu = {name: one.cpu_s for name, one in usage.items()}
        yield _counted("zhixing_process_cpu_seconds", "CPU time, children included", "process", cpu)
        restarts = {name: float(count) for name, count in self._list_restarts().items()}
        yield _counted("zhixing_process_restarts", "Unwanted ends of a process", "process", restarts)

    def _collect_disk(self) -> Iterator[Metric]:
        free = {"data": float(shutil.disk_usage(self._settings.data_dir).free)}
        yield _labelled("zhixing_disk_free_bytes", "Free space where evidence and database lie", "folder", free)
        ends = {}
        try:
            pem = self._settings.door_certificate[0].read_bytes()
            ends["door"] = x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
        except (OSError, ValueError):
            pass  # before the hand-over there is none
        yield _labelled("zhixing_certificate_end_timestamp_seconds", "End of the centre's own", "use", ends)

    def _collect_database(self) -> Iterator[Metric]:
        began_s = time.monotonic()
        with self._store.write():
            waited_s = time.monotonic() - began_s  # nothing is written: it only stands in the queue like a writer
        yield GaugeMetricFamily("zhixing_database_write_wait_seconds", "Wait for the write lock just now", waited_s)
        yield GaugeMetricFamily("zhixing_database_bytes", "Size of the database", self._store.measure_size())
        now_ms = self._store.clock.now_ms()
        with self._store.read() as session:
            yield from self._collect_kits(session, now_ms)
            yield from self._collect_work(session, now_ms)
            yield from self._collect_totals(session)

    def _collect_kits(self, session: ReadSession, now_ms: int) -> Iterator[Metric]:
        views = devices.survey_kits(session, now_ms=now_ms)
        counts = {state: float(sum(view.presence.state == state for view in views)) for state in PRESENCES}
        yield _labelled("zhixing_kits", "Kits that are not revoked, by presence", "presence", counts)
        up = sum(view.state is not None and view.state.link == "up" for view in views)
        yield GaugeMetricFamily("zhixing_kit_sessions", "Kits whose session at the broker stands", up)
        states = {view.kit.kit_id: view.state for view in views if view.state is not None}
        heard = {kit: (now_ms - state.last_heard_ms) / 1000 for kit, state in states.items() if state.last_heard_ms}
        yield _labelled("zhixing_kit_heard_age_seconds", "Since the kit's newest sign of life", "kit", heard)
        told = {kit: (now_ms - state.health_ms) / 1000 for kit, state in states.items() if state.health_ms}
        yield _labelled("zhixing_kit_report_age_seconds", "Age of what the kit says of its health", "kit", told)
        for field, name, text, factor in _OF_KIT:
            values = {kit: (state.health or {}).get(field) for kit, state in states.items()}
            known = {kit: value * factor for kit, value in values.items() if value is not None}
            yield _labelled(f"zhixing_kit_{name}", text, "kit", known)
        ends = {view.kit.kit_id: view.certificate_until_ms for view in views}
        known = {kit: until_ms / 1000 for kit, until_ms in ends.items() if until_ms is not None}
        yield _labelled("zhixing_kit_certificate_end_timestamp_seconds", "End of its certificate", "kit", known)
        warnings = GaugeMetricFamily("zhixing_kit_warning", "Warnings of the newest report", labels=["kit", "code"])
        for kit, state in states.items():
            for code in (state.health or {}).get("warnings") or ():
                warnings.add_metric([kit, str(code)], 1)
        yield warnings

    def _collect_work(self, session: ReadSession, now_ms: int) -> Iterator[Metric]:
        calls = count_open_calls(session)
        by_state = {"unacknowledged": float(calls.waiting), "acknowledged": float(calls.acknowledged)}
        yield _labelled("zhixing_sos_open", "Calls for help that are not closed", "state", by_state)
        age_s = 0.0 if calls.oldest_ms is None else (now_ms - calls.oldest_ms) / 1000
        yield GaugeMetricFamily("zhixing_sos_unacknowledged_age_seconds", "Oldest SOS that nobody took", age_s)
        backlog = measure_backlog(session)
        yield GaugeMetricFamily("zhixing_backlog_segments", "Segments announced, not arrived", backlog.segments)
        yield GaugeMetricFamily("zhixing_backlog_bytes", "Bytes announced, not arrived", backlog.size_bytes)
        age_s = 0.0 if backlog.oldest_ms is None else (now_ms - backlog.oldest_ms) / 1000
        yield GaugeMetricFamily("zhixing_backlog_age_seconds", "Oldest recording that is not complete", age_s)
        mailbox = {state: float(count) for state, count in devices.count_mailbox(session).items()}
        yield _labelled("zhixing_directives", "Directives to kits, by state", "state", mailbox)

    def _collect_totals(self, session: ReadSession) -> Iterator[Metric]:
        totals = devices.list_counters(session)
        yield CounterMetricFamily("zhixing_intake_fixes", "Positions committed", totals.get("total.fixes", 0))
        yield CounterMetricFamily("zhixing_intake_receipts", "Items receipted", totals.get("total.receipts", 0))
        yield CounterMetricFamily(
            "zhixing_intake_batches", "Transactions of the intake", totals.get("total.batches", 0)
        )
        for prefix, name, text, label in (
            ("total.answers.", "zhixing_door_answers", "Answers of the devices' door", "status"),
            ("door.", "zhixing_door_refusals", "Refusals of the devices' door", "problem"),
            ("set_aside.", "zhixing_set_aside", "Messages that could not be accepted", "reason"),
            ("total.live.refused.", "zhixing_live_refusals", "Refusals of the relay", "reason"),
            ("total.live.sent.", "zhixing_live_sent", "Bytes of pictures, frames dropped for the slow", "what"),
        ):
            found = {key.removeprefix(prefix): float(n) for key, n in totals.items() if key.startswith(prefix)}
            yield _counted(name, text, label, found)
        now = {key.removeprefix("total.live.now."): float(n) for key, n in totals.items() if "live.now." in key}
        yield _labelled("zhixing_live_connections", "The relay's sources, viewers, voices and talkers", "what", now)


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counted(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
