"""What goes wrong at the relay, caused: readers that stop, garbage, revocation, lost rights, restarts."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosed, InvalidStatus

from contract.live import (
    CLOSE_ENDED,
    CLOSE_GARBAGE,
    CLOSE_REFUSED,
    CLOSE_REPLACED,
    CLOSE_RESTARTING,
    CLOSE_UNPROVEN,
    LOW,
    PICTURE_PATH,
    VOICE_PATH,
    End,
    State,
    Talkers,
    Type,
    Want,
    Watcher,
    Watchers,
    pack,
    pack_control,
)
from tests.central.relay.stand import KIT, SECOND, STRANGER, Camera, Stand, running
from tests.waiting import wait_until

CUT_WITHIN_S = 1.0


def closed_within_a_second(stand: Stand, socket, since_s: float) -> int:
    code = socket.closed(5)
    assert time.monotonic() - since_s < CUT_WITHIN_S
    return code


class TestSources:
    def test_garbage_is_borne_a_few_times_and_then_closes(self, stand: Stand) -> None:
        session = stand.begin()
        camera, viewer = stand.camera(), stand.view(session)
        camera.show()
        viewer.picture()
        camera.socket.send("text")
        camera.socket.send(b"short")
        camera.socket.send(pack(Type.VIDEO, b"x", stream=7))
        camera.socket.send(pack(Type.AUDIO, b"x"))
        camera.send(key=True)
        assert viewer.picture().seq == camera.seq
        camera.socket.send(pack_control(Watchers(people=[Watcher("forged")])))
        camera.socket.send(b"\xff" * 16)
        assert camera.socket.closed() == CLOSE_GARBAGE
        assert viewer.control(State, lambda told: told.state == "gone")
        wait_until(
            lambda: stand.centre.scalar("SELECT value FROM counter WHERE name = 'total.live.refused.frames'") >= 6,
            10,
            "counts",
        )

    @pytest.mark.by_the_clock
    def test_a_flood_is_cut_down_to_its_bounds_and_harms_nobody(self, stand: Stand) -> None:
        session = stand.begin(KIT, SECOND)
        camera, other = stand.camera(), stand.camera(SECOND)
        viewer, flooded = stand.view(session, SECOND), stand.view(session, KIT, by="jiandu")
        camera.show()
        other.show()
        viewer.picture()
        flooded.picture()  # before it his look is being put on record and what comes waits: a flood would drop it
        for _ in range(3000):
            camera.send(payload=b"x" * 100)
        other.send()
        began = time.monotonic()
        viewer.picture(lambda one: one.seq == other.seq)
        assert time.monotonic() - began < 5
        flooded.picture()
        seen = {one.seq for one in flooded.drain(1.0)}
        assert len(seen) < 1300  # what is allowed at once, and a few seconds of the rate

    def test_the_newer_connection_of_a_kit_takes_the_place_of_the_older(self, stand: Stand) -> None:
        session = stand.begin()
        older, viewer = stand.camera(), stand.view(session)
        older.show()
        viewer.picture()
        newer = stand.camera()
        assert older.socket.closed() == CLOSE_REPLACED
        newer.show()
        newer.send(key=True)
        viewer.picture(lambda one: one.seq == newer.seq)
        viewer.control(State, lambda told: told.state == "live")

    def test_a_kit_is_nobody_but_itself(self, stand: Stand) -> None:
        stand.begin()
        with pytest.raises(InvalidStatus) as refused:
            stand.kit(SECOND, iss=KIT, sub=KIT)
        assert refused.value.response.status_code == 401
        with pytest.raises(InvalidStatus):
            stand.kit(KIT, htu=VOICE_PATH)
        door = stand.centre.door(KIT)
        door.port = stand.settings.live_kit_port
        token = door.token("GET", PICTURE_PATH, b"")
        address = f"wss://127.0.0.1:{door.port}{PICTURE_PATH}"
        first = stand._open(address, {"Authorization": f"Bearer {token}"})
        assert first.control(Want).streams == []
        with pytest.raises(InvalidStatus):  # a token is worth one connection
            stand._open(address, {"Authorization": f"Bearer {token}"})

    def test_a_kit_outside_every_session_is_told_so(self, stand: Stand) -> None:
        session = stand.begin(KIT)
        stranger = stand.kit(SECOND)
        assert stranger.closed() == CLOSE_ENDED
        assert [one for one in stranger.controls if isinstance(one, End)]
        other = stand.begin(SECOND, by="zhihui")
        camera = stand.camera(SECOND)
        assert stand.view(session, SECOND).closed() == CLOSE_REFUSED
        camera.socket.control(Watchers, lambda told: not told.people)
        assert stand.view(other, SECOND).control(State).state == "waiting"

    def test_the_cameras_feed_is_open_to_its_process_alone(self, stand: Stand) -> None:
        address = f"wss://127.0.0.1:{stand.settings.live_kit_port}/live/feed/gate"
        with pytest.raises(InvalidStatus):
            stand._open(address, {"Authorization": "Bearer wrong"})
        secret_file = stand.centre.folder / "data" / "relay.secret"
        assert secret_file.stat().st_mode & 0o777 == 0o600
        feed = stand._open(address, {"Authorization": f"Bearer {secret_file.read_text()}"})
        assert feed.control(Want).streams == []


class TestViewers:
    @pytest.mark.by_the_clock
    def test_one_that_stops_reading_holds_nobody_up_and_goes_on_at_a_key_frame(self, stand: Stand) -> None:
        session = stand.begin()
        camera = stand.camera()
        reader, slow = stand.view(session), stand.view(session, by="jiandu", acks=False)
        camera.show()
        reader.picture()
        body = b"x" * 60_000
        began = time.monotonic()
        for number in range(200):
            camera.send(payload=body, key=number == 199)
            reader.picture(lambda one: one.seq == camera.seq)
            if number == 100:
                time.sleep(max(0.0, 1.2 - (time.monotonic() - began)))  # longer than a full window may stand
        received: list[int] = []
        while found := slow.drain(1.0):
            received += [one.seq for one in found]
        assert received and len(received) < 120
        assert received == sorted(received)
        for seq in received:
            slow.send(pack(Type.ACK, seq=seq))
        camera.send(key=True)
        assert slow.picture().seq == camera.seq

    def test_one_that_sends_what_a_viewer_does_not_is_closed(self, stand: Stand) -> None:
        session = stand.begin()
        viewer = stand.view(session)
        for _ in range(6):
            viewer.send(pack(Type.VIDEO, b"forged"))
        assert viewer.closed() == CLOSE_GARBAGE


class TestCut:
    @pytest.mark.by_the_clock
    def test_a_revoked_kit_is_out_within_a_second_everywhere(self, running_stand: Stand) -> None:
        stand = running_stand
        session = stand.begin(KIT, STRANGER)
        camera, voice = stand.camera(STRANGER), stand.voice_of_kit(STRANGER)
        viewer, hall = stand.view(session, STRANGER), stand.voice(session)
        camera.show()
        viewer.picture()
        hall.control(Talkers, lambda told: STRANGER in [one.id for one in told.talkers])
        stand.centre.revoked.add(STRANGER)
        since = time.monotonic()
        stand.centre.write_registry()
        assert closed_within_a_second(stand, camera.socket, since) == CLOSE_REFUSED
        assert closed_within_a_second(stand, voice, since) == CLOSE_REFUSED
        viewer.control(State, lambda told: told.state in ("gone", "ended"))
        hall.control(Talkers, lambda told: STRANGER not in [one.id for one in told.talkers])
        with pytest.raises(InvalidStatus) as refused:
            stand.kit(STRANGER)
        assert refused.value.response.status_code == 403
        stand.clear()

    @pytest.mark.by_the_clock
    def test_the_end_of_a_session_cuts_everybody(self, stand: Stand) -> None:
        session = stand.begin()
        camera, voice = stand.camera(), stand.voice_of_kit()
        viewer, hall = stand.view(session), stand.voice(session)
        camera.show()
        viewer.picture()
        since = time.monotonic()
        stand.end(session)
        for socket in (camera.socket, voice, viewer, hall):
            assert closed_within_a_second(stand, socket, since) == CLOSE_ENDED
            assert [one for one in socket.controls if isinstance(one, End)]

    def test_a_session_ends_by_the_clock_too(self, stand: Stand) -> None:
        session = stand.begin()
        viewer = stand.view(session)
        viewer.control(State)
        with stand.store.write() as uow:
            uow.connection.execute(
                text("UPDATE command_session SET until_ms = :now WHERE id = :id"), {"now": uow.now_ms, "id": session}
            )
        assert viewer.closed(3) == CLOSE_ENDED

    @pytest.mark.by_the_clock
    def test_a_lost_log_in_cuts_the_person_and_nobody_else(self, stand: Stand) -> None:
        session = stand.begin()
        camera, viewer, other = stand.camera(), stand.view(session, by="zhiban"), stand.view(session)
        hall = stand.voice(session, by="zhiban")
        camera.show()
        viewer.picture()
        since = time.monotonic()
        stand.log_out("zhiban")
        for socket in (viewer, hall):
            assert closed_within_a_second(stand, socket, since) == CLOSE_UNPROVEN
        camera.send(key=True)
        other.picture(lambda one: one.seq == camera.seq)
        stand.log_in("zhiban")

    @pytest.mark.by_the_clock
    def test_a_lost_right_cuts_too(self, stand: Stand) -> None:
        session = stand.begin()
        viewer = stand.view(session, by="zhiban")
        viewer.control(State)
        with stand.store.write() as uow:
            uow.connection.execute(text("UPDATE user_account SET role = 'clerk' WHERE login = 'zhiban'"))
        since = time.monotonic()
        assert closed_within_a_second(stand, viewer, since) == CLOSE_REFUSED
        with stand.store.write() as uow:
            uow.connection.execute(text("UPDATE user_account SET role = 'duty_operator' WHERE login = 'zhiban'"))

    def test_a_person_who_does_not_read_is_cut_all_the_same(self, stand: Stand) -> None:
        session = stand.begin()
        camera, deaf = stand.camera(), stand.view(session, by="zhiban", acks=False)
        camera.show()
        for _ in range(60):
            camera.send(payload=b"x" * 200_000)
        camera.socket.drain(0.5)
        stand.log_out("zhiban")
        # Nobody reads at the other end: what shows the cut is that the relay's side is gone.
        port = deaf.port
        try:
            # A second on a machine that does nothing else.
            wait_until(lambda: not _is_established(stand.settings.live_port, port), 6, "the connection to be gone")
        finally:
            stand.log_in("zhiban")

    def test_a_person_who_is_told_and_does_not_answer_is_cut_all_the_same(self, stand: Stand) -> None:
        session = stand.begin()
        camera, deaf = stand.camera(), stand.view(session, by="zhiban")
        camera.show()
        deaf.picture()
        deaf.stop_reading()
        port = deaf.port
        assert _is_established(stand.settings.live_port, port)
        stand.log_out("zhiban")
        try:
            wait_until(lambda: not _is_established(stand.settings.live_port, port), 6, "the connection to be gone")
        finally:
            stand.log_in("zhiban")


def _is_established(here: int, there: int) -> bool:
    wanted = (f":{here:04X}", f":{there:04X}")
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(wanted[0]) and row[2].endswith(wanted[1]) and row[3] == "01" for row in rows)


class TestRestart:
    def test_killed_it_comes_back_and_so_does_everybody(self, tmp_path, migrated_database) -> None:
        with running(tmp_path, migrated_database) as stand:
            session = stand.begin()
            camera, viewer = stand.camera(), stand.view(session)
            camera.show()
            viewer.picture()
            stand.centre.kill("relay")
            with pytest.raises(ConnectionClosed):
                viewer.drain(5)
            stand.start()
            camera, viewer = stand.camera(), stand.view(session, stream=LOW)
            camera.wait_wanted(LOW)
            camera.describe(LOW)
            camera.send(key=True, stream=LOW)
            assert viewer.picture().is_key
            os.kill(stand.centre.processes["relay"].pid, signal.SIGTERM)
            assert viewer.closed() == CLOSE_RESTARTING
            assert camera.socket.closed() == CLOSE_RESTARTING
            assert stand.centre.processes.pop("relay").wait(15) == 0
            assert [kind for kind, _, _ in stand.entries(session)].count("watch_ended") >= 1


def test_a_camera_of_a_person_belongs_to_one_session(stand: Stand) -> None:
    first, second = stand.begin(KIT, voice="duplex"), stand.begin(SECOND, voice="duplex")
    source = f"p:{stand.actors['zhiban'].user_id}"
    camera = Camera(stand.publish(first, by="zhiban"))
    viewer = stand.view(first, source)
    camera.show()
    viewer.picture()
    assert stand.view(second, source).closed() == CLOSE_REFUSED
    moved = Camera(stand.publish(second, by="zhiban"))
    assert camera.socket.closed() == CLOSE_REPLACED
    assert viewer.closed() == CLOSE_ENDED
    assert moved.socket.control(Want).streams == []
