"""Field, zone and the court's closed network in three namespaces: kits reach the zone alone, the inside reaches out.

``field`` has a route to the inside and to the zone's inner address, as an attacker would wish; the zone forwards
nothing, and its inner doors open to the services' certificates alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.children import Child, run_to_end, script
from demo.places import Part
from demo.stage import Stage
from demo.stand import Stand
from provisioning.authority import Authority
from provisioning.zone import equip_zone
from tests.network.namespaces import Namespace, Wire
from tests.provisioning.kit_side import serving

SECRETS = ("broker.password", "broker.secrets")


@dataclass
class TwoNetworks:
    """The three places and what runs in them."""

    field: Namespace
    zone: Namespace
    inside: Namespace
    outer: Wire
    inner: Wire
    stand: Stand
    zone_folder: Path
    zone_ports: tuple[int, int]

    def enrol(self, part: Part) -> None:
        """At the desk inside, before the kit goes out."""
        with self.inside.inside():
            self.stand.enrol_kit(part)

    def enrol_long_ago(self, part: Part, *, days: int) -> None:
        """At the same desk, its clock set back so far."""
        desk = Authority(self.stand.stage.authority_dir, clock=lambda: datetime.now(UTC) - timedelta(days=days))
        with self.inside.inside(), serving(desk) as server:
            url = f"https://127.0.0.1:{server.port}"
            token = desk.add_kit(
                part.kit_id, court_code=part.court_code, label=part.label, officer=part.officer, est_url=url
            )
            run_to_end([script("zhixing-kit"), "enrol", token, "--data", str(self.stand.stage.kit_dir(part))])

    def start_kit(self, part: Part, **changes: Any) -> None:
        """Start a kit in the field that seals what it says to the inside."""
        with self.field.inside():
            self.stand.start_kit(part, mqtt={"sealed": True}, **changes)

    def press(self, part: Part, button: str) -> dict[str, Any]:
        """Press a button in the field; what the kit answered."""
        with self.field.inside():
            return self.stand.press(part.kit_id, button)

    def start_zone(self) -> Child:
        """Start the zone's processes and wait until it listens on all its addresses."""
        with self.zone.inside():
            child = self.stand._start(
                "zone", [script("zhixing-central"), "--config", str(self.zone_folder / "zone.toml")]
            )
        for space, host, port in (
            (self.zone, self.outer.far, self.stand.ports.mqtt),
            (self.zone, self.outer.far, self.stand.ports.door),
            *((self.zone, self.inner.near, port) for port in self.zone_ports),
        ):
            self.stand.wait_until(lambda s=space, h=host, p=port: accepts(s, h, p), f"the zone's {host}:{port}")
        return child

    def start_inside(self) -> None:
        """Start authority and centre in the closed network."""
        stage = self.stand.stage
        with self.inside.inside():
            serve = [script("zhixing-provision"), "serve", "--bind", "127.0.0.1", "--authority"]
            self.stand._start("authority", [*serve, str(stage.authority_dir)])
            self.stand._start("centre", [script("zhixing-central"), "--config", str(stage.centre_config)])
        for port in (self.stand.ports.web, self.stand.ports.est):
            self.stand.wait_until(lambda p=port: accepts(self.inside, "127.0.0.1", p), f"port {port} inside")

    def kill_zone(self) -> None:
        """Kill the zone with all of its processes, as a power cut would."""
        (child,) = [child for child in self.stand.children if child.name == "zone"]
        self.stand.children.remove(child)
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        self.stand.wait_until(lambda: not self._listens(), "the zone's ports to be free", timeout_s=20)

    def _listens(self) -> bool:
        listening = self.zone.run(["cat", "/proc/net/tcp"], capture_output=True, text=True).stdout
        return " 0A " in listening

    def cut_inner(self, *, is_cut: bool) -> None:
        """Pull the cable between zone and inside, or put it in again."""
        self.zone.ip("link", "set", self.inner.near_device, "down" if is_cut else "up")


@contextlib.contextmanager
def open_two_networks(folder: Path) -> Iterator[TwoNetworks]:
    """Three running places; no process and no namespace is left behind."""
    with Namespace("field") as field, Namespace("zone") as zone, Namespace("inside") as inside:
        outer, inner = Wire(field, zone), Wire(zone, inside)
        for address in (inner.near, inner.far):
            field.ip("route", "add", address, "via", outer.far)
        inside.ip("route", "add", outer.near, "via", inner.near)
        stage = Stage(folder / "stage", folder / "escrow.age", host=outer.far)
        stage.set_up(has_cases=False)
        zone_folder = folder / "zone"
        equip_zone(Authority(stage.authority_dir), zone_folder, [outer.far, inner.near])
        stand = Stand(stage)
        world = TwoNetworks(field, zone, inside, outer, inner, stand, zone_folder, (24222, 28444))
        _write_configs(world)
        try:
            world.start_zone()
            hand_over_secrets(world)
            world.start_inside()
            yield world
        finally:
            stand.stop()


def hand_over_secrets(world: TwoNetworks) -> None:
    """Carry the broker's passwords from the zone to the inside, as an administrator does once."""
    target = world.stand.stage.centre_dir / "zone"
    target.mkdir()
    for name in SECRETS:
        shutil.copyfile(world.zone_folder / "data" / name, target / name)


def _write_configs(world: TwoNetworks) -> None:
    ports, (nats, inner) = world.stand.ports, world.zone_ports
    (world.zone_folder / "zone.toml").write_text(
        f'role = "zone"\nmqtt_host = "{world.outer.far}"\nmqtt_port = {ports.mqtt}\n'
        f'door_host = "{world.outer.far}"\ndoor_port = {ports.door}\n'
        f'nats_host = "{world.inner.near}"\nnats_port = {nats}\n'
        f'zone_host = "{world.inner.near}"\nzone_port = {inner}\n'
    )
    config = world.stand.stage.centre_config
    config.write_text(
        config.read_text()
        + f'role = "inside"\nzone_url = "https://{world.inner.near}:{inner}"\n'
        + f'zone_broker_url = "tls://{world.inner.near}:{nats}"\n'
        + f'authority_url = "https://127.0.0.1:{ports.est}"\n'
    )


def accepts(space: Namespace, host: str, port: int) -> bool:
    """Whether a connection from inside a namespace is taken."""
    with space.inside():
        try:
            with socket.create_connection((host, port), timeout=1):
                return True
        except OSError:
            return False
