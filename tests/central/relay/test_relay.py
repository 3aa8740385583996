"""Pictures and voices through the relay as the process it is: both doors, real certificates, real log-ins."""

from __future__ import annotations

from contract.live import (
    CLOSE_ENDED,
    CLOSE_REFUSED,
    LOW,
    MAIN,
    Mode,
    State,
    Talkers,
    Told,
    Type,
    Want,
    Watchers,
)
from tests.central.relay.stand import KIT, SECOND, Stand, say, talk


class TestPictures:
    def test_a_picture_reaches_who_looks_and_stops_when_nobody_does(self, stand: Stand) -> None:
        session = stand.begin()
        camera = stand.camera()
        assert camera.socket.control(Want).streams == []
        viewer = stand.view(session)
        assert viewer.control(State).state == "waiting"
        camera.show()
        picture = viewer.picture()
        assert picture.is_key
        assert bytes(picture.payload) == b"\0\0\0\1\x65picture"
        assert viewer.control(State).state == "live"
        assert [one.name for one in camera.socket.control(Watchers, lambda told: bool(told.people)).people] == [
            "样例指挥长"
        ]
        acked = camera.socket.until(lambda: [one for one in camera.socket.frames if one.type is Type.ACK], "an ack")
        assert acked[0].seq == camera.seq
        viewer.close()
        assert camera.socket.control(Want).streams == []
        assert camera.socket.control(Watchers, lambda told: not told.people)
        # A source says once how its stream is decoded, not each time that somebody looks again.
        again = stand.view(session)
        assert camera.socket.control(Want, lambda want: want.streams == [MAIN]).key
        camera.send(key=True)
        again.until(lambda: [one for one in again.frames if one.type is Type.INIT], "how it is decoded")
        assert again.picture().is_key

    def test_who_comes_later_gets_the_group_of_pictures_from_its_key_frame(self, stand: Stand) -> None:
        session = stand.begin()
        camera, first = stand.camera(), stand.view(session)
        camera.show()
        for _ in range(60):
            camera.send()
        first.picture(lambda one: one.seq == 61)
        second = stand.view(session)
        seen = [second.picture().seq for _ in range(61)]
        assert seen == list(range(1, 62))
        assert second.frames == []
        camera.send()
        assert second.picture().seq == 62

    def test_both_streams_run_when_both_are_looked_at_and_a_switch_has_no_gap(self, stand: Stand) -> None:
        session = stand.begin()
        camera = stand.camera()
        tile, large = stand.view(session, stream=LOW), stand.view(session, by="jiandu", stream=MAIN)
        camera.socket.control(Want, lambda want: want.streams == [MAIN, LOW])
        for stream in (MAIN, LOW):
            camera.describe(stream)
            camera.send(key=True, stream=stream)
        assert tile.picture().stream == LOW
        assert large.picture().stream == MAIN
        tile.tell(Want(streams=[MAIN]))
        assert tile.picture().stream == MAIN
        tile.tell(Want(streams=[]))
        large.tell(Want(streams=[]))
        camera.socket.control(Want, lambda want: want.streams == [])

    def test_what_a_kit_tells_of_its_link_is_passed_on(self, stand: Stand) -> None:
        session = stand.begin()
        camera, viewer = stand.camera(), stand.view(session)
        camera.wait_wanted()
        camera.socket.tell(Told(kbps=300, note="thin"))
        assert viewer.control(Told) == Told(kbps=300, note="thin")

    def test_the_record_says_who_watched(self, stand: Stand) -> None:
        session = stand.begin()
        viewer = stand.view(session)
        viewer.control(State)  # whatever comes: who looks is on record before it
        assert [kind for kind, _, _ in stand.entries(session)].count("watch_begun") == 1
        begun = stand.wait_entry(session, "watch_begun")
        assert (begun["source"], begun["who"]) == (KIT, "user:zhihui")
        viewer.close()
        stand.wait_entry(session, "watch_ended")

    def test_a_person_without_a_kit_shows_his_camera(self, stand: Stand) -> None:
        session = stand.begin(voice="duplex")
        from tests.central.relay.stand import Camera

        camera = Camera(stand.publish(session, by="zhiban"))
        source = f"p:{stand.actors['zhiban'].user_id}"
        viewer = stand.view(session, source, stream=LOW)
        camera.show()
        assert viewer.picture().is_key
        stand.wait_entry(session, "published")


