import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from contract.messages import Alarm, decode, encode
from contract.orders import SosAck
from edge.panel.main import PanelProcess, Waker
from edge.spool import open_spool, ring
from tests.fakes.hand import Pins
from tests.fakes.kit import make_kit
from tests.waiting import wait_until


class Running:
    """The real process, and the spool seen by another one."""

    def __init__(self, kit, **options):
        command = [sys.executable, "-m", "edge.panel.main", "--config", str(kit.config)]
        self.kit = kit
        self.process = subprocess.Popen(command, **options)
        address = kit.folder / "panel.address"
        wait_until(lambda: address.exists() and address.read_text().strip(), 15)
        self.port = int(address.read_text().strip().rsplit(":", 1)[1])
        self.spool = open_spool(kit.folder / "spool.db")

    def ask(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Host": f"127.0.0.1:{self.port}", **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def ask_json(self, *arguments, **options):
        status, data = self.ask(*arguments, **options)
        return status, json.loads(data)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(5)
        self.spool.close()
        return code


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = Running(make_kit(tmp_path_factory.mktemp("kit")))
    yield made
    assert made.close() == 0
    assert not (made.kit.folder / "panel.address").exists()


class TestStandIn:
    def test_only_on_the_loopback_address(self, running):
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        listening = [row[1] for row in rows if row[3] == "0A"]
        assert f"0100007F:{running.port:04X}" in listening
        assert f"00000000:{running.port:04X}" not in listening

    def test_sos_from_the_page_to_the_felt_answer(self, running):
        status, told = running.ask_json("POST", "/press/sos")
        assert (status, told["done"]) == (200, "sos")
        alarms = [decode(entry.body, Alarm) for entry in running.spool.outbox.pending(50, ["alarm"])]
        assert told["alarm_id"] in [alarm.alarm_id for alarm in alarms]
        body = encode(SosAck(alarm_id=told["alarm_id"], by="样例值班员", at_ms=1))
        running.spool.inbox.put(1, "sos_ack", body, 1)
        ring(running.kit.folder, "panel")
        receipt = wait_until(lambda: running.spool.outbox.pending(5, ["receipt"]), 10)[0]
        told = json.loads(receipt.body)
        assert (told["number"], told["state"]) == (1, "felt")
        assert "no buzzer" in told["note"]

    @pytest.mark.parametrize("button", ["record", "mark", "duty"])
    def test_the_other_buttons(self, running, button):
        status, told = running.ask_json("POST", f"/press/{button}")
        assert (status, told["done"]) == (200, button)

    def test_state(self, running):
        status, told = running.ask_json("GET", "/state")
        assert status == 200
        assert set(told) >= {"recorder", "duty", "sos", "felt", "waiting_messages"}

    def test_the_page(self, running):
        status, page = running.ask("GET", "/")
        assert status == 200
        assert "dl-2901-01" in page.decode()

    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "evil.example"},
            {"Host": "127.0.0.1"},
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
        ],
    )
    @pytest.mark.parametrize(("method", "path"), [("POST", "/press/sos"), ("GET", "/state"), ("GET", "/")])
    def test_foreign_host_or_origin_is_refused(self, running, headers, method, path):
        before = running.spool.outbox.count()
        status, told = running.ask_json(method, path, headers=headers)
        assert status == 403
        assert "own address" in told["refused"]
        assert running.spool.outbox.count() == before

    def test_own_origin_is_welcome(self, running):
        origin = f"http://127.0.0.1:{running.port}"
        assert running.ask("POST", "/press/mark", headers={"Origin": origin})[0] == 200

    @pytest.mark.parametrize(
        "path", ["/press/selfdestruct", "/press/", "/press", "/../etc/passwd", "/press/record_on"]
    )
    def test_unknown_buttons(self, running, path):
        assert running.ask("POST", path)[0] == 404

    def test_a_body_without_end_is_refused(self, running):
        status, _ = running.ask("POST", "/press/mark", headers={"Content-Length": "99999999"})
        assert status == 413

    def test_a_get_presses_nothing(self, running):
        before = running.spool.outbox.count()
        assert running.ask("GET", "/press/sos")[0] == 404
        assert running.spool.outbox.count() == before


def test_keys_on_a_terminal(tmp_path):
    kit = make_kit(tmp_path, panel={"keyboard": True})
    terminal, inner = pty.openpty()
    running = Running(kit, stdin=inner, stdout=inner, stderr=subprocess.DEVNULL)
    os.write(terminal, b"s")
    wait_until(lambda: running.spool.outbox.count(["alarm"]) == 1, 10)
    os.write(terminal, b"r")
    wait_until(lambda: running.spool.state.get("recording_wanted")["on"] is False, 10)
    assert running.close() == 0
    os.close(inner)
    os.close(terminal)


@pytest.mark.parametrize(
    ("panel", "said"),
    [
        ({"debounce_s": 9}, "panel.debounce_s"),
        ({"kind": "gpio"}, "has no GPIO pins"),
        ({"http_port": 1}, "panel.http_port = 1 cannot be used"),
    ],
)
def test_it_says_what_is_wrong(tmp_path, panel, said, request):
    kit = make_kit(tmp_path, panel=panel)
    if panel == {"http_port": 1}:
        taken = socket.create_server(("127.0.0.1", 0))
        request.addfinalizer(taken.close)
        port = taken.getsockname()[1]
        kit.config.write_text(kit.config.read_text().replace("http_port = 1", f"http_port = {port}"))
        said = said.replace("= 1", f"= {port}")
    command = [sys.executable, "-m", "edge.panel.main", "--config", str(kit.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_real_buttons_to_real_vibration(tmp_path):
    """The whole process in a thread, on mock pins and the real clock."""
    kit = make_kit(tmp_path, panel={"kind": "gpio", "sos_hold_s": 0.3, "http": False})
    settings, pins, waker, stopping = kit.settings(), Pins(), Waker(), threading.Event()
    vibrated = threading.Event()

    def serve():
        with open_spool(settings.spool_path) as spool:
            process = PanelProcess(settings, spool, waker, pin_factory=pins.factory)
            pins.factory.pin(settings.panel.vibration_pin)._change_state = noting(pins, settings, vibrated)
            ready.set()
            process.run(stopping)
            process.close()

    ready = threading.Event()
    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    with open_spool(settings.spool_path) as spool:
        pins.press(settings.panel.sos_pin)
        wait_until(lambda: spool.outbox.count(["alarm"]) == 1, 10)
        assert vibrated.wait(5)
        pins.release(settings.panel.sos_pin)
    stopping.set()
    waker.wake()
    thread.join(5)
    assert not thread.is_alive()
    waker.close()


def noting(pins, settings, vibrated):
    pin = pins.factory.pin(settings.panel.vibration_pin)
    change = pin._change_state

    def note(value):
        if value:
            vibrated.set()
        return change(value)

    return note
