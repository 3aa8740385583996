"""Shares the suite between workers: the first takes files from the front of a list, the others from its end.

At the front stands what runs kit and centre as they are in service and lives by the clock: so no two such tests
ever run at the same time, their one centre is brought up once, and they overlap with tests that mostly compute.
The workers meet somewhere in the middle, so neither is idle for long.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

_FRONT = (
    "tests/journeys/",
    "tests/network/",
    "tests/demo/",
    "tests/browser/",
    "tests/edge/screen/",
    "tests/edge/recorder/",
    "tests/edge/",
)


class TwoEnds(LoadScopeScheduling):
    """A file is never split: what its tests share is made once."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::", 1)[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        takes_front = node is next(iter(self.assigned_work))
        scope = min(self.workqueue, key=_place) if takes_front else max(self.workqueue, key=_place)
        self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


def _place(file: str) -> tuple[int, str]:
    """Where a file stands in the list."""
    for number, folder in enumerate(_FRONT):
        if file.startswith(folder):
            return number, file
    return len(_FRONT), file
