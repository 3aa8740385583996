"""Logs on request, whole: the order, the kit's own bringer, cut connections, the real door, the sealed file.

The kit's part is its real code on a real spool; only its programs' lines are the test's.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from central.courts.permissions import Actor
from central.devices import logs
from central.devices.logs import LogShelf
from contract import door_auth, messages, orders
from edge.reach.backoff import Backoff
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.settings import build_settings
from edge.spool import Spool, open_spool
from edge.uplink.commands import Commands
from edge.uplink.logs import LogBringer
from edge.uplink.trust_keeper import TrustKeeper
from tests.central.sync.conftest import Centre
from tests.fakes.cutting_relay import CuttingRelay
from tests.fakes.ports import find_free_port
from tests.fakes.upload_kit import write_identity
from tests.waiting import wait_until

KIT, OTHER = "dl-2901-01", "yb-2922-01"
ADMIN = Actor("1", "guanli", "样例管理员", "system_admin", "云29")


@pytest.fixture(scope="module", autouse=True)
def serving(centre: Centre) -> Iterator[None]:
    centre.start("door")
    centre.wait_port(centre.settings.door_port)
    yield


class LoggingKit:
    """A kit with some lines in its logs; `start` begins its bringer as its control process does."""

    def __init__(self, folder: Path, port: int, kit_id: str = KIT) -> None:
        table = {"kit": {"id": kit_id}, "mqtt": {"host": "x"}, "door": {"url": f"https://127.0.0.1:{port}"}}
        self.settings = build_settings(table, base=folder)
        self.folder = folder
        self.spool: Spool = open_spool(folder / "spool.db")
        self.log = folder / "logs" / "recorder.log"
        self.log.parent.mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        identity = Identity(self.folder)
        kit_time = TrustedTime(identity.floor_ms())
        self.stopping, self.rung = threading.Event(), threading.Event()
        bringer = LogBringer(
            self.settings,
            identity,
            kit_time,
            ring=self.rung.set,
            stopping=self.stopping,
            backoff=Backoff(first_s=0.1, cap_s=0.2),
        )
        keeper = TrustKeeper(self.spool, identity, kit_time, lambda who: None)
        self.commands = Commands(self.spool, keeper, kit_time, lambda who: None, logs=bringer)

    def stop(self) -> None:
        self.stopping.set()
        for thread in threading.enumerate():
            if thread.name == "logs":
                thread.join(10)

    def take(self, number: int, hours: int = 24) -> None:
        body = msgspec.Raw(messages.encode(orders.LogRequest(reason="样例", hours=hours)))
        now_ms = time.time_ns() // 1_000_000
        self.commands.receive(
            messages.encode(messages.Directive(number=number, kind="logs", issued_ms=now_ms, body=body))
        )

    def answers(self) -> list[tuple[int, str]]:
        bodies = [entry.body for entry in self.spool.outbox.pending(100, ("receipt",))]
        told = [messages.decode(body, messages.CommandReceipt) for body in bodies]
        return [(item.number, item.state) for item in told]

    def wait_answer(self, number: int, state: str) -> None:
        wait_until(lambda: (number, state) in self.answers(), 30, f"order {number} {state}")


@pytest.fixture
def kit_folder(centre: Centre, tmp_path: Path) -> Path:
    trust = (Path(centre.settings.handover_dir) / "trust.cbor").read_bytes()
    write_identity(tmp_path / "kit", centre.pki, centre.kits[KIT], trust)
    return tmp_path / "kit"


@pytest.fixture
def kit(kit_folder: Path, centre: Centre) -> Iterator[LoggingKit]:
    kit = LoggingKit(kit_folder, centre.settings.door_port)
    yield kit
    kit.stop()
    kit.spool.close()


def ask(centre: Centre, kit: LoggingKit) -> int:
    """The centre's number; the kit's spool is told that it had all those before."""
    with centre.store.write() as uow:
        number = logs.request_logs(uow, ADMIN, KIT, reason="样例：反复重启", hours=24).number
    for before in range(1, number):
        kit.spool.inbox.put(before, "record_stop", b"{}", 1, 0)
        kit.spool.inbox.mark_handled(before)
    return number


def read(centre: Centre, number: int) -> zipfile.ZipFile:
    shelf = LogShelf(Path(centre.settings.data_dir))
    with centre.store.write() as uow:
        clear = logs.open_log(uow, ADMIN, KIT, number, shelf=shelf, identity=centre.centre_identity)
    return zipfile.ZipFile(io.BytesIO(clear))


def test_asked_for_brought_and_read(centre: Centre, kit: LoggingKit) -> None:
    kit.log.write_text("recorder: a line of this kit\n")
    (kit.folder / "logs" / "order-999999.age").write_bytes(b"left over from an order that expired")
    number = ask(centre, kit)
    kit.take(number)
    kit.wait_answer(number, "done")
    assert kit.rung.is_set() and kit.spool.inbox.unhandled() == []
    archive = read(centre, number)
    assert archive.read("recorder.log") == b"recorder: a line of this kit\n"
    assert json.loads(archive.read("status.json"))["kit"] == KIT
    sealed = LogShelf(Path(centre.settings.data_dir)).path_of(1, number)
    kit_no = next(iter(sealed.parent.glob(f"*-{number}.age")))
    assert b"a line of this kit" not in kit_no.read_bytes()
    wait_until(lambda: not list((kit.folder / "logs").glob("order-*")), 10, "nothing is left on the card")


def test_a_line_that_is_cut_again_and_again_comes_to_its_end(centre: Centre, kit_folder: Path) -> None:
    relay = CuttingRelay(centre.settings.door_port, [60_000, 90_000, 30_000])
    kit = LoggingKit(kit_folder, relay.port)
    try:
        kit.log.write_text(secrets.token_hex(150_000))  # packs to about 150 kB
        number = ask(centre, kit)
        kit.take(number)
        kit.wait_answer(number, "done")
        assert read(centre, number).read("recorder.log").decode() == kit.log.read_text()
        assert relay.connections >= 4
        # What had come before a cut did not come again.
        assert relay.bytes_up < 2 * 150_000 + 100_000
    finally:
        kit.stop()
        kit.spool.close()
        relay.close()


def test_asked_in_darkness_and_over_a_restart(centre: Centre, kit_folder: Path) -> None:
    """The door cannot be reached, the process ends, the next one finds the order in its inbox."""
    kit = LoggingKit(kit_folder, find_free_port())
    kit.log.write_text("before the restart\n")
    number = ask(centre, kit)
    kit.take(number)
    wait_until(lambda: list((kit.folder / "logs").glob("order-*.age")), 10, "the sealed file")
    kit.stop()
    kit.spool.close()
    again = LoggingKit(kit_folder, centre.settings.door_port)
    try:
        assert (number, "done") not in again.answers()
        again.commands.work_off()
        again.wait_answer(number, "done")
        assert read(centre, number).read("recorder.log") == b"before the restart\n"
    finally:
        again.stop()
        again.spool.close()


def test_an_answer_that_was_lost_costs_nothing(centre: Centre, kit: LoggingKit) -> None:
    """The centre has the file, the kit does not know: sent again, it is told that all is well."""
    kit.log.write_text("x\n")
    number = ask(centre, kit)
    kit.take(number)
    kit.wait_answer(number, "done")
    (stored,) = (Path(centre.settings.data_dir) / "logs").glob(f"*-{number}.age")
    door, same = centre.door(KIT), stored.read_bytes()
    assert door.request("PUT", door_auth.log_path(number, hashlib.sha256(same).digest()), same).status == 200
    other = b"another file under the same number"
    assert door.request("PUT", door_auth.log_path(number, hashlib.sha256(other).digest()), other).status == 404
    assert stored.read_bytes() == same


def test_what_nobody_asked_for_is_refused_and_the_order_ends(centre: Centre, kit: LoggingKit) -> None:
    kit.log.write_text("x\n")
    unknown = 10**6
    kit.take(unknown)
    kit.wait_answer(unknown, "failed")


def test_another_kit_cannot_answer_for_this_one(centre: Centre, kit: LoggingKit) -> None:
    number = ask(centre, kit)
    body = b"forged"
    path = door_auth.log_path(number, hashlib.sha256(body).digest())
    assert centre.door(OTHER).request("PUT", path, body).status == 404
    assert centre.door(KIT).request("PUT", door_auth.log_path(number, bytes(32)), body).status == 400
    too_much = bytes(door_auth.MAX_LOG_BYTES + 1)
    path = door_auth.log_path(number, hashlib.sha256(too_much).digest())
    assert centre.door(KIT).request("PUT", path, too_much).status == 413
