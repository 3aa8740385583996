"""What a person chooses from when giving a task."""

from __future__ import annotations

from typing import Any, Final

from central.devices.task_rules import URGENCIES
from contract.categories import CATEGORIES

# Time limits in minutes.
DUE_IN_MIN: Final = (30, 60, 120, 240, 480, 1440, 4320)
TASK_CHOICES: Final[dict[str, Any]] = {
    "urgencies": URGENCIES,
    "categories": CATEGORIES,
    "due_in_min": DUE_IN_MIN,
}
