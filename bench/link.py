"""catchup_ratio: after a darkness, how much of the link the waiting segments get. Root is needed for namespaces.

Counted as useful: bytes of sealed segments receipted between the first receipt after the darkness and the last, over
what the link carries in that time, packet headers included. The rest goes for TCP, TLS and HTTP, chain records and
telemetry; `from_the_mend` also counts finding the light and connecting, which weigh less the longer the darkness was.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.report import report
from demo.places import PARTS
from demo.tracks import write_gpx
from edge.spool import Spool, open_spool
from tests.network.bad_link import LinkShape
from tests.network.namespaces import why_not
from tests.network.world import World, open_world


class _Case(NamedTuple):
    name: str
    shape: LinkShape
    width: int
    height: int
    bitrate_bps: int
    dark_s: float


CASES: Final = (
    _Case("1 Mbit/s, 50 ms each way", LinkShape(delay_ms=50, kbit_s=1000, queue_kb=64), 1280, 720, 3_000_000, 60),
    _Case("64 kbit/s, 300 ms each way", LinkShape(delay_ms=300, kbit_s=64, queue_kb=64), 320, 180, 150_000, 40),
)
_LIMIT_S: Final = 600.0


def measure() -> None:
    """Print the figure for each kind of link."""
    if reason := why_not():
        sys.exit(f"bench: catchup_ratio is taken between network namespaces: {reason}.")
    with (
        tempfile.TemporaryDirectory(prefix="zhixing-bench-") as folder,
        open_world(Path(folder), LinkShape()) as world,
    ):
        for number, case in enumerate(CASES, 1):
            _measure_case(world, f"dl-catch-{number:02}", case)


def _measure_case(world: World, kit_id: str, case: _Case) -> None:
    part = replace(
        PARTS[1], kit_id=kit_id, width=case.width, height=case.height, fps=10, bitrate_bps=case.bitrate_bps
    )
    stand = world.stand
    write_gpx(stand.stage.track_file(part), part.loop, part.label)
    world.enrol(part)
    world.link.cut()
    # The figure is of segments alone: without proxies, and as on a link that is not metered.
    world.start_kit(part, link={"metered": "no"}, segments={"record_at_start": True, "proxy": False})
    spool = open_spool(stand.stage.kit_dir(part) / "spool.db")
    try:
        stand.wait_until(lambda: _is_recording(spool), "the kit to record")
        _let_pass(world, case.dark_s)
        world.press(part, "record")
        stand.wait_until(lambda: not _is_recording(spool), "the recording to end", timeout_s=60)
        waiting = _waiting_bytes(spool)
        world.link.shape(case.shape)
        before, began_s = world.link.counters()[0].carried_bytes, time.monotonic()
        world.link.mend()
        first_s = _wait_for_less(world, spool, waiting, began_s)
        left = _waiting_bytes(spool)
        stand.wait_until(lambda: not spool.vault.count_pending(), "all segments", timeout_s=_LIMIT_S)
        took_s, carried = time.monotonic() - began_s, world.link.counters()[0].carried_bytes - before
    finally:
        spool.close()
    stand.end_child(kit_id)
    bytes_s = case.shape.kbit_s * 125
    detail: dict[str, Any] = {
        "link": case.name,
        "waiting_mb": round(waiting / 1e6, 2),
        "took_s": round(took_s, 1),
        "first_receipt_s": round(first_s, 1),
        "from_the_mend": round(waiting / (bytes_s * took_s), 3),
        "link_used": round(carried / (bytes_s * took_s), 3),
        "of_it_segments": round(waiting / carried, 3),
    }
    report("catchup_ratio", left / (bytes_s * (took_s - first_s)), "", **detail)


def _is_recording(spool: Spool) -> bool:
    status = spool.state.get("recorder_status")
    return isinstance(status, dict) and bool(status.get("recording"))


def _waiting_bytes(spool: Spool) -> int:
    return sum(segment.length for segment in spool.vault.pending_segments(100_000))


def _wait_for_less(world: World, spool: Spool, waiting: int, began_s: float) -> float:
    world.stand.wait_until(lambda: _waiting_bytes(spool) < waiting, "the first receipt", timeout_s=_LIMIT_S)
    return time.monotonic() - began_s


def _let_pass(world: World, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    world.stand.wait_until(lambda: time.monotonic() >= until_s, "time to pass", timeout_s=seconds + 10)


if __name__ == "__main__":
    measure()
