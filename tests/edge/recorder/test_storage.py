"""Room on the card: warnings long before its end, a loud stop at it, and nothing without a receipt ever deleted."""

import queue
import sqlite3
import threading
from datetime import timedelta

import msgspec
import pytest

from contract.messages import Alarm
from edge.options import StorageSettings
from edge.recorder.capture import Capture, Taken
from edge.recorder.card_pace import CardPace
from edge.recorder.moment import Moment
from edge.recorder.storage import LOOK_EVERY_MS, StorageGuard, StorageWatch
from edge.recorder.storage_rules import Room, find_shortage, judge
from edge.spool import card
from tests.fakes.camera import ScriptedCamera, real_frames
from tests.waiting import wait_until

MB = 1_000_000
SETTINGS = StorageSettings(vault_max_bytes=10_000 * MB, reserve_bytes=200 * MB, low_minutes=60, critical_minutes=10)
RATE = MB / 4  # 2 Mbit/s: 15 MB a minute


def room(minutes, *, held=0):
    return Room(free_bytes=200 * MB + round(minutes * 15 * MB), held_bytes=held)


class TestRules:
    @pytest.mark.parametrize(
        ("minutes", "level"), [(61, "ok"), (59, "low"), (11, "low"), (9, "critical"), (1, "critical"), (-0.1, "full")]
    )
    def test_levels(self, minutes, level):
        assert judge(room(minutes), SETTINGS, RATE).level == level

    def test_the_vaults_share_bounds_as_the_card_does(self):
        found = judge(room(1000, held=10_000 * MB - 150 * MB), SETTINGS, RATE)
        assert (found.level, found.minutes_left) == ("low", 10)
        assert judge(room(1000, held=10_000 * MB + 1), SETTINGS, RATE).level == "full"

    def test_the_same_room_lasts_longer_at_a_lower_rate(self):
        assert judge(room(20), SETTINGS, RATE / 10).level == "ok"

    def test_a_level_is_left_later_than_it_was_entered(self):
        assert judge(room(61), SETTINGS, RATE, before="low").level == "low"
        assert judge(room(73), SETTINGS, RATE, before="low").level == "ok"
        assert judge(room(11), SETTINGS, RATE, before="critical").level == "critical"
        assert judge(room(0.1), SETTINGS, RATE, before="full").level == "full"
        assert judge(room(5), SETTINGS, RATE, before="full").level == "critical"

    def test_the_sentence_says_how_long_and_what_to_do(self):
        assert judge(room(9), SETTINGS, RATE).text == "Room for 9 minutes of recording: let the kit upload now."
        assert judge(room(300), SETTINGS, RATE).text == "Room for 5 hours of recording."
        assert "let the kit upload" in judge(room(-1), SETTINGS, RATE).text

    def test_to_start_anew_takes_more_than_to_go_on(self):
        little = Room(free_bytes=210 * MB, held_bytes=0)
        assert find_shortage(little, SETTINGS) is None
        assert "its reserve" in find_shortage(little, SETTINGS, to_start=True)


