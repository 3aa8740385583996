"""drill_lost, drill_doubled, drill_gap_s: a drill of some minutes; the long one is `zhixing-demo drill`."""

from __future__ import annotations

from typing import Final

from bench.report import report
from demo.drill.run import Order, run_drill

_KILLS: Final = 40
_MINUTES: Final = 4.0


def measure() -> None:
    """Print the figures for both databases."""
    for database in ("sqlite", "postgresql"):
        order = Order(kills=_KILLS, minutes=_MINUTES, database=database, seed=7, kits=3)
        found = run_drill(order, say=lambda _text: None)
        detail = {"database": database, "kills": found.kills, "kits": order.kits, "passed": found.ok}
        report("drill_lost", found.lost, "items", **detail)
        report("drill_doubled", found.doubled, "items", **detail)
        report("drill_gap_s", found.longest_hole_s("kill recorder", "nothing of the kit's recorder"), "s", **detail)
