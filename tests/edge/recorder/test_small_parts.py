from fractions import Fraction

import pytest

from edge.recorder import h264
from edge.recorder.capture import Taken
from edge.recorder.h264 import NotH264Error, annex_b_parameter_sets, codec_text, parameter_sets
from edge.recorder.keys import RecipientBook
from edge.recorder.moment import Moment, StepWatch
from edge.recorder.ring import PreEventRing
from edge.recorder.sources import AudioPacket, EncodedFrame
from edge.recorder.sources.timeline import Timeline
from tests.fakes.camera import real_frames
from tests.fakes.kit import make_kit


class TestH264:
    def test_codec_text_comes_from_the_sps(self):
        key = real_frames()[0].data
        sps = next(nal for nal in h264.split_nals(key) if nal[0] & 31 == h264.SPS)
        assert codec_text(key) == f"avc1.{sps[1:4].hex().upper()}"

    def test_a_frame_without_sps_is_refused(self):
        with pytest.raises(NotH264Error, match="no SPS"):
            codec_text(real_frames()[1].data)

    def test_avcc_and_annex_b_give_the_same_parameter_sets(self):
        sps, pps = b"\x67\x42\xc0\x1f\x01", b"\x68\xce\x3c\x80"
        avcc = b"\x01\x42\xc0\x1f\xff\xe1" + len(sps).to_bytes(2, "big") + sps + b"\x01\x00\x04" + pps
        expected = b"\0\0\0\1" + sps + b"\0\0\0\1" + pps
        assert annex_b_parameter_sets(avcc) == expected
        assert annex_b_parameter_sets(expected) == expected

    @pytest.mark.parametrize("junk", [b"", b"\x01", b"\x02" * 20, b"\x01\x42\xc0\x1f\xff\xe1"])
    def test_junk_gives_no_parameter_sets(self, junk):
        assert annex_b_parameter_sets(junk) == b""

    def test_parameter_sets_are_those_before_the_first_slice(self):
        sps, pps = b"\x67\x42\xc0\x1f\x01", b"\x68\xce\x3c\x80"
        data = b"\0\0\0\1\x09\xf0\0\0\0\1" + sps + b"\0\0\1" + pps + b"\0\0\1\x65slice\0\0\1\x67late"
        assert parameter_sets(data) == [sps, pps]
        assert parameter_sets(b"\0\0\1" + sps) == [sps]
        assert parameter_sets(real_frames()[1].data) == parameter_sets(b"\0\0\1") == parameter_sets(b"") == []

    def test_a_slice_hides_what_comes_after_it(self):
        data = b"\0\0\1\x41slice\0\0\1\x67sps"
        assert not h264.has_nal(data, h264.SPS)


class TestStepWatch:
    def test_a_step_is_told_once_and_with_its_size(self):
        watch = StepWatch(Moment(1_000_000, 0))
        assert watch.check(Moment(1_005_000, 5_000)) == 0
        assert watch.check(Moment(1_000_000, 10_000)) == -10_000
        assert watch.check(Moment(1_001_000, 11_000)) == 0

    def test_drift_is_followed(self):
        watch = StepWatch(Moment(0, 0))
        steps = [watch.check(Moment(at * 1000 + at * 20, at * 1000)) for at in range(1, 500)]
        assert set(steps) == {0}


class TestRing:
    def push(self, ring, count, fps=10):
        for number in range(count):
            at_us = number * 1_000_000 // fps
            ring.push(Taken(EncodedFrame(b"", number % fps == 0, at_us), Moment(0, 0)))
            ring.push(Taken(AudioPacket(b"", at_us, 1), Moment(0, 0)))

    def test_it_keeps_the_span_and_begins_with_a_key_frame(self):
        ring = PreEventRing(3)
        self.push(ring, 95)
        items = [taken.item for taken in ring.drain()]
        assert items[0].key
        assert items[0].pts_us == 6_000_000
        assert items[-1].pts_us == 9_400_000
        assert list(ring.drain()) == []

    def test_before_the_first_key_frame_nothing_is_kept(self):
        ring = PreEventRing(3)
        ring.push(Taken(EncodedFrame(b"", False, 0), Moment(0, 0)))
        ring.push(Taken(AudioPacket(b"", 0, 1), Moment(0, 0)))
        assert list(ring.drain()) == []


class TestTimeline:
    def make(self):
        timeline = Timeline(25)
        timeline.use(Fraction(1, 90_000), Fraction(1, 48_000))
        return timeline

    def test_stamps_begin_at_zero(self):
        timeline = self.make()
        assert timeline.stamp_picture(900_000, 900_000, key=True) == (0, 0)
        assert timeline.stamp_picture(903_600, 903_600, key=False) == (40_000, 40_000)

    def test_a_camera_that_starts_its_clock_anew_goes_on(self):
        timeline = self.make()
        timeline.stamp_picture(90_000_000, 90_000_000, key=True)
        assert timeline.stamp_picture(0, 0, key=False) == (40_000, 40_000)
        assert timeline.stamp_picture(3600, 3600, key=False) == (80_000, 80_000)

    def test_stamps_left_out_are_made_up(self):
        timeline = self.make()
        assert [timeline.stamp_picture(None, None, key=False)[0] for _ in range(3)] == [0, 40_000, 80_000]

    def test_stamps_never_go_back(self):
        timeline = self.make()
        timeline.stamp_picture(3600, 3600, key=True)
        assert timeline.stamp_picture(3500, 3500, key=False) == (1, 1)

    @pytest.mark.parametrize(
        "base", [Fraction(1, 90_000), Fraction(1, 44_100), Fraction(1001, 30_000), Fraction(1, 64)]
    )
    def test_it_rounds_as_fractions_do(self, base):
        timeline = Timeline(25)
        timeline.use(base, base)
        for ticks in [*range(-300, 300), 2**40 + 1, -(2**33) - 7]:
            assert timeline.sound_us(ticks) == round(ticks * base * 1_000_000)

    def test_a_stream_without_a_time_base_counts_in_microseconds(self):
        timeline = Timeline(25)
        timeline.use(None, None)
        assert timeline.sound_us(1234) == 1234

    def test_sound_shares_the_pictures_zero(self):
        timeline = self.make()
        assert timeline.stamp_sound(0) == -1
        timeline.stamp_picture(90_000, 90_000, key=True)
        assert timeline.stamp_sound(48_000) == 0


class TestRecipientBook:
    def test_a_newer_list_counts_at_once(self, tmp_path):
        kit = make_kit(tmp_path)
        book = RecipientBook(tmp_path)
        assert len(book.current()) == 2
        kit.write_trust(2, [kit.escrow])
        assert [key.public_bytes_raw() for key in book.current()] == [kit.escrow.public_key().public_bytes_raw()]

    @pytest.mark.parametrize("spoil", ["older", "forged", "gone"])
    def test_a_list_that_cannot_be_trusted_changes_nothing(self, tmp_path, spoil, caplog):
        kit = make_kit(tmp_path)
        kit.write_trust(5, [kit.centre])
        book = RecipientBook(tmp_path)
        if spoil == "older":
            kit.write_trust(4, [kit.escrow])
        elif spoil == "forged":
            (tmp_path / "trust.cbor").write_bytes(
                (make_kit(tmp_path / "stranger").folder / "trust.cbor").read_bytes()
            )
        else:
            (tmp_path / "trust.cbor").unlink()
        assert [key.public_bytes_raw() for key in book.current()] == [kit.centre.public_key().public_bytes_raw()]
        assert "in force stays" in caplog.text
