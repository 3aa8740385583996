"""The MQTT session against a real broker: what keeps it out is said in one line, and tried again in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.options import MqttSettings
from edge.reach.backoff import Backoff
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.uplink.link import Connected, Disconnected, Event, Link
from tests.fakes.small_authority import SmallAuthority
from tests.fakes.small_broker import SmallBroker, find_free_port

KIT = "dl-2901-01"


class Session:
    def __init__(self, folder: Path, host: str, port: int) -> None:
        identity = Identity(folder)
        self.woken = threading.Event()
        self.reach: list[bool] = []
        self.link = Link(
            MqttSettings(host=host, port=port),
            identity,
            TrustedTime(identity.floor_ms()),
            self.woken.set,
            note_reach=self.reach.append,
        )
        self.link.start()

    def next_event(self) -> Event:
        assert self.woken.wait(15)
        event = self.link.events.get(timeout=15)
        if self.link.events.empty():
            self.woken.clear()
        return event


@pytest.fixture
def sessions() -> Iterator[list[Session]]:
    made: list[Session] = []
    yield made
    for session in made:
        session.link.stop(5)


def test_connects_and_comes_back_after_the_brokers_death(
    broker: SmallBroker, kit_dir: Path, sessions: list[Session]
) -> None:
    session = Session(kit_dir, "localhost", broker.mqtt_port)
    sessions.append(session)
    assert isinstance(session.next_event(), Connected)
    assert session.link.publish("health", b"{}", qos=1)
    broker.stop()
    assert isinstance(session.next_event(), Disconnected)
    assert not session.link.publish("health", b"{}", qos=1)
    broker.start()
    while not isinstance(session.next_event(), Connected):
        pass
    tries = "".join("+" if is_reached else "-" for is_reached in session.reach)
    assert tries.startswith("+-") and tries.endswith("-+"), "told as soon as anybody answers, and when it is gone"


def read_refusal(session: Session) -> str:
    event = session.next_event()
    assert isinstance(event, Disconnected)
    return event.reason


def test_nobody_listening(kit_dir: Path, sessions: list[Session]) -> None:
    sessions.append(Session(kit_dir, "127.0.0.1", find_free_port()))
    assert "refuses connections" in read_refusal(sessions[0])


def test_an_sos_does_not_wait_out_a_long_pause(kit_dir: Path, sessions: list[Session]) -> None:
    session = Session(kit_dir, "127.0.0.1", find_free_port())
    sessions.append(session)
    session.link._backoff = Backoff(first_s=600, cap_s=600)
    read_refusal(session)
    read_refusal_after = time.monotonic()
    session.link.set_urgent(True)
    read_refusal(session)
    assert time.monotonic() - read_refusal_after < 10


def test_who_was_refused_is_in_within_seconds_once_the_centre_lets_him(
    broker: SmallBroker, kit_dir: Path, sessions: list[Session]
) -> None:
    broker.stop()
    broker.start(refuses_everybody=True)
    session = Session(kit_dir, "localhost", broker.mqtt_port)
    sessions.append(session)
    assert "refuses this kit" in read_refusal(session)
    assert "refuses this kit" in read_refusal(session)
    broker.stop()
    broker.start()
    began_s = time.monotonic()
    while not isinstance(session.next_event(), Connected):
        pass
    assert time.monotonic() - began_s < 10


def test_a_broker_of_a_stranger_gets_nothing(broker: SmallBroker, tmp_path: Path, sessions: list[Session]) -> None:
    stranger = SmallAuthority.found(tmp_path / "stranger")
    sessions.append(Session(stranger.enrol(KIT), "localhost", broker.mqtt_port))
    assert "not the centre's" in read_refusal(sessions[0])


def test_a_kit_of_a_stranger_is_kept_out(
    broker: SmallBroker, kit_dir: Path, tmp_path: Path, sessions: list[Session]
) -> None:
    stranger = SmallAuthority.found(tmp_path / "stranger").enrol(KIT)
    for name in ("device.crt", "device.key"):
        (kit_dir / name).write_bytes((stranger / name).read_bytes())
    sessions.append(Session(kit_dir, "localhost", broker.mqtt_port))
    assert "connection" in read_refusal(sessions[0])


def test_a_broker_under_another_name_gets_nothing(
    broker: SmallBroker, kit_dir: Path, sessions: list[Session]
) -> None:
    sessions.append(Session(kit_dir, "127.0.0.2", broker.mqtt_port))
    assert read_refusal(sessions[0])


def test_pauses_double_up_to_a_cap_and_jitter() -> None:
    least = Backoff(first_s=1, cap_s=60, draw=lambda: 0.0)
    most = Backoff(first_s=1, cap_s=60, draw=lambda: 1.0)
    assert [least.next_s() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [most.next_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    most.reset()
    assert most.next_s(at_least_s=30) == 30.5
