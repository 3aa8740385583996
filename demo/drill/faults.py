"""Carries the plan out: kills, cuts power and network, fills file systems; notes when, and asks who is back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from demo.drill import processes
from demo.drill.ground import Ground, KitGround, answers
from demo.drill.load import Officer
from demo.drill.plan import Fault
from demo.drill.units import Unit

_MODULES: Final = {
    "recorder": "edge.recorder.main",
    "control": "edge.uplink.main",
    "panel": "edge.panel.main",
    "screen": "edge.screen.main",
    "live": "edge.live.main",
    "broker": "nats-server",
}
_FIND_S: Final = 60.0
PROBE_S: Final = 120.0


@dataclass
class Blow:
    """A fault as it was done. ``at_ms`` wall clock, ``mono_ms`` time since boot, both at the moment of the kill.

    ``recovered_s``: until what was hit did its work again; None while it did not, or where `recovery` tells it.
    """

    fault: Fault
    at_ms: int = 0
    mono_ms: int = 0
    ended_mono_ms: int = 0
    recovered_s: float | None = None
    missed: str = ""


class Striker:
    """One blow after the other; what lasts or is waited for goes on in threads of its own."""

    def __init__(self, ground: Ground, officers: list[Officer]) -> None:
        self.blows: list[Blow] = []
        self._ground, self._officers = ground, officers
        self._threads: list[threading.Thread] = []
        self._restarts: list[Future[None]] = []
        self._ending = threading.Event()

    def strike(self, fault: Fault) -> Blow:
        """Do it now."""
        blow = Blow(fault)
        self.blows.append(blow)
        if fault.is_kill:
            self._kill(blow)
        elif fault.what == "power_cut":
            self._go_on(lambda: self._cut_power(blow))
        elif fault.what == "fill":
            self._go_on(lambda: self._fill(blow))
        else:
            self._go_on(lambda: self._disturb(blow))
        return blow

    def calm(self) -> None:
        """End what still lasts; returns when every probe has its answer or has given up."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        for restart in self._restarts:
            restart.result()
        for kit in self._ground.kits:
            for relay in kit.relays:
                relay.mend()

    def _go_on(self, act: Callable[[], None]) -> None:
        thread = threading.Thread(target=act, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _kill(self, blow: Blow) -> None:
        fault = blow.fault
        if fault.victim == "postgresql" and self._ground.postgres is not None:
            _stamp(blow)
            self._ground.postgres.kill()
            self._restarts.append(self._ground.database_hand.submit(self._ground.postgres.restart))
            return
        unit = self._ground.centre if fault.kit < 0 else self._ground.kits[fault.kit].unit
        if fault.victim in ("kit", "centre"):
            _stamp(blow)
            unit.kill()
            return
        victim = _find(unit, fault.victim)
        if victim is None:
            blow.missed = "it was not running"
            return
        _stamp(blow)
        processes.kill([victim])
        if probe := self._find_probe(fault, unit, victim):
            self._go_on(lambda: self._wait_for(blow, probe))

    def _find_probe(self, fault: Fault, unit: Unit, pid: int) -> Callable[[], bool] | None:
        """What answers once the victim works again; None for what the counting tells afterwards."""
        ports = self._ground.stage.read_ports()
        if fault.victim in ("panel", "screen"):
            officer = self._officers[fault.kit]
            return lambda: bool(officer.note_press("mark"))
        if fault.victim == "web":
            return lambda: answers(ports.web, "/login")
        if fault.victim == "api":
            return lambda: answers(ports.api, "/api/v1/openapi.json")
        if fault.victim in ("worker", "live"):
            return lambda: _look_for(unit, fault.victim) not in (None, pid)
        return None

    def _wait_for(self, blow: Blow, holds: Callable[[], bool]) -> None:
        began_s, deadline = time.monotonic(), time.monotonic() + PROBE_S
        while time.monotonic() < deadline:
            if holds():
                blow.recovered_s = time.monotonic() - began_s
                return
            time.sleep(0.05)
        blow.missed = f"it did not work again within {PROBE_S:.0f} s"

    def _cut_power(self, blow: Blow) -> None:
        kit = self._ground.kits[blow.fault.kit]
        with kit.volume_lock, kit.witness.pause():
            _stamp(blow)
            kit.unit.kill_tree()
            if kit.volume is not None:
                kit.volume.cut_power()
                kit.boot()
            kit.unit.start()
        blow.ended_mono_ms = _boot_ms()

    def _fill(self, blow: Blow) -> None:
        fault = blow.fault
        kit: KitGround | None = self._ground.kits[fault.kit] if fault.kit >= 0 else None
        volume = self._ground.volume if kit is None else kit.volume
        if volume is None:
            return
        with kit.volume_lock if kit else contextlib.nullcontext():
            _stamp(blow)
            ballast = volume.fill()
            self._ending.wait(fault.lasts_s)
            ballast.unlink()
        blow.ended_mono_ms = _boot_ms()

    def _disturb(self, blow: Blow) -> None:
        fault = blow.fault
        relays = self._ground.kits[fault.kit].relays
        _stamp(blow)
        for relay in relays:
            {"dark": relay.go_dark, "slow": relay.slow_down, "reset": relay.reset}[fault.what]()
        if fault.lasts_s:
            self._ending.wait(fault.lasts_s)
            for relay in relays:
                relay.mend()
        blow.ended_mono_ms = _boot_ms()


def _find(unit: Unit, name: str) -> int | None:
    """The victim, once it runs: it may be on its way up from the blow before."""
    deadline = time.monotonic() + _FIND_S
    while time.monotonic() < deadline:
        if (found := _look_for(unit, name)) is not None:
            return found
        time.sleep(0.05)
    return None


def _look_for(unit: Unit, name: str) -> int | None:
    pid = unit.pid
    return None if pid is None else processes.find_below(pid, _MODULES.get(name, name))


def _stamp(blow: Blow) -> None:
    blow.at_ms, blow.mono_ms = time.time_ns() // 1_000_000, _boot_ms()


def _boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
