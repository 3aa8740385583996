import itertools
import uuid
from pathlib import Path

import pytest

from edge.recorder.camera import CameraFailedError
from edge.recorder.recording import Recording, StorageFullError
from edge.recorder.sources import SourceFailedError, SourceOpenError
from edge.spool.gps_time import note_gps
from edge.spool.vault import ALARM, MARKED, REST
from tests.fakes.camera import FPS
from tests.fakes.cutting import decode_times_s
from tests.fakes.films import make_film
from tests.waiting import wait_until


def priorities(desk):
    rows = desk.spool._store.rows("SELECT seq, priority FROM segments ORDER BY recording_id, seq")
    return dict(rows)


def open_full(path):
    """The kernel itself says ENOSPC to every byte written here."""
    return Path("/dev/full").open("wb")


class TestRecording:
    def test_segments_in_a_signed_chain(self, desk):
        desk.want()
        desk.shoot(110)
        desk.want(on=False)
        assert desk.kinds() == ["OPEN", "SEGMENT", "SEGMENT", "SEGMENT", "FINAL officer"]
        records = desk.chain()
        assert [record.duration_ms for record in records[1:4]] == [2000, 2000, 400]
        frames = [decode_times_s(desk.kit.open_segment(desk.recordings()[0], seq)[1]) for seq in (1, 2, 3)]
        assert [len(times) for times in frames] == [50, 50, 10]
        assert all(after[0] > before[-1] for before, after in itertools.pairwise(frames))

    def test_what_has_gathered_is_taken_at_one_waking(self, desk):
        desk.want()
        camera = desk.recorder._camera
        wait_until(lambda: desk.turn() or camera.is_ready, 5)
        desk.camera.give(110)
        wait_until(lambda: camera.waiting == 110, 5)
        assert desk.recorder.is_behind
        desk.recorder.catch_up()
        assert not desk.recorder.is_behind
        desk.want(on=False)
        assert [record.duration_ms for record in desk.chain()[1:4]] == [2000, 2000, 400]

    def test_opening_says_who_and_why(self, desk):
        desk.want(cause="officer")
        desk.shoot(2)
        extra = desk.chain()[0].extra
        assert extra == {
            "kit": "dl-2901-01",
            "boot": desk.spool.boot,
            "previous": None,
            "cause": "officer",
            "by": "button",
            "camera": "scripted",
            "sound": "off",
            "watermark": False,
        }

    def test_header_carries_time_and_place(self, desk):
        fix = {"lat": 25.6, "lon": 100.2, "fix_ms": 1_760_000_000_500, "boot": desk.spool.boot}
        desk.spool.state.set("last_fix", fix)
        note_gps(desk.spool, offset_ms=1_760_000_000_500, error_ms=750, taken_ms=40_000)
        desk.want()
        desk.shoot(52)
        header, _ = desk.kit.open_segment(desk.recordings()[0], 1)
        assert (header.fix["lat"], header.fix["lon"], header.gps_ms) == (25.6, 100.2, 1_760_000_050_540)
        for record in desk.chain():
            assert record.extra["gps_ms"] == record.monotonic_ms + 1_760_000_000_500
        assert (header.started_ms, header.monotonic_ms) == (1_760_000_000_040, 50_040)

    def test_the_next_recording_names_the_one_before(self, desk):
        for _ in range(2):
            desk.want()
            desk.shoot(5)
            desk.want(on=False)
        first, second = desk.recordings()
        previous = desk.chain(second)[0].extra["previous"]
        assert previous == [bytes.fromhex(first), bytes.fromhex(desk_head(desk, first))]

    def test_the_outbox_carries_every_record(self, desk):
        desk.want()
        desk.shoot(55)
        desk.want(on=False)
        assert desk.spool.outbox.count(["chain"]) == len(desk.chain())

    def test_status(self, desk):
        assert desk.status["state"] == "idle"
        desk.want()
        assert desk.status["state"] == "starting"
        desk.shoot(2)
        assert (desk.status["state"], desk.status["recording"]) == ("recording", True)
        assert desk.status["recording_id"] == desk.recordings()[0]
        desk.want(on=False)
        assert (desk.status["state"], desk.status["recording_id"]) == ("idle", None)

    def test_new_recipients_count_from_the_next_segment(self, desk):
        desk.want()
        desk.shoot(51)
        desk.recipients = [desk.kit.escrow.public_key()]
        desk.shoot(50)
        desk.kit.open_segment(desk.recordings()[0], 1)
        with pytest.raises(ValueError, match="other keys"):
            desk.kit.open_segment(desk.recordings()[0], 2)

    def test_an_input_at_its_end_closes_the_recording_and_the_wish(self, desk):
        desk.want()
        desk.shoot(30)
        desk.camera.end()
        wait_until(lambda: desk.turn() or desk.kinds()[-1] == "FINAL source_ended")
        assert desk.spool.state.get("recording_wanted")["on"] is False
        desk.turn(rung=True)
        assert len(desk.cameras) == 1

    def test_stopping_before_a_frame_leaves_nothing(self, desk):
        desk.want()
        desk.want(on=False)
        assert desk.recordings() == []
        assert desk.status["state"] == "idle"