class TestWatch:
    @pytest.fixture
    def desk(self, make_desk):
        return make_desk(segments={"pre_event_s": 0, "post_event_s": 0})

    def make(self, desk, rooms):
        guard = StorageGuard(desk.spool, SETTINGS)
        guard.measure = lambda: rooms[0] if len(rooms) == 1 else rooms.pop(0)
        return StorageWatch(desk.spool, SETTINGS, guard, 2 * MB)

    def look(self, watch, times):
        for number in range(times):
            watch.look(Moment(1_760_000_000_000, number * LOOK_EVERY_MS))

    def faults(self, desk):
        alarms = [msgspec.json.decode(entry.body, type=Alarm) for entry in desk.spool.outbox.pending(99, ["alarm"])]
        return [alarm.note.partition(":")[0] for alarm in alarms if alarm.kind == "fault"]

    def test_officer_and_centre_are_warned_once_for_each_level(self, desk):
        watch = self.make(desk, [room(50), room(40), room(50), room(8), room(7), room(-1), room(-1)])
        self.look(watch, 7)
        assert self.faults(desk) == ["storage_low", "storage_critical", "storage_full"]
        assert desk.spool.state.get("storage_level")["level"] == "full"

    def test_better_is_told_without_an_alarm(self, desk):
        watch = self.make(desk, [room(8), room(500)])
        self.look(watch, 2)
        assert self.faults(desk) == ["storage_critical"]
        told = desk.spool.state.get("storage_level")
        assert (told["level"], told["minutes_left"]) == ("ok", 480)

    def test_a_process_started_anew_does_not_warn_again(self, desk):
        self.look(self.make(desk, [room(8)]), 1)
        self.look(self.make(desk, [room(8)]), 1)
        assert self.faults(desk) == ["storage_critical"]

    def test_the_rate_is_that_of_what_is_really_stored(self, desk):
        watch = self.make(desk, [room(50)])
        for _ in range(60):
            watch.note_stored(2 * 250_000 // 10, 2000)
        self.look(watch, 1)
        assert self.faults(desk) == []

    def test_receipted_files_kept_for_a_while_give_way_and_no_others(self, desk):
        desk.want()
        desk.shoot(151)
        desk.want(on=False)
        vault, (recording_id,) = desk.spool.vault, desk.recordings()
        with desk.spool.transaction() as db:
            db.execute("UPDATE segments SET receipt = x'00', receipted_ms = 0 WHERE seq = 1")
        waiting = vault.count_pending()
        self.look(self.make(desk, [room(8)]), 1)
        assert not vault.segment_path(recording_id, 1).exists()
        assert vault.count_pending() == waiting >= 2
        assert all(vault.segment_path(recording_id, row.seq).exists() for row in vault.pending_segments(9))

    def test_a_recording_that_finds_the_card_full_frees_what_is_receipted_and_goes_on(self, desk):
        desk.want()
        desk.shoot(51)
        with desk.spool.transaction() as db:
            db.execute("UPDATE segments SET receipt = x'00', receipted_ms = 0 WHERE seq = 1")
        answers = [Room(0, 0), Room(10**12, 0)]
        desk.recorder._guard.measure = lambda: answers.pop(0) if len(answers) > 1 else answers[0]
        desk.shoot(50)
        assert desk.kinds() == ["OPEN", "SEGMENT", "SEGMENT"]
        assert not desk.spool.vault.segment_path(desk.recordings()[0], 1).exists()


class TestPace:
    def test_a_card_is_slow_when_storing_takes_half_of_the_time_and_well_again_below_a_quarter(self):
        pace = CardPace()
        assert [pace.note(took, 1000) for took in (100, 200, 1900)] == [False, False, True]
        assert pace.is_slow
        changes = [pace.note(100, 1000) for _ in range(5)]
        assert changes.count(True) == 1
        assert not pace.is_slow

    def test_one_long_wait_at_the_beginning_is_not_yet_slow(self):
        assert not CardPace().note(5000, 1000)

    def test_frames_that_find_no_place_are_dropped_up_to_the_next_key_frame_and_counted(self):
        camera, taken = ScriptedCamera(), []
        capture = Capture(camera, lambda: Moment(0, 0), patient=False)
        capture._queue = queue.Queue(11)
        camera.give(60)
        capture.start()
        wait_until(camera.heard, 10)
        wait_until(lambda: capture.dropped == 50, 10)
        while (event := capture.take(0)) is not None:
            taken.append(event)
        camera.give(20)
        wait_until(lambda: capture.dropped == 65, 10)
        after = [event.item for event in [capture.take(5) for _ in range(5)] if isinstance(event, Taken)]
        assert len(taken) == 11
        assert after[0].key
        assert after[0].pts_us == real_frames()[75].pts_us
        camera.end()
        assert capture.stop()

    def test_a_film_waits_for_a_slow_card(self):
        camera = ScriptedCamera()
        capture = Capture(camera, lambda: Moment(0, 0))
        capture._queue = queue.Queue(5)
        camera.give(20)
        capture.start()
        items = [capture.take(5) for _ in range(21)]
        assert sum(isinstance(item, Taken) for item in items) == 20
        assert capture.dropped == 0
        camera.end()
        assert capture.stop()

    def test_what_the_card_cost_is_stated_with_its_own_cause(self, make_desk):
        desk = make_desk(segments={"pre_event_s": 0, "post_event_s": 0})
        desk.want()
        desk.shoot(10)
        desk.recorder._camera.capture.dropped = 7
        desk.shoot(41)
        (gap,) = [record for record in desk.chain() if record.cause == "card_slow"]
        assert gap.extra["frames_missed"] == 7


class TestTrouble:
    def sqlite_error(self, code):
        error = sqlite3.OperationalError("x")
        error.sqlite_errorcode = code
        return error

    def test_what_an_error_says_about_the_card(self):
        assert card.find_trouble(OSError(28, "")) == "full"
        assert card.find_trouble(OSError(30, "")) == "read_only"
        assert card.find_trouble(OSError(5, "")) == "failing"
        assert card.find_trouble(OSError(13, "")) == ""
        assert card.find_trouble(self.sqlite_error(sqlite3.SQLITE_FULL)) == "full"
        assert card.find_trouble(self.sqlite_error(sqlite3.SQLITE_READONLY)) == "read_only"
        assert card.find_trouble(self.sqlite_error(sqlite3.SQLITE_IOERR | 3 << 8)) == "failing"
        assert card.find_trouble(self.sqlite_error(sqlite3.SQLITE_BUSY)) == ""
        wrapped = ValueError("key file")
        wrapped.__cause__ = OSError(5, "")
        assert card.find_trouble(wrapped) == "failing"

    def test_a_sound_card_passes_the_probe_and_keeps_nothing_of_it(self, tmp_path):
        assert card.probe(tmp_path) == ""
        assert list(tmp_path.iterdir()) == []

    def test_two_may_probe_at_once(self, tmp_path):
        found = []
        threads = [threading.Thread(target=lambda: found.append(card.probe(tmp_path))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timedelta(seconds=10).total_seconds())
        assert found == [""] * 8
