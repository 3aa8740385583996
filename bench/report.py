"""How figures are printed: one JSON object a line, and the machine they were taken on first."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any


def report(name: str, value: float, unit: str, **detail: Any) -> None:
    """Print one figure."""
    line = {"name": name, "value": round(value, 3), "unit": unit, "detail": detail}
    print(json.dumps(line, ensure_ascii=False), flush=True)


def report_machine() -> None:
    """Print what the figures were taken on."""
    report(
        "machine",
        os.cpu_count() or 0,
        "cores",
        processor=_processor(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=platform.platform(),
        python=platform.python_version(),
    )


def percentile(values: list[float], share: float) -> float:
    """The smallest value that ``share`` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
