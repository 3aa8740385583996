"""intake_rate, intake_cpu_us, intake_p99_ms: 500 kits over mutual TLS, one fix a message, committed and receipted."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
from sqlalchemy import text

from bench.load import Plan, Result
from bench.report import percentile, report
from bench.stand import cpu_seconds, find_process, make_kits, open_stand
from demo.stand import Stand

_KITS = 500
_OFFERED_RATES = (10_500.0, 13_000.0)
_SECONDS = 12.0
_CALM_RATE = 1000.0
_SAMPLED_KITS = 25


def measure() -> None:
    """Print the three figures."""
    with open_stand() as stand:
        folder = stand.stage.folder / "load"
        kits = make_kits(stand, _KITS, folder)
        stand.start_services()
        _measure_latency(stand, folder, kits)
        for offered in _OFFERED_RATES:
            _measure_rate(stand, folder, kits, offered)


def start_load(stand: Stand, folder: Path, kits: list[str], rate: float, seconds: float) -> subprocess.Popen[bytes]:
    """Start the generator as a process of its own and wait until its kits are admitted; fresh spools each time."""
    spool = f"{time.time_ns():032x}"[-32:]
    plan = Plan(
        host="127.0.0.1",
        port=stand.ports.mqtt,
        folder=str(folder),
        kits=kits,
        rate=rate,
        seconds=seconds,
        spool=spool,
    )
    path = folder / f"plan-{spool}.json"
    path.write_bytes(msgspec.json.encode(plan))
    load = subprocess.Popen(
        [sys.executable, "-m", "bench.load", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    if load.stdout is None or load.stdout.readline() != b"connected\n":
        raise RuntimeError("the load generator could not connect its kits")
    return load


def go(load: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Let a connected generator send."""
    if load.stdin is not None:
        load.stdin.write(b"go\n")
        load.stdin.flush()
    return load


def end_load(load: subprocess.Popen[bytes]) -> Result:
    """Wait for the generator's result."""
    out, _ = load.communicate(timeout=180)
    if load.returncode != 0:
        raise RuntimeError(f"the load generator ended with code {load.returncode}")
    return msgspec.json.decode(out, type=Result)


def _measure_rate(stand: Stand, folder: Path, kits: list[str], offered: float) -> None:
    intake, broker = find_process(stand, "centre", "intake"), find_process(stand, "centre", "nats-server")
    began = cpu_seconds(intake)
    load = start_load(stand, folder, kits, offered, _SECONDS)
    time.sleep(2)  # what admission left to do is not part of a fix
    before = cpu_seconds(intake), cpu_seconds(broker)
    rows_before = _count_positions(stand)
    result = end_load(go(load))
    used = cpu_seconds(intake) - before[0], cpu_seconds(broker) - before[1]
    committed = _count_positions(stand) - rows_before
    report(
        "intake_rate",
        committed / result.send_s if committed == result.sent else committed / (result.send_s + 5),
        "fixes/s",
        offered=offered,
        sent=result.sent,
        committed=committed,
        receipted=result.receipted,
        kits=len(kits),
        connect_s=round(result.connect_s, 2),
        generator_cpu_us=round(result.cpu_s / result.sent * 1e6, 1),
        broker_cpu_us=round(used[1] / result.sent * 1e6, 1),
    )
    report(
        "intake_cpu_us",
        used[0] / result.sent * 1e6,
        "us/fix",
        offered=offered,
        admission_ms_per_kit=round((before[0] - began) / len(kits) * 1000, 2),
    )


def _measure_latency(stand: Stand, folder: Path, kits: list[str]) -> None:
    load = go(start_load(stand, folder, kits, _CALM_RATE, _SECONDS))
    stop = threading.Event()
    delays: list[float] = []
    watcher = threading.Thread(target=_watch_commits, args=(stand, stop, delays), daemon=True)
    watcher.start()
    result = end_load(load)
    stop.set()
    watcher.join(timeout=10)
    report(
        "intake_p99_ms",
        percentile(delays, 0.99),
        "ms",
        p50_ms=round(percentile(delays, 0.5), 1),
        samples=len(delays),
        rate=_CALM_RATE,
        sent=result.sent,
        receipted=result.receipted,
        how="send time in the fix against first sight in the database from another process, polled every 3 ms",
    )


def _watch_commits(stand: Stand, stop: threading.Event, delays: list[float]) -> None:
    # The kit's clock is this machine's clock, so at_ms is the moment of sending.
    newest: dict[tuple[int, int], int] = {}
    query = text("SELECT seq, at_ms FROM position WHERE kit_no = :kit AND spool_no = :spool AND seq > :seq")
    spools = text("SELECT kit_no, spool_no FROM kit_spool ORDER BY spool_no LIMIT :count")
    while not stop.wait(0.003):
        with stand.store.read() as session:
            connection = session.connection()
            if len(newest) < _SAMPLED_KITS:
                for kit, spool in connection.execute(spools, {"count": _SAMPLED_KITS}):
                    newest.setdefault((kit, spool), 0)
            now_ms = time.time() * 1000
            for (kit, spool), seq in newest.items():
                for found, at_ms in connection.execute(query, {"kit": kit, "spool": spool, "seq": seq}):
                    delays.append(now_ms - at_ms)
                    newest[kit, spool] = max(newest[kit, spool], found)


def _count_positions(stand: Stand) -> int:
    with stand.store.read() as session:
        return int(session.connection().execute(text("SELECT count(*) FROM position")).scalar_one())
