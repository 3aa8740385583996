"""The demo's processes on a stage: authority, centre and kits, started in order and ended together.

The demo runs on it, the journeys' tests and the figures are taken on it: one way to bring everything up.
"""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from sqlmodel import col, func, select

from central.base.settings import load_settings
from central.base.unit_of_work import Store, open_store
from central.devices.models import KitState
from demo.children import Child, read_tail, run_to_end, script, start_child, stop_children
from demo.places import Part
from demo.stage import Stage
from edge.spool import open_spool

START_TIMEOUT_S: Final = 120.0
_SEEN_MS: Final = 15_000


class Stand:
    """Everything that runs on one stage; :meth:`stop` leaves no process behind."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.children: list[Child] = []
        self.ports = stage.read_ports()
        self.store: Store = open_store(load_settings(stage.centre_config, environ={}))

    def start_services(self) -> None:
        """Start authority and centre; return when all their doors answer."""
        serve = [script("zhixing-provision"), "serve", "--bind", "127.0.0.1", "--authority"]
        self._start("authority", [*serve, str(self.stage.authority_dir)])
        self._start("centre", [script("zhixing-central"), "--config", str(self.stage.centre_config)])
        for name, port in vars(self.ports).items():
            self.wait_until(lambda port=port: accepts(port), f"port {port} ({name})")  # type: ignore[misc]
        self.wait_until(lambda: _answers(f"http://127.0.0.1:{self.ports.web}/login"), "the pages to answer")

    def enrol_kit(self, part: Part) -> None:
        """Add the kit at the authority and let it enrol, as an administrator and an officer would."""
        token = self.stage.add_kit(part)
        run_to_end([script("zhixing-kit"), "enrol", token, "--data", str(self.stage.kit_dir(part))])

    def start_kit(self, part: Part, **changes: Any) -> Child:
        """Start an enrolled kit with the stage's configuration and ``changes`` to it (see Stage)."""
        config = self.stage.write_kit_config(part, **changes)
        return self._start(part.kit_id, [script("zhixing-kit"), "run", "--config", str(config)])

    def press(self, kit_id: str, button: str) -> dict[str, Any]:
        """Press a button on a running kit's own page; what the kit answers."""
        address = self.screen_address(kit_id)
        request = urllib.request.Request(f"{address}/press/{button}", method="POST", data=b"")  # noqa: S310 -- loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- loopback
            said: dict[str, Any] = json.loads(answer.read())
            return said

    def screen_address(self, kit_id: str) -> str:
        """Where the kit's own page is; waits until it is there."""
        found: list[str] = []

        def look() -> bool:
            with open_spool(self.stage.kits_dir / kit_id / "spool.db") as spool:
                screen = spool.state.get("screen_http")
            # What stands there may be of a run before: the page itself says whose it is.
            if screen and screen["address"] and _read_kit_id(str(screen["address"])) == kit_id:
                found.append(str(screen["address"]))
            return bool(found)

        self.wait_until(look, f"the page of {kit_id}")
        return found[0]

    def count_seen_kits(self) -> int:
        """How many kits the centre has heard within the last seconds."""
        with self.store.read() as session:
            since_ms = self.store.clock.now_ms() - _SEEN_MS
            return session.exec(select(func.count()).where(col(KitState.last_heard_ms) > since_ms)).one()

    def wait_until(self, holds: Callable[[], bool], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
        """Poll until ``holds``; raise TimeoutError with every child's last words, or ChildEndedError."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            self.check_running()
            if time.monotonic() > deadline:
                words = "\n".join(f"--- {child.name}\n{read_tail(child.log, 8)}" for child in self.children)
                raise TimeoutError(f"Waited {timeout_s:.0f} s in vain for {what}.\n{words}")
            time.sleep(0.05)

    def check_running(self) -> None:
        """Raise ChildEndedError when a child has ended on its own."""
        for child in self.children:
            child.check_running()

    def end_child(self, name: str) -> None:
        """End one child in good order."""
        (child,) = [child for child in self.children if child.name == name]
        self.children.remove(child)
        stop_children([child])

    def stop(self) -> None:
        """End every child, kits first, and close the database."""
        stop_children(list(reversed(self.children)))
        self.children.clear()
        self.store.close()

    def _start(self, name: str, arguments: list[str]) -> Child:
        child = start_child(name, arguments, self.stage.log_dir)
        self.children.append(child)
        return child


def _read_kit_id(address: str) -> str:
    try:
        with urllib.request.urlopen(f"{address}/state", timeout=5) as answer:  # noqa: S310 -- loopback
            return str(json.loads(answer.read()).get("kit", ""))
    except (OSError, ValueError):
        return ""


def accepts(port: int) -> bool:
    """Whether somebody listens on this port of loopback."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
