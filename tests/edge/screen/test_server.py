"""The page's process over HTTP: who may press, and what becomes of it whoever else is down."""

import http.client
import json
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from contract.messages import Alarm, CommandReceipt, decode, encode
from contract.orders import Task
from tests.edge.screen.conftest import RunningScreen
from tests.fakes.kit import make_kit
from tests.waiting import wait_until

TASK = encode(Task(title="送达样例文书", category="service"))


def alarms(spool, kind):
    told = [decode(entry.body, Alarm) for entry in spool.outbox.pending(200, ["alarm"])]
    return [alarm for alarm in told if alarm.kind == kind]


class TestWhoMayPress:
    def test_only_on_the_loopback_address(self, running):
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        listening = [row[1] for row in rows if row[3] == "0A"]
        assert f"0100007F:{running.port:04X}" in listening
        assert f"00000000:{running.port:04X}" not in listening

    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "evil.example"},
            {"Host": "127.0.0.1"},
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        ],
    )
    @pytest.mark.parametrize(("method", "path"), [("POST", "/press/sos"), ("GET", "/state"), ("GET", "/events")])
    def test_foreign_pages_are_refused(self, running, headers, method, path):
        before = running.spool.outbox.count()
        status, told = running.ask(method, path, headers=headers)
        assert status == 403
        assert b"own address" in told
        assert running.spool.outbox.count() == before

    def test_own_origin_is_welcome(self, running):
        headers = {"Origin": running.address, "Sec-Fetch-Site": "same-origin"}
        assert running.ask("POST", "/press/mark", headers=headers)[0] == 200

    @pytest.mark.parametrize(
        "path", ["/press/delete", "/press/", "/press", "/../etc/passwd", "/press/sos/x", "/tasks/x"]
    )
    def test_there_is_nothing_else_to_press(self, running, path):
        assert running.ask("POST", path)[0] == 404

    @pytest.mark.parametrize(
        "body", [b"[]", b"{", b'{"key": 1}', b'{"note": "a\\u0000b"}', json.dumps({"note": "x" * 501}).encode()]
    )
    def test_bodies_that_are_none(self, running, body):
        assert running.ask("POST", "/press/mark", body=body)[0] == 400

    def test_a_body_without_end(self, running):
        assert running.ask("POST", "/press/mark", headers={"Content-Length": "99999999"})[0] == 413

    def test_a_get_presses_nothing(self, running):
        before = running.spool.outbox.count()
        assert running.ask("GET", "/press/sos")[0] == 404
        assert running.spool.outbox.count() == before

    def test_the_page_loads_nothing_from_elsewhere(self, running):
        scripts = ("/screen.js", "/blocks.js", "/presses.js", "/signs.js", "/tasks.js", "/words.js")
        for path in ("/", "/screen.css", *scripts):
            status, text = running.ask("GET", path)
            assert status == 200
            told = text.replace(b"http://www.w3.org/2000/svg", b"")
            assert b"http://" not in told and b"https://" not in told and b"//cdn" not in told


class TestPresses:
    def test_sos_under_one_key_is_one_however_often_it_is_sent(self, running):
        key = uuid.uuid4().hex
        answers = [running.post("/press/sos", key=key)[1] for _ in range(3)]
        assert len({answer["alarm_id"] for answer in answers}) == 1
        assert len([alarm for alarm in alarms(running.spool, "sos") if alarm.alarm_id == answers[0]["alarm_id"]]) == 1
        assert running.state()["sos"]["withdrawable"] is True

    @pytest.mark.parametrize("act", ["record", "mark", "duty", "quiet", "category", "metered"])
    def test_the_other_buttons(self, running, act):
        status, told = running.post(f"/press/{act}", key=uuid.uuid4().hex)
        assert (status, told["done"]) == (200, act)

    def test_a_category_is_chosen_and_taken_back(self, running):
        assert running.post("/press/category", value="search")[1]["category"] == "search"
        assert running.state()["category"] == "search"
        assert running.post("/press/category", value="none")[1]["category"] == ""

    def test_what_is_felt_is_shown(self, running):
        running.post("/press/mark")
        assert running.state()["felt"][-1]["pattern"] == "marked"


class TestTasks:
    def test_answers_are_durable_and_say_where_they_are(self, running):
        running.spool.tasks.put(31, TASK, 1)
        assert running.post("/tasks/31", value="read")[0] == 200
        assert running.post("/tasks/31", value="accepted")[1] == {"done": "task", "number": 31, "state": "accepted"}
        (task,) = [task for task in running.state()["tasks"] if task["number"] == 31]
        assert (task["state"], task["at_centre"], task["title"]) == ("accepted", False, "送达样例文书")
        entries = running.spool.outbox.pending(200, ["receipt"])
        assert [decode(entry.body, CommandReceipt).state for entry in entries][-2:] == ["read", "accepted"]
        running.spool.outbox.release([(entry.seq, entry.seq) for entry in entries])
        wait_until(lambda: next(t for t in running.state()["tasks"] if t["number"] == 31)["at_centre"], 5)

    def test_an_answer_that_crosses_a_recall_is_refused_and_says_so(self, running):
        running.spool.tasks.put(32, TASK, 1)
        running.spool.tasks.recall(32)
        assert running.post("/tasks/32", value="accepted")[1]["code"] == "task_recalled"

    @pytest.mark.parametrize(("number", "value"), [(9999, "accepted"), (31, "deleted"), (31, "")])
    def test_answers_that_are_none(self, running, number, value):
        running.spool.tasks.put(31, TASK, 1)
        assert running.post(f"/tasks/{number}", value=value)[0] == 409


