"""seal_ms_per_500kb, kit_rss_mb, kit_cpu: what a kit's processes cost."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Final

import psutil
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.report import percentile, report
from bench.stand import cpu_seconds, find_process, open_stand
from contract import chain, envelope
from demo.places import PARTS

_SEGMENT_BYTES: Final = 500_000
_ROUNDS: Final = 200
_WATCH_S: Final = 30.0
# What a process is called on its command line: the module of the kit's process table.
_MODULES: Final = {"control": "edge.uplink.main", "recorder": "edge.recorder.main", "panel": "edge.panel.main"}


def measure() -> None:
    """Print the figures."""
    _measure_sealing()
    _measure_processes()


def _measure_sealing() -> None:
    key = generate_private_key(SECP256R1())
    recipients = [X25519PrivateKey.generate().public_key() for _ in range(2)]
    writer = chain.ChainWriter(chain.begin(os.urandom(16)), lambda body: chain.sign(key, body))
    writer.open(kit_id="dl-2901-01", boot="0" * 32, started_ms=1, monotonic_ms=1)
    clear, salt, costs = os.urandom(_SEGMENT_BYTES), os.urandom(32), []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        sealed = envelope.seal(clear, recipients)
        writer.segment(
            cipher_hash=hashlib.sha256(sealed).digest(),
            clear_hash=chain.clear_hash(salt, clear),
            length=len(sealed),
            started_ms=1,
            duration_ms=2000,
            monotonic_ms=1,
        )
        costs.append((time.perf_counter() - began) * 1000)
    report(
        "seal_ms_per_500kb",
        percentile(costs, 0.5),
        "ms",
        p99_ms=round(percentile(costs, 0.99), 2),
        rounds=_ROUNDS,
        includes="two digests, age container to two recipients, chain record and its signature",
    )


def _measure_processes() -> None:
    with open_stand() as stand:
        stand.start_services()
        stand.enrol_kit(PARTS[0])
        stand.start_kit(PARTS[0])
        stand.wait_until(lambda: stand.count_seen_kits() >= 1, "the kit to be seen")
        found = {name: find_process(stand, PARTS[0].kit_id, module) for name, module in _MODULES.items()}
        manager = psutil.Process(stand.children[-1].process.pid)
        before = {name: cpu_seconds(process) for name, process in found.items()}
        peaks = dict.fromkeys(found, 0.0)
        deadline = time.monotonic() + _WATCH_S
        while time.monotonic() < deadline:
            for name, process in found.items():
                peaks[name] = max(peaks[name], process.memory_info().rss / 2**20)
            time.sleep(0.5)
        size = f"{PARTS[0].width}x{PARTS[0].height}p{PARTS[0].fps}"
        for name, process in found.items():
            cores = (cpu_seconds(process) - before[name]) / _WATCH_S
            report("kit_rss_mb", peaks[name], "MiB", process=name, picture=size, peak_over_s=_WATCH_S)
            report("kit_cpu", cores * 100, "% of a core", process=name, picture=size)
        report("kit_rss_mb", manager.memory_info().rss / 2**20, "MiB", process="manager", picture=size)
