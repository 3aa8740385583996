"""The event stream: a snapshot first, then what the person may see, until the log-in ends."""

import json
import queue
import threading

import httpx
import pytest

from central.base.bus import POSITIONS_SUBJECT
from central.devices.feed import LivePosition, encode_positions
from central.people import service as people
from central.web.security import SESSION_COOKIE


class Listener:
    """Reads a stream in a thread; `wait(name)` gives the next event of that name."""

    def __init__(self, client):
        self.events = queue.Queue()
        self.ended = threading.Event()
        self._client = client
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            with self._client.stream("GET", "/events", timeout=20) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                name = ""
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        name = line[7:]
                    elif line.startswith("data: "):
                        self.events.put((name, json.loads(line[6:])))
        except httpx.HTTPError:
            pass  # the server went down at the end of the test
        finally:
            self.ended.set()

    def wait(self, wanted, timeout_s=10):
        while True:
            name, data = self.events.get(timeout=timeout_s)
            if name == wanted:
                return data


@pytest.fixture
def listen(log_in):
    def listen_as(login):
        client = log_in(login)
        return client, Listener(client)

    return listen_as


def test_snapshot_then_incident_then_change(listen, kits, raise_sos):
    client, stream = listen("zhiban")
    assert {card["kit_id"] for card in stream.wait("snapshot")["kits"]} == {"dl-2901-01", "yb-2922-01"}
    incident = raise_sos(kits["dl-2901-01"])
    assert stream.wait("incident_opened")["id"] == incident
    client.post(f"/incidents/{incident}/acknowledge")
    assert stream.wait("incident_changed")["state"] == "acknowledged"


def test_other_counties_are_not_heard(listen, kits, bus, raise_sos):
    _, stream = listen("linxian")
    assert [card["kit_id"] for card in stream.wait("snapshot")["kits"]] == ["yb-2922-01"]
    raise_sos(kits["dl-2901-01"])
    own = raise_sos(kits["yb-2922-01"])
    assert stream.wait("incident_opened")["id"] == own
    for kit_id, court in (("dl-2901-01", "云2901"), ("yb-2922-01", "云2922")):
        marker = LivePosition(kit_id, court, 25.6, 100.1, 1, 1, 3, 5.0, 90.0, "")
        bus.nudge(POSITIONS_SUBJECT, encode_positions([marker]))
    assert [row[0] for row in stream.wait("positions")["positions"]] == ["yb-2922-01"]


def test_stream_ends_with_the_log_in(listen, kits):
    client, stream = listen("zhiban")
    stream.wait("snapshot")
    client.post("/logout")
    assert stream.wait("closed")["reason"] == "session_ended"
    assert stream.ended.wait(5)


def test_stream_ends_when_the_user_is_disabled(listen, kits, store):
    _, stream = listen("zhiban")
    stream.wait("snapshot")
    with store.write() as uow:
        people.disable_user(uow, login="zhiban", by="system:test")
    assert stream.wait("closed")["reason"] == "session_ended"
    assert stream.ended.wait(5)


def test_nobody_listens_without_log_in_or_right(client, log_in):
    client.headers["accept"] = "text/event-stream"
    assert client.get("/events").status_code == 401
    client.cookies.set(SESSION_COOKIE, "made-up")
    assert client.get("/events").status_code == 401
    assert log_in("guanli").get("/events").status_code == 403
