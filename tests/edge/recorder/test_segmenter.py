import itertools
from dataclasses import replace

import pytest

from edge.recorder import h264
from edge.recorder.moment import Moment
from edge.recorder.segmenter import PictureTemplate, Segmenter, SoundTemplate, mux_segment
from edge.recorder.sources import AudioPacket, EncodedFrame, KeyFrameMissingError
from edge.recorder.sources.encoding import SoundEncoder, describe_aac
from edge.recorder.sources.pyav import PyavCamera
from edge.recorder.sources.synthetic import SyntheticCamera
from tests.fakes import mp4_boxes
from tests.fakes.cutting import cut_source, decode_times_s
from tests.fakes.films import make_film


def synthetic(**options):
    return SyntheticCamera("dl-2901-01", width=160, height=90, fps=25, paced=False, **options)


def test_segments_are_two_seconds_and_none_of_the_frames_is_lost():
    cut = cut_source(synthetic(), frames=130)
    assert [segment.frames for segment in cut.segments] == [50, 50, 30]
    assert [segment.first_us for segment in cut.segments] == [0, 2_000_000, 4_000_000]
    assert [segment.duration_us for segment in cut.segments] == [2_000_000, 2_000_000, 1_200_000]
    assert [len(decode_times_s(segment.data)) for segment in cut.segments] == [50, 50, 30]


def test_each_segment_stands_alone_and_its_times_go_on():
    cut = cut_source(synthetic(), frames=100)
    for segment in cut.segments:
        assert mp4_boxes.names(segment.data) == ["ftyp", "moov", "moof", "mdat", "moof", "mdat"]
    assert mp4_boxes.decode_times(cut.segments[0].data, 1) == [0, 90_000]
    assert mp4_boxes.decode_times(cut.segments[1].data, 1) == [180_000, 270_000]
    assert decode_times_s(cut.segments[1].data)[0] == 2.0


def test_one_segment_ends_where_the_next_begins():
    cut = cut_source(synthetic(), frames=125)
    for before, after in itertools.pairwise(cut.segments):
        end = mp4_boxes.decode_times(before.data, 1)[0] + mp4_boxes.sample_durations(before.data, 1)
        assert end == mp4_boxes.decode_times(after.data, 1)[0]


def test_avcc_is_the_cameras_own():
    cut = cut_source(synthetic(), frames=50)
    sps = next(nal for nal in h264.split_nals(cut.frames[0].data) if nal[0] & 31 == h264.SPS)
    configuration = mp4_boxes.avc_configuration(cut.segments[0].data)
    assert configuration[1:4] == sps[1:4]
    assert sps in configuration
    assert cut.segments[0].mime == f'video/mp4; codecs="avc1.{sps[1:4].hex().upper()}"'


def test_half_a_frame_of_jitter_still_cuts_at_two_seconds():
    cut = cut_source(synthetic(), frames=100)
    jittered = [
        EncodedFrame(frame.data, frame.key, frame.pts_us - (15_000 if frame.key and frame.pts_us else 0))
        for frame in cut.frames
    ]
    segmenter = Segmenter(target_s=2, fps=25, audio=None)
    finished = [segmenter.feed(frame, Moment(0, 0)) for frame in jittered]
    assert [segment.duration_us for segment in finished if segment] == [1_985_000]


def test_b_frames_keep_their_order(tmp_path):
    film = make_film(tmp_path / "b.mp4", seconds=5, b_frames=2, gop=25)
    source = PyavCamera(str(film), realtime=False)
    cut = cut_source(source)
    assert not source.transcoding
    assert any(frame.dts_us != frame.pts_us for frame in cut.frames)
    times = [time for segment in cut.segments for time in decode_times_s(segment.data)]
    assert len(times) == 125
    assert [round(after - before, 3) for before, after in itertools.pairwise(times)] == [0.04] * 124


