"""A body-cam's habits: the seconds before and after, whose stop counts, what is stated of task and sound."""

import io
import uuid

import av
import pytest

from contract.categories import CATEGORIES
from contract.notes import read_notes
from edge.recorder.capture import Taken
from edge.recorder.moment import Moment
from edge.recorder.ring import MAX_RING_BYTES, PreEventRing
from edge.recorder.silence import make_silence
from edge.recorder.sources import AudioPacket, EncodedFrame
from edge.recorder.sources.encoding import SoundEncoder
from edge.spool.vault import MARKED
from tests.fakes.camera import FPS
from tests.waiting import wait_until

MIB = 1024 * 1024
TASK = {
    "number": 7,
    "title": "搜查被执行人住所",
    "case_no": "（2026）云2901执77号",
    "category": "search",
    "officer": "样本警官",
}


def stated(desk, recording_id=None):
    """(what, facts) of every note in the signed records of a recording."""
    notes = [note for record in desk.chain(recording_id) for note in read_notes(record.extra)]
    return [(note["what"], {name: note[name] for name in note if name not in ("what", "at_ms")}) for note in notes]


def loud_packets(count):
    """Real AAC of a loud tone."""
    encoder = SoundEncoder()
    packets, number = [], 0
    while len(packets) < count:
        frame = av.AudioFrame(format="s16", layout="mono", samples=1024)
        frame.planes[0].update((b"\x00\x60" * 24 + b"\x00\xa0" * 24) * 21 + b"\x00\x60" * 16)
        frame.sample_rate = 48_000
        packets += [packet.data for packet in encoder.encode(frame, number * 21_333)]
        number += 1
    encoder.close()
    return packets[:count]


def loudness(desk, seq):
    """Peak of the decoded sound of a segment, 0 to 1; None without any."""
    _, data = desk.kit.open_segment(desk.recordings()[-1], seq)
    with av.open(io.BytesIO(data)) as container:
        peaks = [
            max(abs(value) for value in memoryview(bytes(frame.planes[0])).cast("f"))
            for frame in container.decode(audio=0)
        ]
    return max(peaks, default=None)


def call_for_help(desk, **more):
    """What the panel writes on an SOS."""
    now = desk.clocks.now
    alarm = uuid.uuid4().hex
    sos = {"alarm_id": alarm, "pressed_ms": now.wall_ms, "boot": desk.spool.boot, "boot_ms": now.monotonic_ms}
    desk.spool.state.set("sos", {**sos, **more})
    return alarm