class TestStream:
    def read_events(self, running, count):
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=15)
        connection.request("GET", "/events")
        answer, told = connection.getresponse(), []
        while len(told) < count:
            line = answer.readline()
            if line.startswith(b"data: "):
                told.append(json.loads(line[6:]))
                yield told[-1]
        connection.close()

    @pytest.mark.by_the_clock
    def test_what_another_process_commits_is_shown_within_a_second(self, running):
        events = self.read_events(running, 10)
        assert next(events)["kit"] == "dl-2901-01"
        written_s = time.monotonic()
        running.spool.state.set("link_status", {"connected": False, "since_ms": 5, "reason": "样例"})
        while next(events)["link"]["reason"] != "样例":
            assert time.monotonic() < written_s + 10
        assert time.monotonic() - written_s < 3, "generous: the machine is shared"
        events.close()

    def test_of_many_pages_the_newest_are_served(self, running):
        held = []
        for _ in range(9):
            connection = socket.create_connection(("127.0.0.1", running.port), timeout=15)
            connection.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n\r\n".encode())
            assert b"200" in connection.recv(100)
            held.append(connection)
        began_s = time.monotonic()
        while held[0].recv(4096):
            assert time.monotonic() < began_s + 20, "the kit hangs up on the oldest"
        running.spool.state.set("link_status", {"connected": True, "since_ms": 6, "reason": ""})
        assert b"event-stream" in held[-1].recv(4096)
        for connection in held:
            connection.close()


class TestOtherProcessesDown:
    def test_without_a_panel_an_sos_is_kept_and_sent_when_it_is_back(self, tmp_path):
        running = RunningScreen(tmp_path, panel=False)
        key = uuid.uuid4().hex
        status, told = running.post("/press/sos", key=key)
        assert (status, told) == (202, {"waiting": "sos"})
        pressed_ms = running.spool.presses.waiting()[0].at_ms
        running.start("edge.panel.main")
        wait_until(lambda: alarms(running.spool, "sos"), 20)
        assert [alarm.pressed_ms for alarm in alarms(running.spool, "sos")] == [pressed_ms]
        assert running.post("/press/sos", key=key)[1]["done"] == "sos"
        assert len(alarms(running.spool, "sos")) == 1
        assert running.close() == [0, 0]

    def test_killed_it_comes_back_at_the_same_address(self, tmp_path):
        running = RunningScreen(tmp_path, panel=False)
        before = running.address
        running.kill("edge.screen.main")
        (running.kit.folder / "screen.address").unlink()
        running.start("edge.screen.main")
        assert running.find_address() == before
        assert running.state()["kit"] == "dl-2901-01"
        assert running.close() == [0]

    def test_a_card_that_takes_no_press_does_not_stop_an_sos(self, tmp_path):
        """The press table refuses: the SOS goes by the bell, and everything else says that it was not done."""
        running = RunningScreen(tmp_path)
        with sqlite3.connect(tmp_path / "spool.db") as other:
            other.execute("CREATE TRIGGER refuse BEFORE INSERT ON presses BEGIN SELECT RAISE(FAIL, 'no'); END")
        other.close()
        status, told = running.post("/press/sos")
        assert (status, told["waiting"]) == (202, "sos")
        wait_until(lambda: alarms(running.spool, "sos"), 10)
        status, told = running.post("/press/record", value="on")
        assert (status, told["code"]) == (503, "card")
        assert running.close() == [0, 0]

    def test_a_locked_kit_answers_no_task(self, tmp_path):
        running = RunningScreen(tmp_path)
        running.spool.tasks.put(1, TASK, 1)
        running.spool.state.set("lost", {"step": "locked", "since_ms": 1, "by": "样例", "reason": "遗失"})
        assert running.post("/tasks/1", value="accepted")[1]["code"] == "locked"
        assert running.post("/press/record", value="on")[1]["code"] == "locked"
        assert running.post("/press/sos")[1]["done"] == "sos"
        assert running.state()["lost"]["step"] == "locked"
        assert (running.state()["tasks"], running.state()["task_current"]) == ([], None), "nothing of cases is shown"
        assert running.close() == [0, 0]


@pytest.mark.by_the_clock
def test_it_costs_little(running):
    """At most 60 MB, and with a page open on a kit that reports every second a few per cent of a core."""
    process = psutil.Process(running.processes["edge.screen.main"].pid)
    assert process.memory_info().rss < 60 * 2**20
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=15)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    before, started_s = process.cpu_times(), time.monotonic()
    for index in range(5):
        running.spool.state.set("last_fix", {"lat": 25.6 + index, "lon": 100.2, "boot": running.spool.boot})
        answer.readline()
        time.sleep(1)  # a kit's pace, not a wait for anything
    after = process.cpu_times()
    connection.close()
    used = (after.user + after.system - before.user - before.system) / (time.monotonic() - started_s)
    assert used < 0.03, f"{used:.1%} of a core"


@pytest.mark.parametrize(
    ("screen", "said"), [({"port": 99999}, "screen.port"), ({"port": 1}, "screen.port = {port} cannot be used")]
)
def test_it_says_what_is_wrong(tmp_path, screen, said, request):
    if screen == {"port": 1}:
        taken = socket.create_server(("127.0.0.1", 0))
        request.addfinalizer(taken.close)
        screen = {"port": taken.getsockname()[1]}
    kit = make_kit(tmp_path, screen=screen)
    command = [sys.executable, "-m", "edge.screen.main", "--config", str(kit.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert said.format(**screen) in done.stderr
    assert "Traceback" not in done.stderr
