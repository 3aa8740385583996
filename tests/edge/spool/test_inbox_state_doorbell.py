"""Orders once each and without holes; shared facts; doorbells between processes; heartbeats."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge.spool import Doorbell, Heartbeat, open_spool, ring
from edge.spool.heartbeat import heartbeat_path
from edge.spool.inbox import HANDLED_KEPT
from tests.waiting import wait_until


def test_inbox_counts_up_to_the_first_hole(tmp_path: Path) -> None:
    with open_spool(tmp_path / "spool.db") as spool:
        inbox = spool.inbox
        assert inbox.have() == 0
        assert inbox.put(1, "sos_ack", b"{}", 5) and inbox.put(3, "trust", b"{}", 6, 7)
        assert inbox.have() == 1
        assert not inbox.put(3, "trust", b"{}", 6), "a repeat"
        assert inbox.put(2, "trust", b"{}", 6)
        assert inbox.have() == 3
        assert [order.number for order in inbox.unhandled()] == [1, 2, 3]
        assert [order.number for order in inbox.unhandled("sos_ack")] == [1]
        assert inbox.unhandled()[2].expires_ms == 7
        inbox.mark_handled(2)
        assert [order.number for order in inbox.unhandled()] == [1, 3]


def test_inbox_forgets_old_handled_orders_but_not_their_numbers(tmp_path: Path) -> None:
    with open_spool(tmp_path / "spool.db") as spool, spool.transaction():
        spool.inbox.put(1, "keep", b"{}", 1)
        for number in range(2, HANDLED_KEPT + 10):
            spool.inbox.put(number, "trust", b"{}", 1)
            spool.inbox.mark_handled(number)
        assert spool.inbox.have() == HANDLED_KEPT + 9
        assert not spool.inbox.put(3, "trust", b"{}", 1), "carried out long ago, never again"
        assert [order.kind for order in spool.inbox.unhandled()] == ["keep"]


def test_state_is_shared_between_holds(tmp_path: Path) -> None:
    with open_spool(tmp_path / "spool.db") as mine, open_spool(tmp_path / "spool.db") as yours:
        assert mine.id == yours.id
        mine.state.set("duty", True)
        assert yours.state.get("duty") is True
        assert yours.state.get("absent", 7) == 7
        assert yours.state.change("n", lambda old: (old or 0) + 1) == 1
        assert mine.state.change("n", lambda old: (old or 0) + 1) == 2


def test_changes_by_two_threads_are_not_lost(tmp_path: Path) -> None:
    def count() -> None:
        with open_spool(tmp_path / "spool.db") as spool:
            for _ in range(50):
                spool.state.change("n", lambda old: (old or 0) + 1)

    # The first to come creates the file while the others already wait for it.
    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_spool(tmp_path / "spool.db") as spool:
        assert spool.state.get("n") == 150


def test_doorbell_rings_however_deep_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    assert not ring(folder, "panel"), "nobody listens"
    bell = Doorbell(folder, "panel")
    assert not bell.wait(0)
    for _ in range(5_000):
        assert ring(folder, "panel"), "a full queue is as good as a ring"
    assert bell.wait(1)
    assert not bell.wait(0), "many rings count as one"
    bell.close()
    assert not ring(folder, "panel")


def test_doorbell_survives_its_owners_crash(tmp_path: Path) -> None:
    Doorbell(tmp_path, "control")._socket.close()
    assert not ring(tmp_path, "control")
    bell = Doorbell(tmp_path, "control")
    assert ring(tmp_path, "control") and bell.wait(1)
    bell.close()


def test_unknown_bells_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="control, recorder, panel"):
        ring(tmp_path, "camera")
    with pytest.raises(ValueError, match="control, recorder, panel"):
        Doorbell(tmp_path, "camera")


def test_heartbeat_changes_with_every_beat(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path, "recorder")
    first = heartbeat_path(tmp_path, "recorder").read_bytes()
    heart.beat()
    second = heartbeat_path(tmp_path, "recorder").read_bytes()
    heart.close()
    assert first != second


def test_a_pulse_tells_the_turns_of_the_loop_too(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path, "recorder")

    def told() -> list[bytes]:
        return heartbeat_path(tmp_path, "recorder").read_bytes().split()

    heart.keep_pulse(every_s=0.01)
    for _ in range(6):
        heart.beat()
    wait_until(lambda: int(told()[1]) == 7, 10)
    still = told()
    wait_until(lambda: told()[2] != still[2], 10)
    assert told()[1] == still[1], "a loop that stands still is told as one, however its process lives"
    heart.close()
