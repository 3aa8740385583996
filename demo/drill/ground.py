"""The drill's own stage: authority, centre and kits, kept up as systemd would, each kit behind its own relays."""

from __future__ import annotations

import contextlib
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

from central.base.unit_of_work import Store
from demo.children import script
from demo.drill.relay import Relay
from demo.drill.units import Keeper, Unit
from demo.drill.volume import Volume
from demo.drill.witness import KitWitness
from demo.places import PARTS, Part
from demo.postgres import PostgresServer
from demo.stage import Stage
from demo.stand import Stand, accepts

_KIT_MB: Final = 96
_CENTRE_MB: Final = 1024
_SYSTEMD_PAUSE_S: Final = 0.1  # RestartSec's default
_CENTRE_PAUSE_S: Final = 1.0
# In a mount namespace of its own: the kernel would give a new boot id after a power cut, so the kit finds one.
_AS_BOOTED: Final = 'mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"'


class KitGround:
    """One kit of the drill: its card, its relays, its unit and its witness."""

    def __init__(self, stage: Stage, part: Part, *, has_volume: bool) -> None:
        self.part = part
        self.folder = stage.kit_dir(part)
        self.volume_lock = threading.Lock()
        self.volume = Volume(self.folder, stage.folder / f"{part.kit_id}.img", _KIT_MB) if has_volume else None
        ports = stage.read_ports()
        self.relays = [Relay(ports.mqtt), Relay(ports.door)]
        self._boot_file = stage.folder / f"{part.kit_id}.boot"
        self._stage = stage
        self.unit = Unit(part.kit_id, self._command, stage.log_dir, _SYSTEMD_PAUSE_S)
        self.witness = KitWitness(part.kit_id, self.folder)
        self.boot()

    def boot(self) -> None:
        """From the next start on it is another boot."""
        self._boot_file.write_text(f"{secrets.token_hex(4)}-0000-4000-8000-{secrets.token_hex(6)}\n")

    def configure(self) -> None:
        """Write its kit.toml; small limits that fit its small card."""
        mqtt, door = self.relays
        self._stage.write_kit_config(
            self.part,
            mqtt={"host": "127.0.0.1", "port": mqtt.port},
            door={"url": f"https://127.0.0.1:{door.port}"},
            camera={
                "kind": "synthetic",
                "width": self.part.width,
                "height": self.part.height,
                "fps": self.part.fps,
                "bitrate_bps": self.part.bitrate_bps,
                "preset": "ultrafast",
            },
            storage={"reserve_bytes": 4_000_000, "low_minutes": 2, "critical_minutes": 1},
        )

    def close(self) -> None:
        """End relays and card; the unit has ended."""
        for relay in self.relays:
            relay.close()
        if self.volume is not None:
            self.volume.close()

    def _command(self) -> list[str]:
        run = [script("zhixing-kit"), "run", "--config", str(self.folder / "kit.toml")]
        if self.volume is None:
            return run
        return ["unshare", "--mount", "sh", "-c", _AS_BOOTED, "sh", str(self._boot_file), *run]


class Ground:
    """Everything that runs."""

    def __init__(self, folder: Path, *, postgres: PostgresServer | None, has_volumes: bool) -> None:
        """Nothing is made yet; :meth:`stop` undoes whatever `set_up` and `start` came to."""
        self.postgres = postgres
        options: dict[str, str | int] = {"evidence_min_free_bytes": 8_000_000}
        if postgres is not None:
            options["database_url"] = postgres.url(postgres.create())
        self.stage = Stage(folder / "stage", folder / "escrow.age", centre_options=options)
        self.volume: Volume | None = None
        self.kits: list[KitGround] = []
        self._has_volumes, self._image = has_volumes, folder / "centre.img"
        run = [script("zhixing-provision"), "serve", "--bind", "127.0.0.1", "--authority"]
        run.append(str(self.stage.authority_dir))
        centre = [script("zhixing-central"), "--config", str(self.stage.centre_config)]
        self.authority = Unit("authority", lambda: run, self.stage.log_dir, _CENTRE_PAUSE_S)
        self.centre = Unit("centre", lambda: centre, self.stage.log_dir, _CENTRE_PAUSE_S)
        self.keeper = Keeper([self.authority, self.centre])
        # The kernel ends the server with the thread that started it, so it is a thread that stays.
        self.database_hand = ThreadPoolExecutor(1, "database")
        self._stand: Stand | None = None

    def set_up(self, kits: int) -> None:
        """Make file systems, authority, database and ``kits`` kits."""
        if self._has_volumes:
            self.volume = Volume(self.stage.centre_dir / "data", self._image, _CENTRE_MB)
        self.stage.set_up(has_cases=False)
        self._stand = Stand(self.stage)
        for number in range(kits):
            part = replace(PARTS[1 + number], label=f"演练 {number + 1}")
            self.kits.append(KitGround(self.stage, part, has_volume=self._has_volumes))
            self.keeper.units.append(self.kits[-1].unit)

    @property
    def stand(self) -> Stand:
        """What demo and tests share: enrolling, waiting, the centre's database."""
        if self._stand is None:
            raise RuntimeError("the ground is not set up yet")
        return self._stand

    @property
    def store(self) -> Store:
        """The centre's database, for people at the centre and for counting."""
        return self.stand.store

    def start(self) -> None:
        """Bring everything up; returns when every kit records and is heard."""
        self.authority.start()
        self.centre.start()
        self.keeper.start()
        for name, port in vars(self.stage.read_ports()).items():
            self.stand.wait_until(lambda port=port: accepts(port), f"port {port} ({name})")  # type: ignore[misc]
        for kit in self.kits:
            self.stand.enrol_kit(kit.part)
            kit.configure()
            kit.unit.start()
            kit.witness.start()
        wanted = len(self.kits)
        self.stand.wait_until(lambda: self.stand.count_seen_kits() >= wanted, "every kit to be heard")
        self.stand.wait_until(
            lambda: all(kit.witness.book.records for kit in self.kits), "every kit to record", timeout_s=60
        )

    def stop(self) -> None:
        """End everything; no process, no mount and no file system is left."""
        self.keeper.stop()
        for kit in self.kits:
            kit.close()
        self.database_hand.shutdown()
        if self._stand is not None:
            self._stand.store.close()
        if self.volume is not None:
            self.volume.close()


@contextlib.contextmanager
def open_ground(folder: Path, kits: int, *, postgres: PostgresServer | None, has_volumes: bool) -> Iterator[Ground]:
    """A running ground, ended afterwards whatever happens."""
    ground = Ground(folder, postgres=postgres, has_volumes=has_volumes)
    try:
        ground.set_up(kits)
        ground.start()
        yield ground
    finally:
        ground.stop()


def answers(port: int, path: str) -> bool:
    """Whether an HTTP server on loopback answers at all."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
