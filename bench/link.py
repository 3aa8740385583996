"""catchup_ratio: after a darkness, how much of the link what waited gets. Root is needed for namespaces.

Time runs from the mending of the link, which the kit must first notice, to the receipt for the last waiting segment.
Useful is what the centre holds by then and did not before: segments and proxies byte by byte, and the JSON bodies of
telemetry (fixes, chain records, health, alarms). All else is overhead: headers of IP, TCP, TLS, HTTP and MQTT,
handshakes, proofs, envelopes, acknowledgements, beats, what was sent twice, and every second the link stood empty.
The ratio is useful bytes over what the link carries in that time, packet headers included; `segments_alone` counts
nothing but segments, `from_the_first_receipt` segments after the first. The kit is set as kits are: proxies, a fix a
second. `ledger` says where the bytes and the idle seconds went (bench/link_ledger.py).
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.link_ledger import read_packets, write_ledger
from bench.report import report
from demo.places import PARTS, Part
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
    _Case("256 kbit/s, 150 ms each way", LinkShape(delay_ms=150, kbit_s=256, queue_kb=64), 640, 360, 600_000, 50),
    _Case("64 kbit/s, 300 ms each way", LinkShape(delay_ms=300, kbit_s=64, queue_kb=64), 320, 180, 150_000, 50),
)
_LIMIT_S: Final = 600.0


class _Caught(NamedTuple):
    """Monotonic seconds of mending and last receipt, seconds to the first, bytes then left, useful bytes by kind."""

    began_s: float
    ended_s: float
    first_s: float
    left: int
    useful: dict[str, int]


class _Watch:
    """Watches a spool from beside: what waits, what comes, and what the centre took of it."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        self._told: dict[int, tuple[str, int]] = {}
        self._pictures: dict[tuple[str, int], int] = {}
        self._proxies_gone = 0
        self.look()

    def look(self) -> None:
        """To be called so often that nothing comes and goes between."""
        newest = max(self._told, default=0)
        for seq, kind, length in self._db.execute(
            "SELECT seq, kind, LENGTH(body) FROM outbox WHERE seq > ? AND receipted = 0", (newest,)
        ):
            self._told[seq] = (kind, length)
        pictures = {
            (recording_id, seq): length
            for recording_id, seq, length in self._db.execute(
                "SELECT recording_id, seq, p.length FROM proxies p JOIN segments s USING (recording_id, seq) "
                "WHERE s.receipt IS NULL"
            )
        }
        waiting = set(self._db.execute("SELECT recording_id, seq FROM segments WHERE receipt IS NULL"))
        # A proxy that goes before its segment was stored; one that goes with it was not needed.
        self._proxies_gone += sum(
            length for key, length in self._pictures.items() if key not in pictures and key in waiting
        )
        self._pictures = pictures

    def count_gone(self) -> dict[str, int]:
        """Bytes by kind that the centre has since the first look; segments are not among them."""
        waiting = {seq for (seq,) in self._db.execute("SELECT seq FROM outbox WHERE receipted = 0")}
        gone = Counter({"proxies": self._proxies_gone})
        for seq, (kind, length) in self._told.items():
            if seq not in waiting:
                gone[kind] += length
        return dict(gone)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def measure(wanted: str = "") -> None:
    """Print the figure for each kind of link, or those whose name begins with ``wanted``."""
    if reason := why_not():
        sys.exit(f"bench: catchup_ratio is taken between network namespaces: {reason}.")
    with (
        tempfile.TemporaryDirectory(prefix="zhixing-bench-") as folder,
        open_world(Path(folder), LinkShape()) as world,
    ):
        for number, case in enumerate(CASES, 1):
            if case.name.startswith(wanted):
                _measure_case(world, f"dl-catch-{number:02}", case, Path(folder) / f"{number}.pcap")


