"""Lets Prometheus read a running centre, where the settings say so."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.metadata import version

from central.base.settings import Settings
from central.base.supervisor import Supervisor
from central.base.unit_of_work import open_store


@contextlib.contextmanager
def serve_metrics(settings: Settings, supervisor: Supervisor) -> Iterator[None]:
    """Answer Prometheus beside the supervisor; does nothing without `metrics_port`. Raises SettingsError."""
    if not settings.metrics_port:
        yield
        return
    from central.metrics.collector import CentreCollector  # only where it is wanted: it costs memory
    from central.metrics.server import MetricsServer

    store = open_store(settings)
    collector = CentreCollector(
        settings,
        store,
        list_pids=lambda: {"supervisor": os.getpid(), **supervisor.pids()},
        list_restarts=supervisor.restarts,
        version=version("zhixing"),
    )
    try:
        server = MetricsServer(settings, collector)
        server.start()
        try:
            yield
        finally:
            server.stop()
    finally:
        store.close()