def desk_head(desk, recording_id):
    from contract.chain import link_hash
    from contract.signing import Signed

    last = desk.spool.vault.find_last_record(recording_id)
    return link_hash(Signed(last.body, last.sig)).hex()


class TestAlarms:
    def test_an_announced_recording_gets_its_announced_id(self, desk):
        announced, alarm = uuid.uuid4().hex, uuid.uuid4().hex
        desk.spool.state.set("sos", {"alarm_id": alarm, "pressed_ms": desk.clocks.now.wall_ms})
        desk.want(cause="sos", recording_id=announced, alarm_id=alarm)
        desk.shoot(51)
        assert desk.recordings() == [announced]
        assert desk.chain()[0].extra["alarm"] == alarm
        assert priorities(desk) == {1: ALARM}

    def test_an_announced_id_is_used_once(self, desk):
        announced = uuid.uuid4().hex
        for _ in range(2):
            desk.want(cause="sos", recording_id=announced)
            desk.shoot(3)
            desk.want(on=False, recording_id=announced)
        assert desk.recordings()[0] == announced
        assert len(set(desk.recordings())) == 2

    def test_sos_in_a_running_recording_raises_what_is_around_it(self, make_desk):
        desk = make_desk(segments={"pre_event_s": 0, "alarm_window_s": 10})
        desk.want()
        desk.shoot(FPS * 16)
        pressed_ms = desk.clocks.now.wall_ms
        desk.spool.state.set("sos", {"alarm_id": uuid.uuid4().hex, "pressed_ms": pressed_ms})
        desk.turn(rung=True)
        desk.shoot(FPS * 16)
        found = priorities(desk)
        assert found[1] == MARKED
        assert {seq for seq, priority in found.items() if priority == ALARM} == set(range(3, 14))
        assert found[15] == MARKED

    def test_a_withdrawal_lowers_nothing(self, desk):
        sos = {"alarm_id": uuid.uuid4().hex, "pressed_ms": desk.clocks.now.wall_ms}
        desk.want()
        desk.shoot(51)
        desk.spool.state.set("sos", sos)
        desk.turn(rung=True)
        desk.spool.state.set("sos", {**sos, "withdrawn": True})
        desk.turn(rung=True)
        assert priorities(desk) == {1: ALARM}

    def test_a_mark_raises_the_whole_recording(self, desk):
        desk.want()
        desk.shoot(51)
        assert priorities(desk) == {1: REST}
        desk.spool.state.set("mark", {"at_ms": desk.clocks.now.wall_ms, "recording_id": ""})
        desk.turn(rung=True)
        desk.shoot(50)
        assert priorities(desk) == {1: MARKED, 2: MARKED}

    def test_an_old_alarm_does_not_mark_a_new_recording(self, desk):
        desk.spool.state.set("sos", {"alarm_id": uuid.uuid4().hex, "pressed_ms": 1_000_000_000_000})
        desk.want()
        desk.shoot(51)
        assert priorities(desk) == {1: REST}