def _measure_case(world: World, kit_id: str, case: _Case, capture: Path) -> None:
    part = replace(
        PARTS[1], kit_id=kit_id, width=case.width, height=case.height, fps=10, bitrate_bps=case.bitrate_bps
    )
    stand = world.stand
    write_gpx(stand.stage.track_file(part), part.loop, part.label)
    world.enrol(part)
    world.link.shape(case.shape)
    world.start_kit(part, segments={"record_at_start": False})
    spool = open_spool(stand.stage.kit_dir(part) / "spool.db")
    try:
        stand.wait_until(lambda: _is_connected(spool), "the kit to be connected")
        _bring_a_little(world, part, spool)
        world.link.cut()
        world.press(part, "record")
        stand.wait_until(lambda: _is_recording(spool), "the kit to record")
        _let_pass(world, case.dark_s)
        world.press(part, "record")
        stand.wait_until(lambda: not _is_recording(spool), "the recording to end", timeout_s=60)
        with world.link.capturing(capture):
            caught = _catch_up(world, spool, _Watch(stand.stage.kit_dir(part) / "spool.db"))
            _let_pass(world, 0.5)
        _report(world, case, caught, capture)
    finally:
        spool.close()
        stand.end_child(kit_id)


def _bring_a_little(world: World, part: Part, spool: Spool) -> None:
    """The kit has worked before the darkness and knows its link."""
    for wanted in (True, False):
        world.press(part, "record")
        world.stand.wait_until(lambda wanted=wanted: _is_recording(spool) == wanted, "the recorder", timeout_s=60)
        _let_pass(world, 3)
    world.stand.wait_until(lambda: not spool.vault.count_pending(), "the first segments", timeout_s=120)


def _catch_up(world: World, spool: Spool, watch: _Watch) -> _Caught:
    waiting = _waiting_bytes(spool)
    first_s, left = 0.0, waiting

    def is_over() -> bool:
        nonlocal first_s, left
        watch.look()
        if not first_s and (now := _waiting_bytes(spool)) < waiting:
            first_s, left = time.monotonic() - began_s, now
        return not spool.vault.count_pending()

    began_s = time.monotonic()
    world.link.mend()
    world.stand.wait_until(is_over, "all segments", timeout_s=_LIMIT_S)
    ended_s = time.monotonic()
    useful = {"segments": waiting, **watch.count_gone()}
    watch.close()
    return _Caught(began_s, ended_s, first_s, left, useful)


def _report(world: World, case: _Case, caught: _Caught, capture: Path) -> None:
    began_s, ended_s, first_s, left, useful = caught
    took_s = ended_s - began_s
    bytes_s = case.shape.kbit_s * 125
    ports = world.stand.ports
    ledger = write_ledger(
        list(read_packets(capture, world.link.near)),
        {ports.mqtt: "mqtt", ports.door: "door"},
        bytes_s=bytes_s,
        began_s=began_s,
        ended_s=ended_s,
    )
    carried = sum(account["bytes"] for name, account in ledger["bytes"].items() if name.startswith("up"))
    detail: dict[str, Any] = {
        "link": case.name,
        "took_s": round(took_s, 1),
        "first_receipt_s": round(first_s, 1),
        "segments_alone": round(useful["segments"] / (bytes_s * took_s), 3),
        "from_the_first_receipt": round(left / (bytes_s * (took_s - first_s)), 3),
        "link_used": round(carried / (bytes_s * took_s), 3),
        "useful_bytes": useful,
        "ledger": ledger,
    }
    report("catchup_ratio", sum(useful.values()) / (bytes_s * took_s), "", **detail)


def _is_connected(spool: Spool) -> bool:
    status = spool.state.get("link_status")
    return isinstance(status, dict) and bool(status.get("connected"))


def _is_recording(spool: Spool) -> bool:
    status = spool.state.get("recorder_status")
    return isinstance(status, dict) and bool(status.get("recording"))


def _waiting_bytes(spool: Spool) -> int:
    return sum(segment.length for segment in spool.vault.pending_segments(100_000))


def _let_pass(world: World, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    world.stand.wait_until(lambda: time.monotonic() >= until_s, "time to pass", timeout_s=seconds + 10)


if __name__ == "__main__":
    measure(*sys.argv[1:2])
