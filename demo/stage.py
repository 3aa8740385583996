"""Sets the stage of the demo in a folder: authority, centre, log-ins, kits; everything a first run needs, once."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from central.base import schema
from central.base.settings import load_settings
from central.base.unit_of_work import open_store
from central.courts import service as courts
from central.people import service as people
from demo.cases import fill_cases
from demo.offices import fill_offices
from demo.people import LOGINS, Login, all_logins
from demo.places import PARTS, Part
from demo.tracks import write_gpx
from provisioning import authority


@dataclass(frozen=True)
class Ports:
    """Where the demo's services listen, all on loopback."""

    web: int
    door: int
    mqtt: int
    nats: int
    est: int
    api: int = 8090  # what a stage of release 0.1.0 does not name: the centre's own default
    live: int = 8092  # and these, one of release 0.3.0
    live_kit: int = 8445


class Stage:
    """The demo's folder: what lies where, and what was made for it."""

    def __init__(
        self,
        folder: Path,
        escrow_file: Path,
        *,
        host: str = "127.0.0.1",
        centre_options: Mapping[str, str | int] | None = None,
    ) -> None:
        """`host` is where kits find the centre; another than loopback opens broker and door to every network.

        `centre_options` join those of the centre's settings file.
        """
        self.host = host
        self._centre_options = dict(centre_options or {})
        self.folder = folder
        self.escrow_file = escrow_file
        self.authority_dir = folder / "authority"
        self.centre_dir = folder / "centre"
        self.kits_dir = folder / "kits"
        self.log_dir = folder / "log"
        self.centre_config = self.centre_dir / "centre.toml"
        self.memory_file = folder / "demo.json"

    @property
    def is_set(self) -> bool:
        """Whether an earlier run has set the stage."""
        return self.memory_file.exists()

    def read_ports(self) -> Ports:
        """The ports chosen when the stage was set; kits carry them in their configuration."""
        return Ports(**json.loads(self.memory_file.read_text(encoding="utf-8"))["ports"])

    def read_passwords(self) -> dict[str, str]:
        """Log-in to password, made for this demo alone."""
        passwords: dict[str, str] = json.loads(self.memory_file.read_text(encoding="utf-8"))["passwords"]
        return passwords

    def set_up(self, *, web_port: int = 0, has_cases: bool = True) -> None:
        """Make authority, centre, log-ins and tracks; the pages take ``web_port`` when it is free.

        Without cases there are no offices and no handlers either: for who looks at kits alone.

        Raises AlreadyFoundedError when an unfinished earlier try is in the way.
        """
        ports = choose_ports(web_port)
        self.folder.mkdir(parents=True, exist_ok=True)
        authority.create(
            self.authority_dir,
            centre_folder=self.centre_dir,
            escrow_file=self.escrow_file,
            passphrase=secrets.token_urlsafe(24),  # the demo's escrow is never to be opened
            hosts=["localhost", *dict.fromkeys(("127.0.0.1", self.host))],
            est_url=f"https://127.0.0.1:{ports.est}",
        )
        self._write_centre_config(ports)
        passwords = self._fill_centre(all_logins() if has_cases else LOGINS, has_cases=has_cases)
        for part in PARTS:
            write_gpx(self.track_file(part), part.loop, part.label)
        memory = {"ports": vars(ports), "passwords": passwords}
        self.memory_file.touch(mode=0o600)
        self.memory_file.write_text(json.dumps(memory, ensure_ascii=False, indent=1), encoding="utf-8")

    def move_taken_web_port(self) -> None:
        """Give the pages another port when theirs is taken; no kit knows it, so nothing else changes."""
        memory = json.loads(self.memory_file.read_text(encoding="utf-8"))
        memory["ports"]["web"] = choose_ports(memory["ports"]["web"]).web
        self.memory_file.write_text(json.dumps(memory, ensure_ascii=False, indent=1), encoding="utf-8")
        self._write_centre_config(self.read_ports())

    def add_kit(self, part: Part) -> str:
        """Add a kit at the authority; the token's text."""
        return authority.Authority(self.authority_dir).add_kit(
            part.kit_id, court_code=part.court_code, label=part.label, officer=part.officer
        )

    def kit_dir(self, part: Part) -> Path:
        """Where a kit keeps its key, spool and vault."""
        return self.kits_dir / part.kit_id

    def track_file(self, part: Part) -> Path:
        """The kit's patrol."""
        return self.kits_dir / f"{part.kit_id}.gpx"

    def write_kit_config(self, part: Part, **tables: dict[str, Any]) -> Path:
        """Write the kit's kit.toml for this stage's ports; ``tables`` lay options over those of a table.

        ``write_kit_config(part, camera={"kind": "pyav", "address": "film.mp4"})``
        """
        ports = self.read_ports()
        options: dict[str, dict[str, Any]] = {
            "kit": {"id": part.kit_id, "court": part.court_code, "on_duty_at_start": True},
            "mqtt": {"host": self.host, "port": ports.mqtt},
            "door": {"url": f"https://{self.host}:{ports.door}"},
            "camera": {
                "kind": "synthetic",
                "width": part.width,
                "height": part.height,
                "fps": part.fps,
                "bitrate_bps": part.bitrate_bps,
                "preset": "ultrafast",
                "stall_s": 6.0,  # twenty processes starting on two cores are no broken camera
            },
            "segments": {"record_at_start": True},
            "storage": {"vault_max_bytes": 2_000_000_000},
            "position": {"source": "track", "track": str(self.track_file(part).resolve())},
            "live": {"speaker": "none"},  # six kits would speak from the one loudspeaker of this machine
        }
        for table, changes in tables.items():
            options[table] = {**options.get(table, {}), **changes}
        path = self.kit_dir(part) / "kit.toml"
        path.write_text(_write_toml(options), encoding="utf-8")
        return path

    def _write_centre_config(self, ports: Ports) -> None:
        bind = self.host if self.host == "127.0.0.1" else "0.0.0.0"  # noqa: S104 -- asked for, see `host`
        self.centre_config.write_text(
            f"""# A trial at one desk: people may set up a second factor, nobody must. Leave this line out in earnest.
second_factor = "optional"
data_dir = "data"
keys_dir = "keys"
handover_dir = "handover"
# Passkeys are bound to a name; an address of numbers cannot hold them.
web_public_url = "http://localhost:{ports.web}"
web_port = {ports.web}
door_port = {ports.door}
mqtt_port = {ports.mqtt}
nats_port = {ports.nats}
api_port = {ports.api}
live_port = {ports.live}
live_kit_port = {ports.live_kit}
live_kit_host = "{bind}"
live_kit_url = "https://{self.host}:{ports.live_kit}"
mqtt_host = "{bind}"
door_host = "{bind}"
"""
            + "".join(f"{name} = {json.dumps(value)}\n" for name, value in self._centre_options.items()),
            encoding="utf-8",
        )

    def _fill_centre(self, logins: Sequence[Login], *, has_cases: bool) -> dict[str, str]:
        settings = load_settings(self.centre_config, environ={})
        schema.migrate(settings)
        passwords = {login.login: secrets.token_urlsafe(9) for login in logins}
        store = open_store(settings)
        with store.write() as uow:
            courts.seed_courts(uow)
            for login in logins:
                people.add_user(
                    uow,
                    login=login.login,
                    name=login.name,
                    role=login.role,
                    court_code=login.court_code,
                    password=passwords[login.login],
                    by="system:demo",
                )
            if has_cases:
                fill_offices(uow)
        if has_cases:
            fill_cases(store, settings)
        store.close()
        return passwords


def choose_ports(web_port: int = 0) -> Ports:
    """Free ports on loopback; the pages take ``web_port`` when it is free."""
    holds = [socket.socket() for _ in range(len(fields(Ports)))]
    try:
        _bind(holds[0], web_port)
        for hold in holds[1:]:
            _bind(hold, 0)
        return Ports(*(hold.getsockname()[1] for hold in holds))
    finally:
        for hold in holds:
            hold.close()


def _bind(hold: socket.socket, port: int) -> None:
    # A browser that was connected a moment ago leaves the port waiting, not taken: the pages keep their address.
    # Only for a port asked for by number: with it, port 0 could be given out twice.
    hold.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(port != 0))
    try:
        hold.bind(("127.0.0.1", port))
    except OSError:
        hold.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        hold.bind(("127.0.0.1", 0))


def _write_toml(tables: dict[str, dict[str, Any]]) -> str:
    # JSON's strings, numbers and booleans are TOML's too.
    lines = []
    for table, options in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in options.items()]
    return "\n".join(lines) + "\n"