class TestTheSecondsBefore:
    def test_they_are_kept_and_recorded(self, make_desk):
        desk = make_desk(segments={"pre_event_s": 3})
        desk.spool.state.set("duty", True)
        desk.turn(rung=True)
        desk.shoot(FPS * 8)
        assert desk.recordings() == []
        pressed_ms = desk.clocks.now.wall_ms
        desk.want()
        desk.shoot(FPS)
        desk.want(on=False)
        records = desk.chain()
        before_ms = pressed_ms - records[0].started_ms
        assert 3000 <= before_ms <= 4040
        assert sum(record.duration_ms for record in records) == pytest.approx(before_ms + 1000, abs=41)

    def test_a_film_that_is_read_once_is_not_spent_on_them(self, make_desk, tmp_path):
        film = make_film(tmp_path / "film.mp4", seconds=1)
        desk = make_desk(segments={"pre_event_s": 3}, camera={"kind": "pyav", "address": str(film)})
        desk.spool.state.set("duty", True)
        desk.turn(rung=True)
        assert desk.cameras == []

    def test_off_duty_the_camera_is_off(self, make_desk):
        desk = make_desk(segments={"pre_event_s": 3})
        desk.turn(rung=True)
        assert desk.cameras == []
        desk.spool.state.set("duty", True)
        desk.turn(rung=True)
        desk.shoot(3)
        desk.spool.state.set("duty", False)
        desk.turn(rung=True)
        assert desk.camera.closed