class TestVoice:
    def test_a_word_reaches_everybody_else_and_never_its_talker(self, stand: Stand) -> None:
        session = stand.begin(KIT, SECOND)
        one, two = stand.voice_of_kit(KIT), stand.voice_of_kit(SECOND)
        hall = stand.voice(session)
        one.control(Mode, lambda told: told.mode == "ptt")
        for socket in (one, two, hall):
            socket.control(Talkers, lambda told: len(told.talkers) == 3)
        talk(hall)
        say(hall, b"word")
        for socket in (one, two):
            told = socket.control(Talkers, lambda told: any(talker.on for talker in told.talkers))
            (talker,) = [talker for talker in told.talkers if talker.on]
            assert talker.name == "样例指挥长"
            heard = socket.picture()
            assert (bytes(heard.payload), heard.stream) == (b"word", talker.stream)
        assert hall.drain(0.3) == []
        talk(hall, on=False)
        one.control(Talkers, lambda told: not any(talker.on for talker in told.talkers))
        say(hall, b"too late", 2)
        assert one.drain(0.3) == []
        assert stand.wait_entry(session, "talk_begun")["to"] == []
        stand.wait_entry(session, "talk_ended")
        assert stand.wait_entry(session, "listen_begun")["who"] == "user:zhihui"
        hall.close()
        stand.wait_entry(session, "listen_ended")

    def test_a_word_to_one_reaches_nobody_else(self, stand: Stand) -> None:
        session = stand.begin(KIT, SECOND)
        one, two, hall = stand.voice_of_kit(KIT), stand.voice_of_kit(SECOND), stand.voice(session)
        hall.control(Talkers, lambda told: len(told.talkers) == 3)
        talk(one, SECOND)
        say(one, b"between us")
        assert bytes(two.picture().payload) == b"between us"
        assert hall.drain(0.3) == []

    def test_a_kit_hears_on_its_voice_connection_who_watches_it(self, stand: Stand) -> None:
        session = stand.begin()
        voice = stand.voice_of_kit()
        viewer = stand.view(session)
        told = voice.control(Watchers, lambda told: bool(told.people))
        assert [one.name for one in told.people] == ["样例指挥长"]
        viewer.close()
        voice.control(Watchers, lambda told: not told.people)

    def test_who_may_only_watch_hears_nothing_said_by_himself(self, stand: Stand) -> None:
        session = stand.begin()
        kit, listener = stand.voice_of_kit(), stand.voice(session, by="jiandu")
        kit.control(Talkers, lambda told: len(told.talkers) == 2)
        talk(listener)
        say(listener)
        assert kit.drain(0.4) == []
        talk(kit)
        say(kit, b"heard")
        assert bytes(listener.picture().payload) == b"heard"


class TestWhoIsLetIn:
    def test_nobody_without_right_or_session(self, stand: Stand) -> None:
        session = stand.begin()
        assert stand.view(session, by="shuji").closed() == CLOSE_REFUSED
        assert stand.view(session, by="linxian").closed() == CLOSE_REFUSED
        assert stand.view(session, by="no such token").closed() == 4401
        assert stand.view("0" * 32).closed() == CLOSE_ENDED
        assert stand.view(session, SECOND).closed() == CLOSE_REFUSED
        assert (
            stand.person(f"/live/picture/{session}/{KIT}", Origin="https://elsewhere.test").closed() == CLOSE_REFUSED
        )
