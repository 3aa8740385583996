"""Killed under load: whatever was receipted is in the database, whatever was not is still the kit's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import MqttKit, fix_item, now_ms
from tests.waiting import wait_until

KIT = "dl-2901-01"


class Load:
    """A kit that sends numbered fixes and sends again what is not receipted, as a real one does."""

    def __init__(self, kit: MqttKit) -> None:
        self.kit = kit
        self.items = {seq: fix_item(seq) for seq in range(1, 3001)}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # The pause only sets the pace of the load; nothing is awaited by it.
        last = 0
        while not self._stop.wait(0.02):
            receipted = self.receipted()
            wanted = [seq for seq in self.items if seq > last and seq not in receipted][:20]
            last = wanted[-1] if wanted else 0  # round and round over what is not receipted yet
            if wanted:
                self.kit.send("position", [self.items[seq] for seq in wanted], qos=0)

    def receipted(self) -> set[int]:
        return set(self.kit.receipted.get(self.kit.spool, set()))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)


@pytest.fixture
def running(new_centre: Callable[[], Centre]) -> Centre:
    centre = new_centre()
    centre.start_wire()
    return centre


@pytest.fixture
def load(running: Centre) -> Iterator[Load]:
    load = Load(running.connect(KIT))
    yield load
    load.stop()


def stored(centre: Centre, spool: str) -> set[int]:
    query = "SELECT p.seq FROM position p JOIN kit_spool s USING (spool_no) WHERE s.spool = :spool"
    return {int(str(row[0])) for row in centre.rows(query, spool=spool)}


class TestKill:
    def test_the_intake_under_load(self, running: Centre, load: Load) -> None:
        for round_number in range(1, 4):
            before = len(load.receipted())
            wait_until(lambda before=before: len(load.receipted()) > before + 100, 20, "receipts")
            running.kill("intake")
            missing = load.receipted() - stored(running, load.kit.spool)
            assert missing == set(), f"{len(missing)} receipted fixes are lost"
            running.start("intake")
            running.wait_ready(round_number + 1)
        wait_until(lambda: load.receipted() == set(load.items), 40, "every fix receipted in the end")
        assert stored(running, load.kit.spool) == set(load.items)

    def test_the_broker_under_load(self, running: Centre, load: Load) -> None:
        for _ in range(2):
            before = len(load.receipted())
            wait_until(lambda before=before: len(load.receipted()) > before + 100, 30, "receipts")
            running.kill("broker")
            assert load.receipted() <= stored(running, load.kit.spool)
            running.start("broker")
            running.wait_port(running.settings.mqtt_port)
        wait_until(lambda: load.receipted() == set(load.items), 40, "every fix receipted in the end")
        assert stored(running, load.kit.spool) == set(load.items)

    def test_an_alarm_while_the_intake_is_down_is_taken_when_it_is_back(self, running: Centre) -> None:
        kit = running.connect(KIT)
        running.kill("intake")
        body = {"alarm_id": "a" * 32, "kind": "sos", "pressed_ms": now_ms()}
        item = {"seq": 1, "at_ms": now_ms(), "body": body}
        kit.send("alarm", [item])  # the broker takes it, the centre does not hear it
        assert not kit.receipted
        running.start("intake")
        wait_until(lambda: (kit.send("alarm", [item]), kit.receipted.get(kit.spool))[1], 20, "the receipt")
        assert running.scalar("SELECT count(*) FROM incident") == 1


class TestEnding:
    def test_a_term_signal_ends_every_process_in_time(self, running: Centre) -> None:
        kit = running.connect(KIT)
        kit.send("position", [fix_item(1)], qos=0)
        kit.wait_receipted(1)
        for name in ("intake", "broker"):
            process = running.processes.pop(name)
            process.terminate()
            assert process.wait(5) == 0, name
        with pytest.raises(AssertionError):
            wait_until(lambda: self.answers(running), 0.5)

    def test_an_intake_ends_in_time_beside_a_broker_that_says_nothing_any_more(self, running: Centre) -> None:
        kit = running.connect(KIT)
        kit.send("position", [fix_item(1)], qos=0)
        kit.wait_receipted(1)
        servers = psutil.Process(running.processes["broker"].pid).children()
        assert servers
        for server in servers:
            server.suspend()
        # A server in the middle of a write stops only after it.
        wait_until(lambda: all(server.status() == psutil.STATUS_STOPPED for server in servers), what="silence")
        try:
            intake = running.processes.pop("intake")
            intake.terminate()
            assert intake.wait(20) == 0
        finally:
            for server in servers:
                server.resume()
        assert "the broker took no last receipts" in (running.folder / "intake.log").read_text()

    def answers(self, centre: Centre) -> bool:
        import socket

        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", centre.settings.mqtt_port)) == 0