class TestGaps:
    def test_a_stepped_clock_is_stated_and_no_frame_is_lost(self, desk):
        desk.want()
        desk.shoot(60)
        desk.clocks.step(3_600_000)
        desk.shoot(100)
        desk.want(on=False)
        assert desk.kinds() == [
            "OPEN", "SEGMENT", "SEGMENT", "GAP clock_step", "SEGMENT", "SEGMENT", "FINAL officer",
        ]  # fmt: skip
        gap = desk.chain()[3]
        assert gap.extra["step_ms"] == 3_600_000
        frames = [desk.kit.open_segment(desk.recordings()[0], seq)[1] for seq in (1, 2, 4, 5)]
        assert sum(len(decode_times_s(data)) for data in frames) == 160

    def test_two_steps_that_cancel_out_are_two_steps(self, desk):
        desk.want()
        desk.shoot(10)
        for step_ms in (5_000, -5_000):
            desk.clocks.step(step_ms)
            desk.shoot(5)
        desk.want(on=False)
        steps = [record.extra["step_ms"] for record in desk.chain() if record.cause == "clock_step"]
        assert steps == [5_000, -5_000]

    def test_frames_that_the_driver_threw_away_are_counted(self, desk):
        desk.want()
        desk.shoot(10)
        desk.camera.missed = 3
        desk.shoot(41)
        desk.shoot(50)
        gaps = [record for record in desk.chain() if record.cause == "camera_stall"]
        assert [gap.extra["frames_missed"] for gap in gaps] == [3]

    def test_a_clock_that_drifts_is_no_step(self, desk):
        desk.want()
        for _ in range(20):
            desk.shoot(5)
            desk.clocks.step(30)
        desk.want(on=False)
        assert "GAP clock_step" not in desk.kinds()

    def test_a_silent_camera_is_stated_and_ends_the_process(self, desk):
        desk.want()
        desk.shoot(60)
        stall_ms = round(desk.settings.camera.stall_s * 1000)
        desk.clocks.advance(stall_ms - 100)
        desk.turn()
        desk.clocks.advance(200)
        with pytest.raises(CameraFailedError, match="gave no picture"):
            desk.turn()
        assert desk.kinds() == ["OPEN", "SEGMENT", "SEGMENT", "GAP camera_stall", "FINAL camera_stall"]
        gap = desk.chain()[3]
        assert gap.duration_ms == pytest.approx(stall_ms + 100, abs=41)
        assert [alarm.kind for alarm in desk.alarms()] == ["fault"]

    def test_a_microphone_that_goes_on_does_not_hide_a_frozen_camera(self, desk):
        desk.want()
        desk.shoot(10)
        with pytest.raises(CameraFailedError, match="gave no picture for "):
            for _ in range(60):
                desk.clocks.advance(40)
                desk.camera.hum()
                wait_until(lambda: desk.turn() or desk.camera.heard())
        assert desk.kinds()[-1] == "FINAL camera_stall"

    def test_the_process_started_anew_goes_on_in_a_new_recording(self, desk):
        desk.want()
        desk.shoot(60)
        desk.camera.fail(SourceFailedError("scripted broke off: check the device."))
        with pytest.raises(CameraFailedError):
            wait_until(desk.turn)
        desk.recorder = desk.make_recorder()
        desk.turn(rung=True)
        desk.shoot(55)
        first, second = desk.recordings()
        assert desk.chain(second)[0].extra["previous"][0] == bytes.fromhex(first)
        assert desk.kinds(second) == ["OPEN", "SEGMENT"]
        assert len(desk.alarms()) == 1

    def test_a_camera_that_cannot_be_opened_is_tried_again_and_told_once(self, desk):
        desk.open_errors = [SourceOpenError("scripted cannot be opened: check it.")] * 3
        desk.want()
        for attempt in range(1, 4):
            wait_until(lambda: desk.turn(rung=True) or desk.status["state"] == "camera_fault")
            assert len(desk.cameras) == attempt
            desk.clocks.advance(5001)
            desk.turn(rung=True)
        wait_until(lambda: desk.turn() or desk.recorder._camera.is_ready)
        desk.shoot(55)
        assert desk.kinds() == ["OPEN", "SEGMENT"]
        assert [alarm.note[:12] for alarm in desk.alarms()] == ["camera_stall"]
        assert desk.spool.state.get("recorder_fault") is None

    def test_a_camera_that_hangs_while_opening_is_given_up(self, desk):
        desk.want()
        desk.recorder._camera.is_ready = False
        desk.clocks.advance(15_001)
        with pytest.raises(CameraFailedError):
            wait_until(lambda: desk.turn() or desk.clocks.advance(15_001))

    def test_the_vaults_share_used_up_stops_loudly(self, make_desk):
        desk = make_desk(
            segments={"pre_event_s": 0},
            storage={
                "vault_max_bytes": 10_000_000,
                "reserve_bytes": 1_000_000,
                "low_minutes": 1,
                "critical_minutes": 1,
            },
        )
        desk.want()
        desk.shoot(51)
        held = desk.spool.vault.total_bytes()
        desk.spool.vault.total_bytes = lambda: 10_000_001
        desk.shoot(50)
        assert desk.kinds() == ["OPEN", "SEGMENT", "GAP storage_full", "FINAL storage_full"]
        assert desk.status["state"] == "storage_full"
        assert "let the kit upload" in desk.status["note"]
        (alarm,) = desk.alarms()
        assert (alarm.kind, alarm.recording_id) == ("fault", desk.recordings()[0])
        assert alarm.note.startswith("storage_full")
        assert desk.camera.closed
        desk.clocks.advance(5001)
        desk.turn(rung=True)
        assert len(desk.cameras) == 1
        desk.spool.vault.total_bytes = lambda: held
        desk.clocks.advance(5001)
        desk.turn(rung=True)
        desk.shoot(51)
        assert len(desk.recordings()) == 2
        assert len(desk.alarms()) == 1

    def test_a_card_that_refuses_the_bytes_stops_loudly(self, desk, monkeypatch):
        desk.want()
        desk.shoot(51)
        with monkeypatch.context() as patch:
            patch.setattr("edge.recorder.recording.create_temporary", open_full)
            desk.shoot(50)
        assert desk.kinds() == ["OPEN", "SEGMENT", "GAP storage_full", "FINAL storage_full"]
        assert desk.status["state"] == "storage_full"
        assert len(desk.alarms()) == 1
        desk.clocks.advance(5001)
        desk.turn(rung=True)
        desk.shoot(51)
        assert desk.kinds() == ["OPEN", "SEGMENT"]

    def test_an_end_that_found_no_room_is_written_later(self, desk, monkeypatch):
        desk.want()
        desk.shoot(51)

        def refuse(recording, write):
            raise StorageFullError("no room at all")

        with monkeypatch.context() as patch:
            patch.setattr("edge.recorder.recording.create_temporary", open_full)
            patch.setattr(Recording, "_append", refuse)
            desk.shoot(50)
        first = desk.recordings()[0]
        assert desk.kinds() == ["OPEN", "SEGMENT"]
        assert not (desk.kit.vault / "ballast").exists()
        desk.clocks.advance(5001)
        desk.turn(rung=True)
        desk.shoot(51)
        assert desk.kinds(first) == ["OPEN", "SEGMENT", "GAP storage_full", "FINAL storage_full"]
        assert len(desk.recordings()) == 2

    def test_shutdown_keeps_the_open_segment(self, desk):
        desk.want()
        desk.shoot(30)
        desk.recorder.finish("shutdown")
        assert desk.kinds() == ["OPEN", "SEGMENT", "FINAL shutdown"]
        assert desk.spool.state.get("recording_wanted")["on"] is True
        assert desk.status["state"] == "stopped"
