"""A real centre's wire side per module: broker, intake and door as the processes they are, real certificates."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import text

from central.base.settings import Settings, load_settings
from central.base.unit_of_work import Store, open_store
from contract import envelope
from contract.trust import KitEntry, Registry, TrustList, sign_registry, sign_trust_list
from tests.central.sync.kit_client import DoorKit, MqttKit, now_ms
from tests.central.sync.pki import Holder, Pki
from tests.waiting import wait_until

KITS = {"dl-2901-01": "云2901", "dl-2901-02": "云2901", "yb-2922-01": "云2922"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Centre:
    """A centre's wire side in its folder."""

    folder: Path
    pki: Pki
    settings: Settings
    store: Store
    kits: dict[str, Holder]
    centre_identity: X25519PrivateKey
    epoch: int = 0
    revoked: set[str] = field(default_factory=set)
    revoked_serials: dict[str, list[str]] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=lambda: dict(KITS))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    clients: list[MqttKit] = field(default_factory=list)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("ab")
        command = [sys.executable, "-m", "central.process", name, "--config", str(self.folder / "centre.toml")]
        with log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)
        return self.processes[name]

    def start_wire(self) -> None:
        """Broker and intake, up and listening."""
        self.start("broker")
        self.start("intake")
        self.wait_port(self.settings.mqtt_port)
        self.wait_ready()

    def wait_ready(self, times: int = 1) -> None:
        log = self.folder / "intake.log"
        wait_until(lambda: log.read_text().count("intake: ready") >= times, 20, "the intake to be ready")

    def wait_port(self, port: int) -> None:
        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(answers, 20, f"port {port}")

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)

    def close_clients(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()

    def stop(self) -> None:
        self.close_clients()
        for process in self.processes.values():
            process.terminate()
        try:
            for process in self.processes.values():
                process.wait(30)  # a busy machine takes its time
        finally:
            for process in self.processes.values():
                if process.poll() is None:  # nobody is left behind to trouble other tests
                    process.kill()
                    process.wait()
            self.store.close()

    def connect(
        self, kit_id: str, holder: Holder | None = None, *, client_id: str | None = None, wait: bool = True
    ) -> MqttKit:
        kit = MqttKit(
            self.pki, holder or self.kits[kit_id], kit_id, self.folder, self.settings.mqtt_port, client_id=client_id
        )
        self.clients.append(kit)
        return kit.wait_connected() if wait else kit

    def door(self, kit_id: str, holder: Holder | None = None) -> DoorKit:
        return DoorKit(self.pki, holder or self.kits[kit_id], kit_id, self.settings.door_port)

    def write_registry(self, *, epoch: int | None = None, key: Holder | None = None) -> None:
        """Hand over the register as the authority would, atomically."""
        self.epoch = self.epoch + 1 if epoch is None else epoch
        entries = [
            KitEntry(
                kit_id=kit_id,
                court_code=court,
                label=f"样例单兵 {kit_id}",
                officer="样例警官甲",
                serials=[self.kits[kit_id].serial] if kit_id in self.kits else [],
                revoked_serials=self.revoked_serials.get(kit_id, []),
                revoked=kit_id in self.revoked,
            )
            for kit_id, court in self.entries.items()
        ]
        registry = Registry(epoch=self.epoch, issued_ms=now_ms(), kits=entries)
        folder = Path(self.settings.handover_dir)
        draft = folder / "registry.tmp"
        draft.write_bytes(sign_registry((key or self.pki.root).key, registry))
        draft.rename(folder / "registry.cbor")

    def scalar(self, query: str, **values: object) -> int:
        with self.store.engine.connect() as connection:
            return int(connection.execute(text(query), values).scalar() or 0)

    def rows(self, query: str, **values: object) -> list[tuple[object, ...]]:
        with self.store.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def wait_set_aside(self, reason: str, count: int = 1, **where: str) -> list[tuple[object, ...]]:
        query = "SELECT kit_id, source, detail, payload FROM set_aside WHERE reason = :reason"
        query += "".join(f" AND {name} = :{name}" for name in where)
        return wait_until(
            lambda: rows if len(rows := self.rows(query, reason=reason, **where)) >= count else None,
            10,
            f"{count} set aside as {reason}",
        )


def make_centre(folder: Path, database: Path) -> Centre:
    pki = Pki()
    pki.write_centre_keys(folder / "keys")
    for name in ("data", "handover"):
        (folder / name).mkdir()
    shutil.copy(database, folder / "data" / "centre.db")
    identity, escrow = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    (folder / "keys" / "centre.age").write_text(envelope.identity_to_text(identity) + "\n")
    ports = {name: free_port() for name in ("mqtt_port", "nats_port", "door_port", "web_port")}
    (folder / "centre.toml").write_text("\n".join(f"{name} = {port}" for name, port in ports.items()))
    settings = load_settings(folder / "centre.toml", environ={})
    kits = {kit_id: pki.kit(kit_id) for kit_id in KITS}
    centre = Centre(folder, pki, settings, open_store(settings), kits, identity)
    centre.write_registry()
    trust = TrustList(
        epoch=1,
        issued_ms=now_ms(),
        recipients=[envelope.recipient_to_text(key.public_key()) for key in (identity, escrow)],
        receipt_keys=[pki.receipt_key.public_key().public_bytes_raw()],
    )
    (folder / "handover" / "trust.cbor").write_bytes(sign_trust_list(pki.root.key, trust))
    return centre


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Iterator[Centre]:
    """A centre with broker, intake and door running, shared by a module's tests."""
    centre = make_centre(tmp_path_factory.mktemp("centre"), migrated_database)
    try:
        centre.start_wire()
        yield centre
    finally:
        centre.stop()


@pytest.fixture
def new_centre(tmp_path: Path, migrated_database: Path) -> Iterator[Callable[[], Centre]]:
    """Makes centres of the test's own, nothing started yet."""
    made: list[Centre] = []

    def make() -> Centre:
        folder = tmp_path / f"centre-{len(made)}"
        folder.mkdir()
        made.append(make_centre(folder, migrated_database))
        return made[-1]

    yield make
    for centre in made:
        centre.stop()


@pytest.fixture(autouse=True)
def hang_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Two clients of one id would push each other out for ever: each test leaves none behind."""
    yield
    if "centre" in request.fixturenames:
        request.getfixturevalue("centre").close_clients()