class TestTheSecondsBefore:
    def with_sound(self, make_desk, **segments):
        desk = make_desk(segments={"pre_event_s": 4, **segments}, camera={"audio": True})
        desk.sound = True
        desk.spool.state.set("duty", True)
        desk.turn(rung=True)
        return desk

    def talk(self, desk, frames):
        voice = loud_packets(4)
        for number in range(frames):
            for _ in range(2):
                desk.camera.say(voice[-1])
                wait_until(lambda: desk.turn() or desk.camera.heard())
            desk.shoot(1)
            assert number < frames

    def test_what_was_said_before_the_press_is_not_kept(self, make_desk):
        desk = self.with_sound(make_desk)
        self.talk(desk, FPS * 3)
        kept = [taken.item for taken in desk.recorder._camera.ring._items if isinstance(taken.item, AudioPacket)]
        assert len(kept) > FPS
        assert {len(packet.data) for packet in kept} == {0}
        desk.want()
        self.talk(desk, FPS * 3)
        desk.want(on=False)
        opening = desk.chain()[0].extra
        assert (opening["sound"], opening["pre_event_sound"]) == ("on", False)
        assert 2900 <= opening["pre_event_ms"] <= 3100
        assert loudness(desk, 1) < 0.01
        assert loudness(desk, 3) > 0.3

    def test_with_the_option_it_is(self, make_desk):
        desk = self.with_sound(make_desk, pre_event_sound=True)
        self.talk(desk, FPS * 3)
        desk.want()
        desk.want(on=False)
        assert desk.chain()[0].extra["pre_event_sound"] is True
        assert loudness(desk, 1) > 0.3

    def test_half_a_minute_is_the_default_and_fits_its_memory(self, make_desk):
        assert make_desk().settings.segments.pre_event_s == 30
        ring = PreEventRing(30)
        for number in range(30 * 60):  # a minute of 1080p30 at 4 Mbit/s
            at_us = number * 1_000_000 // 30
            ring.push(Taken(EncodedFrame(bytes(16_667), number % 30 == 0, at_us), Moment(0, at_us // 1000)))
        assert 15 * MIB * 0.9 < ring.size_bytes < 17 * MIB
        assert ring.began_ms <= 60_000 - 30_000
        assert ring.size_bytes == sum(len(taken.item.data) for taken in ring.drain())
        assert ring.size_bytes == 0

    def test_a_stream_too_rich_for_the_memory_shortens_the_past(self):
        ring = PreEventRing(30)
        largest = 0
        for number in range(30 * 30):
            at_us = number * 1_000_000 // 30
            ring.push(Taken(EncodedFrame(bytes(80_000), number % 30 == 0, at_us), Moment(0, at_us // 1000)))
            largest = max(largest, ring.size_bytes)
        assert largest <= MAX_RING_BYTES
        items = [taken.item for taken in ring.drain()]
        assert items[0].key
        assert items[-1].pts_us - items[0].pts_us > 8_000_000

    def test_one_endless_group_does_not_fill_the_memory(self):
        ring = PreEventRing(30, max_bytes=1000)
        for number in range(200):
            ring.push(Taken(EncodedFrame(bytes(100), number == 0, number * 40_000), Moment(0, 0)))
        assert ring.size_bytes == 0

    def test_silence_is_silent_in_the_sources_own_format(self):
        encoder = SoundEncoder()
        packet = make_silence(encoder.format)
        encoder.close()
        decoder = av.CodecContext.create("aac", "r")
        decoder.extradata = bytes.fromhex("1188")  # AAC-LC, 48 kHz, mono
        for _ in range(4):
            for frame in decoder.decode(av.Packet(packet)):
                assert max(abs(value) for value in memoryview(bytes(frame.planes[0])).cast("f")) < 1e-4
        assert make_silence(None) is None


class TestWhoseStopCounts:
    def test_the_officers_own_ends_at_once(self, desk):
        desk.want()
        desk.shoot(30)
        desk.want(on=False)
        assert desk.kinds()[-1] == "FINAL officer"
        assert "post_event_ms" not in desk.chain()[-1].extra

    @pytest.mark.parametrize("cause", ["centre", "neighbour", "live"])
    def test_after_the_centres_it_goes_on_for_half_a_minute(self, make_desk, cause):
        desk = make_desk(segments={"pre_event_s": 0})
        assert desk.settings.segments.post_event_s == 30
        desk.want()
        desk.shoot(30)
        desk.want(on=False, cause=cause)
        ends_ms = desk.clocks.now.wall_ms + 30_000
        assert (desk.status["recording"], desk.status["ends_ms"]) == (True, ends_ms)
        desk.shoot(FPS * 29)
        assert "FINAL" not in desk.kinds()[-1]
        desk.clocks.advance(1001)
        desk.turn()
        final = desk.chain()[-1]
        assert (final.kind.name, final.cause) == ("FINAL", cause)
        assert 30_000 <= final.extra["post_event_ms"] <= 30_200
        assert ("stop", {"cause": cause}) in stated(desk)
        assert (desk.status["state"], desk.status["ends_ms"]) == ("idle", None)
        desk.turn()
        assert desk.camera.closed

    def test_wanted_again_in_time_it_is_one_recording(self, desk):
        desk.want(cause="centre")
        desk.shoot(30)
        desk.want(on=False, cause="centre")
        desk.shoot(30)
        desk.want()
        desk.shoot(FPS * 33)
        assert len(desk.recordings()) == 1
        assert "FINAL" not in desk.kinds()[-1]
        assert stated(desk) == [("stop", {"cause": "centre"}), ("wish", {"cause": "officer"})]

    def test_an_unanswered_call_for_help_outlasts_a_stop_at_the_kit(self, desk):
        desk.want(cause="sos")
        call_for_help(desk)
        desk.shoot(30)
        desk.want(on=False)
        desk.shoot(FPS * 35)
        assert desk.status["recording"] is True
        assert "until the centre has taken the SOS" in desk.status["note"]
        assert ("hold", {}) in stated(desk)
        desk.spool.state.change("sos", lambda sos: {**sos, "acked": True})
        desk.turn(rung=True)
        assert desk.kinds()[-1] == "FINAL officer"

    @pytest.mark.parametrize("settled", [{"acked": True}, {"withdrawn": True}])
    def test_a_call_that_is_settled_holds_nothing(self, desk, settled):
        desk.want(cause="sos")
        call_for_help(desk, **settled)
        desk.shoot(30)
        desk.want(on=False)
        assert desk.kinds()[-1] == "FINAL officer"

    def test_the_hold_has_an_end_of_its_own(self, make_desk):
        desk = make_desk(segments={"pre_event_s": 0, "sos_hold_s": 20})
        desk.want(cause="sos")
        call_for_help(desk)
        desk.shoot(30)
        desk.want(on=False)
        desk.shoot(FPS * 17)
        desk.clocks.step(-3_600_000)  # a clock that is set neither shortens nor lengthens it
        desk.turn(rung=True)
        assert desk.status["recording"] is True
        desk.clocks.advance(3000)
        desk.turn(rung=True)
        assert desk.kinds()[-1] == "FINAL officer"

    def test_the_centre_may_end_it(self, make_desk):
        desk = make_desk(segments={"pre_event_s": 0, "post_event_s": 0})
        desk.want(cause="sos")
        call_for_help(desk)
        desk.shoot(30)
        desk.want(on=False, cause="centre")
        assert desk.kinds()[-1] == "FINAL centre"

    def test_a_recorder_started_anew_goes_on_holding(self, desk):
        desk.want(cause="sos")
        alarm = call_for_help(desk)
        desk.shoot(30)
        desk.want(on=False)
        desk.recorder.finish("shutdown")
        desk.recorder = desk.make_recorder()
        desk.turn(rung=True)
        desk.shoot(55)
        opening = desk.chain()[0].extra
        assert len(desk.recordings()) == 2
        assert (opening["cause"], opening["alarm"]) == ("sos", alarm)

    def test_a_lost_kit_stops_at_once_and_starts_nothing(self, make_desk):
        desk = make_desk(segments={"pre_event_s": 5})
        desk.spool.state.set("duty", True)
        desk.want()
        desk.shoot(30)
        desk.spool.state.set("lost", {"step": "locked", "since_ms": 1, "by": "样本指挥", "reason": "遗失"})
        desk.turn(rung=True)
        assert desk.kinds()[-1] == "FINAL lost"
        assert desk.camera.closed
        for _ in range(3):
            desk.clocks.advance(6000)
            desk.want()
        assert len(desk.cameras) == 1
        desk.spool.state.set("lost", None)
        desk.turn(rung=True)
        assert len(desk.cameras) == 2


class TestNeighbours:
    def test_it_is_marked_from_the_start_and_names_the_alarm(self, desk):
        alarm = uuid.uuid4().hex
        desk.want(cause="neighbour", together=alarm, by="样本指挥")
        desk.shoot(55)
        opening = desk.chain()[0].extra
        assert (opening["cause"], opening["together"], opening["by"]) == ("neighbour", alarm, "neighbour")
        assert [row.priority for row in desk.spool.vault.pending_segments(9)] == [MARKED]

    def test_an_officers_own_press_makes_it_his(self, desk):
        desk.want(cause="neighbour", together=uuid.uuid4().hex)
        desk.shoot(30)
        desk.want(cause="officer")
        desk.shoot(30)
        assert len(desk.recordings()) == 1
        assert stated(desk) == [("wish", {"cause": "officer"})]


class TestTaskAndCategory:
    def test_numbers_stand_openly_and_names_only_under_the_encryption(self, desk):
        desk.spool.state.set("task_current", TASK)
        desk.want(cause="centre", by="样本指挥")
        desk.shoot(55)
        desk.recorder.finish("shutdown")
        opening = desk.chain()[0].extra
        assert (opening["task"], opening["category"]) == (7, "search")
        header, _ = desk.kit.open_segment(desk.recordings()[0], 1)
        assert header.facts == {
            "category": "search",
            "by": "样本指挥",
            "task": 7,
            "title": TASK["title"],
            "case_no": TASK["case_no"],
            "officer": TASK["officer"],
        }
        rows = desk.spool.vault.list_records(desk.recordings()[0])
        for row in rows:
            for name in ("case_no", "officer", "title"):
                assert TASK[name].encode() not in row.body
            assert "样本指挥".encode() not in row.body

    def test_changes_and_marks_are_signed_within_their_segment(self, desk):
        desk.want()
        desk.shoot(30)
        desk.spool.state.set("task_current", TASK)
        desk.turn(rung=True)
        desk.spool.state.set("category", {"code": "seizure", "at_ms": desk.clocks.now.wall_ms})
        desk.turn(rung=True)
        marked_ms = desk.clocks.now.wall_ms
        desk.spool.state.set("mark", {"at_ms": marked_ms, "recording_id": ""})
        desk.turn(rung=True)
        desk.shoot(25)
        assert stated(desk) == [
            ("category", {"category": "search"}),
            ("task", {"task": 7}),
            ("category", {"category": "seizure"}),
            ("mark", {"category": "seizure", "task": 7}),
        ]
        (record,) = [record for record in desk.chain() if record.extra.get("notes")]
        assert record.kind.name == "SEGMENT"
        assert record.extra["notes"][-1]["at_ms"] == marked_ms

    def test_what_comes_after_the_last_segment_stands_in_the_end(self, desk):
        desk.want()
        desk.shoot(51)
        desk.spool.state.set("mark", {"at_ms": desk.clocks.now.wall_ms, "recording_id": ""})
        desk.want(on=False)
        assert [what for what, _ in stated(desk)] == ["mark"]

    def test_a_flood_of_marks_is_spread_over_records_and_none_is_lost(self, desk):
        desk.want()
        desk.shoot(10)
        for number in range(40):
            desk.spool.state.set("mark", {"at_ms": 1_760_000_000_000 + number, "recording_id": ""})
            desk.turn(rung=True)
        desk.shoot(FPS * 6)
        marks = [note["at_ms"] for record in desk.chain() for note in read_notes(record.extra)]
        assert marks == [1_760_000_000_000 + number for number in range(40)]
        assert max(len(record.extra.get("notes", [])) for record in desk.chain()) == 16

    def test_an_unknown_code_is_no_category(self, desk):
        desk.spool.state.set("category", {"code": "everything", "at_ms": 1})
        desk.want()
        desk.shoot(2)
        assert "category" not in desk.chain()[0].extra

    def test_every_code_fits_a_message(self):
        assert len(set(CATEGORIES)) == len(CATEGORIES)
        assert all(code.isascii() and code.islower() and len(code) <= 32 for code in CATEGORIES)


class TestSound:
    def test_wanted_but_missing_is_stated_and_told(self, make_desk):
        desk = make_desk(segments={"pre_event_s": 0}, camera={"audio": True})
        desk.want()
        desk.shoot(2)
        assert desk.chain()[0].extra["sound"] == "missing"
        assert "the source gives none" in desk.status["note"]

    def test_a_microphone_that_dies_and_comes_back_is_stated(self, make_desk):
        desk = make_desk(segments={"pre_event_s": 0}, camera={"audio": True})
        desk.sound = True
        voice = loud_packets(2)[-1]
        desk.want()
        desk.shoot(1)
        desk.camera.say(voice)
        desk.shoot(FPS * 5)
        assert "gone silent" in desk.status["note"]
        desk.camera.say(voice)
        desk.shoot(FPS + 20)
        assert stated(desk) == [("sound", {"sound": "lost"}), ("sound", {"sound": "on"})]
        assert "silent" not in desk.status["note"]
