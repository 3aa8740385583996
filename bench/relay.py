"""relay_cpu_16x4, relay_cpu_1x50: what the relay's process takes of a core while it passes pictures on.

The real relay with TLS on both sides and the session's record on; kits and viewers are one process of their own
(bench/relay_load.py). Pictures of a kit: 25 a second, a key frame of 31 kB and 24 of 6 kB, 1.4 Mbit/s together.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from bench.relay_load import End, Plan, Result
from bench.report import report
from bench.stand import cpu_seconds
from central.base import db, schema
from central.base.clock import SystemClock
from central.base.unit_of_work import Store
from central.command.record_models import SessionRecord
from central.courts import service as courts
from contract.live import PICTURE_PATH
from tests.central.relay.stand import Stand

_KEY_BYTES: Final = 31_000
_OTHER_BYTES: Final = 6_000
_PICTURES_PER_S: Final = 25
_SETTLE_S: Final = 3.0
_COUNT_S: Final = 15.0
_COURT: Final = "云2901"
_ENOUGH: Final = 0.99
_CLOSED_WITHIN_S: Final = 60.0


def measure() -> None:
    """Print both figures."""
    _measure_cpu("relay_cpu_16x4", kits=16, viewers_each=4, wanted="<= 15")
    _measure_cpu("relay_cpu_1x50", kits=1, viewers_each=50, wanted="< 10")


def _measure_cpu(name: str, *, kits: int, viewers_each: int, wanted: str) -> None:
    kit_ids = [f"bench-{number:02d}" for number in range(kits)]
    with tempfile.TemporaryDirectory(prefix="zhixing-relay-") as folder, _running(Path(folder), kit_ids) as stand:
        session_id = stand.begin(*kit_ids)
        plan = _plan(stand, session_id, kit_ids, viewers_each)
        plan_file = Path(folder) / "plan.json"
        plan_file.write_bytes(msgspec.json.encode(plan))
        used_s, result = _load(plan_file, psutil.Process(stand.centre.processes["relay"].pid))
        stand.end(session_id)
        record = _wait_closed(stand, session_id)
    share = result.delivered / result.expected
    detail: dict[str, Any] = {
        "wanted": wanted,
        "delivered": result.delivered,
        "expected": result.expected,
        "delivered_share": round(share, 4),
        "sent_per_s_and_kit": round(result.sent / result.seconds / kits, 2),
        "over_s": round(result.seconds, 2),
        "us_per_delivery": round(used_s / max(1, result.delivered) * 1e6, 1),
        "out_mbit_s": round(result.delivered / result.seconds * _mean_bytes() * 8 / 1e6, 1),
        "tls": "both sides",
        "record": "on",
        "recorded_frames": record.frame_count,
        "sent_in_all": result.sent_in_all,
        "record_mb": round(record.stored_bytes / 1e6, 1),
        "record_gaps": record.gap_count,
        "load_cpu_percent": round(result.cpu_s / result.seconds * 100, 1),
        "load_average": [round(one, 1) for one in os.getloadavg()],
    }
    if share < _ENOUGH:
        detail["unsound"] = f"only {share:.1%} of the pictures were delivered: the relay dropped what was late"
    if not record.frame_count or record.gap_count:
        detail["record"] = f"NOT whole: {record.lost_frames} frames lost, {record.trouble or 'no trouble named'}"
    report(name, used_s / result.seconds * 100, "% of a core", **detail)


@contextmanager
def _running(folder: Path, kit_ids: list[str]) -> Iterator[Stand]:
    """A relay whose people's door has TLS, and a register with these kits."""
    centre_folder = folder / "centre"
    centre_folder.mkdir()
    stand = Stand(centre_folder, _make_database(folder / "centre.db"))
    try:
        centre = stand.centre
        centre.kits |= {kit_id: centre.pki.kit(kit_id) for kit_id in kit_ids}
        centre.entries |= dict.fromkeys(kit_ids, _COURT)
        centre.write_registry()
        certificate, key = stand.settings.door_certificate
        config = centre_folder / "centre.toml"
        config.write_text(f'{config.read_text()}\nweb_tls_cert = "{certificate}"\nweb_tls_key = "{key}"\n')
        centre.start("broker")
        centre.wait_port(stand.settings.mqtt_port)
        stand.start()
        yield stand
    except Exception:
        print((centre_folder / "relay.log").read_text()[-4000:], file=sys.stderr, flush=True)
        raise
    finally:
        stand.stop()


def _make_database(path: Path) -> Path:
    schema.migrate_url(f"sqlite:///{path}")
    store = Store(db.create_engine(f"sqlite:///{path}"), SystemClock())
    with store.write() as uow:
        courts.seed_courts(uow)
    store.close()
    return path


def _plan(stand: Stand, session_id: str, kit_ids: list[str], viewers_each: int) -> Plan:
    ports = stand.settings
    kits = []
    for kit_id in kit_ids:
        door = stand.centre.door(kit_id)
        door.port = ports.live_kit_port
        proof = {"Authorization": f"Bearer {door.token('GET', PICTURE_PATH, b'')}"}
        kits.append(End(kit_id=kit_id, url=f"wss://127.0.0.1:{door.port}{PICTURE_PATH}", headers=proof))
    site = f"127.0.0.1:{ports.live_port}"
    viewers = [
        End(
            kit_id=kit_id,
            url=f"wss://{site}/live/picture/{session_id}/{kit_id}?stream=0",
            headers={"Cookie": f"zhixing_session={stand.tokens['zhihui']}"},
            origin=f"https://{site}",
        )
        for kit_id in kit_ids
        for _ in range(viewers_each)
    ]
    return Plan(
        ca_file=str(Path(ports.keys_dir) / "services-ca.crt"),
        kits=kits,
        viewers=viewers,
        pictures_per_s=_PICTURES_PER_S,
        key_bytes=_KEY_BYTES,
        other_bytes=_OTHER_BYTES,
        settle_s=_SETTLE_S,
        count_s=_COUNT_S,
    )


def _load(plan_file: Path, relay: psutil.Process) -> tuple[float, Result]:
    """The relay's CPU seconds while the load counted, and what the load counted."""
    command = [sys.executable, "-m", "bench.relay_load", str(plan_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as load:
        try:
            _expect(load, b"begin\n")
            before_s = cpu_seconds(relay)
            _expect(load, b"end\n")
            used_s = cpu_seconds(relay) - before_s
            out, _ = load.communicate(timeout=30)
        finally:
            if load.poll() is None:
                load.kill()
    if load.returncode != 0:
        raise RuntimeError(f"the load ended with code {load.returncode}")
    return used_s, msgspec.json.decode(out, type=Result)


def _expect(load: subprocess.Popen[bytes], line: bytes) -> None:
    if load.stdout is None or load.stdout.readline() != line:
        raise RuntimeError(f"the load did not say {line.decode().strip()!r}")


def _wait_closed(stand: Stand, session_id: str) -> SessionRecord:
    deadline = time.monotonic() + _CLOSED_WITHIN_S
    while time.monotonic() < deadline:
        with stand.store.read() as session:
            record = session.get(SessionRecord, session_id)
        if record is not None and record.closed_ms is not None:
            return record
        time.sleep(0.2)
    raise TimeoutError(f"The record was not closed within {_CLOSED_WITHIN_S:.0f} s.")


def _mean_bytes() -> float:
    return (_KEY_BYTES + (_PICTURES_PER_S - 1) * _OTHER_BYTES) / _PICTURES_PER_S
