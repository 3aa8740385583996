import os
import pty
import signal
import subprocess
import sys
import threading

import pytest

from contract.messages import Alarm, CommandReceipt, decode, encode
from contract.orders import SosAck
from edge.panel.main import PanelProcess, Waker
from edge.spool import open_spool, ring
from edge.spool.presses import SOS_WORD
from tests.fakes.hand import Pins
from tests.fakes.kit import make_kit
from tests.waiting import wait_until


class Running:
    """The real process, and the spool seen by another one."""

    def __init__(self, kit, **options):
        command = [sys.executable, "-m", "edge.panel.main", "--config", str(kit.config)]
        self.process = subprocess.Popen(command, **options)
        wait_until((kit.folder / "bell.panel").exists, 20)
        self.spool = open_spool(kit.folder / "spool.db")

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(5)
        self.spool.close()
        return code


def test_sos_from_the_page_to_the_felt_answer(tmp_path):
    running = Running(make_kit(tmp_path))
    spool = running.spool
    spool.presses.put("k", "sos")
    ring(spool.dir, "panel")
    told = wait_until(lambda: spool.presses.find_answer("k"), 10)
    (alarm,) = [decode(entry.body, Alarm) for entry in spool.outbox.pending(50, ["alarm"])]
    assert (told["done"], told["alarm_id"]) == ("sos", alarm.alarm_id)
    spool.inbox.put(1, "sos_ack", encode(SosAck(alarm_id=alarm.alarm_id, by="样例值班员", at_ms=1)), 1)
    ring(spool.dir, "panel")
    receipt = wait_until(lambda: spool.outbox.pending(5, ["receipt"]), 10)[0]
    felt = decode(receipt.body, CommandReceipt)
    assert (felt.number, felt.state) == (1, "felt")
    assert "no buzzer" in felt.note
    assert [entry["pattern"] for entry in spool.state.get("felt")] == ["sos_sent", "person_has_it"]
    assert running.close() == 0


def test_an_sos_that_the_card_took_no_press_of_comes_by_the_bell(tmp_path):
    running = Running(make_kit(tmp_path))
    ring(running.spool.dir, "panel", SOS_WORD)
    wait_until(lambda: running.spool.outbox.count(["alarm"]) == 1, 10)
    assert running.close() == 0


def test_killed_with_presses_waiting_it_takes_each_once(tmp_path):
    """kill -9 while the page presses on: afterwards every press has one mark, and no mark is without a press."""
    kit = make_kit(tmp_path)
    running = Running(kit)
    for index in range(30):
        running.spool.presses.put(f"k{index}", "mark")
    ring(running.spool.dir, "panel")
    wait_until(lambda: running.spool.outbox.count(["alarm"]) > 3, 10)
    running.process.kill()
    running.process.wait(5)
    again = Running(kit)
    wait_until(lambda: not again.spool.presses.waiting(), 20)
    assert again.spool.outbox.count(["alarm"]) == 30
    assert running.close() != 0
    assert again.close() == 0


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
    ],
)
def test_it_says_what_is_wrong(tmp_path, panel, said):
    kit = make_kit(tmp_path, panel=panel)
    command = [sys.executable, "-m", "edge.panel.main", "--config", str(kit.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_real_buttons_to_real_vibration(tmp_path):
    """The whole process in a thread, on mock pins and the real clock."""
    kit = make_kit(tmp_path, panel={"kind": "gpio", "sos_hold_s": 0.3})
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