def test_sound_goes_with_its_picture(tmp_path):
    film = make_film(tmp_path / "sound.mp4", seconds=5, sound="aac")
    cut = cut_source(PyavCamera(str(film), realtime=False))
    assert cut.segments[0].mime.endswith(', mp4a.40.2"')
    starts = [decode_times_s(segment.data, "audio")[0] for segment in cut.segments]
    assert starts == pytest.approx([0, 2, 4], abs=0.05)
    sound = [time for segment in cut.segments for time in decode_times_s(segment.data, "audio")]
    gaps = [after - before for before, after in itertools.pairwise(sound)]
    assert max(gaps) < 0.03
    assert sum(decode_times_s(segment.data) != [] for segment in cut.segments) == 3


def test_frames_before_the_first_key_frame_are_left_out():
    frames = cut_source(synthetic(), frames=60).frames[10:]
    segmenter = Segmenter(target_s=1, fps=25, audio=None)
    for frame in frames:
        segmenter.feed(frame, Moment(0, 0))
    last = segmenter.flush()
    assert last.frames == 10
    assert last.first_us == 1_000_000


@pytest.mark.parametrize("back_us", [0, 1, 40_000, 200_000])
def test_pictures_with_one_time_or_an_earlier_one_go_on_by_a_tick(back_us):
    """A camera that was held up gives two pictures one stamp; the film holds both, in their order."""
    frames = cut_source(synthetic(), frames=110).frames
    at_us = frames[29].pts_us - back_us
    frames[30] = replace(frames[30], pts_us=at_us, dts_us=None)
    frames[52] = replace(frames[52], pts_us=frames[51].pts_us + 1, dts_us=None)
    segmenter = Segmenter(target_s=1, fps=25, audio=None)
    cut = [segment for frame in frames if (segment := segmenter.feed(frame, Moment(0, 0)))]
    times = [time for segment in cut for time in decode_times_s(segment.data)]
    assert [segment.frames for segment in cut] == [25, 25, 25, 25]
    assert times == sorted(set(times))
    assert times[30] - times[29] < 0.001 and times[52] - times[51] < 0.001
    assert times[31] == pytest.approx(31 / 25) and times[99] == pytest.approx(99 / 25)


def test_a_stream_without_key_frames_is_refused():
    frames = cut_source(synthetic(), frames=2).frames
    segmenter = Segmenter(target_s=2, fps=25, audio=None)
    segmenter.feed(frames[0], Moment(0, 0))
    with pytest.raises(KeyFrameMissingError, match="one every second"):
        for number in range(1, 1000):
            segmenter.feed(EncodedFrame(frames[1].data, False, number * 40_000), Moment(0, 0))


def shot(width):
    camera = SyntheticCamera("dl-2901-01", width=width, height=90, fps=25, paced=False)
    return cut_source(camera, frames=50).frames


def mux(frames, template=None):
    return mux_segment(frames, [], None, origin_us=0, end_us=2_000_000, first_index=1, template=template)


def test_a_format_read_once_gives_the_very_bytes_of_one_read_anew():
    template, frames = PictureTemplate(), shot(160)
    assert mux(frames, template) == mux(frames, template) == mux(frames)
    assert template.read(frames[0].data) is template.read(frames[25].data)


def test_sound_described_once_gives_the_very_bytes_of_one_described_anew():
    mono, low = describe_aac(SoundEncoder.SAMPLE_RATE, "mono"), describe_aac(SoundEncoder.SAMPLE_RATE // 2, "mono")
    template, frames = SoundTemplate(), shot(160)
    sound = [AudioPacket(b"\x01" * 20, at_us, 21_333) for at_us in range(0, 1_900_000, 21_333)]

    def film(audio, sound_template=None):
        given = {"origin_us": 0, "end_us": 2_000_000, "first_index": 1, "sound_template": sound_template}
        return mux_segment(frames, sound, audio, **given)

    assert film(mono, template) == film(mono, template) == film(mono)
    assert film(low, template) == film(low) != film(mono)
    assert film(mono, template) == film(mono)


def test_a_camera_that_changes_its_picture_is_read_anew():
    template, small, wide = PictureTemplate(), shot(160), shot(320)
    mux(small, template)
    assert mux(wide, template) == mux(wide)
    assert mux(small, template) == mux(small)


def test_key_frames_go_with_their_segment_on_its_times():
    for segment in cut_source(synthetic(), frames=100).segments:
        assert [frame.pts_us - segment.first_us for frame in segment.keys] == [0, 1_000_000]
