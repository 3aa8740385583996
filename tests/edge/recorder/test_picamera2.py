import itertools

import pytest

from edge.recorder import h264
from edge.recorder.sources import AudioPacket, EncodedFrame, SourceOpenError, SourceStalledError
from edge.recorder.sources.picamera2 import FrameReceiver, Picamera2Camera, has_hardware_encoder
from tests.fakes.camera import real_frames
from tests.fakes.cutting import cut_source, decode_times_s
from tests.fakes.picamera2_shapes import Camera, Encoder, MissingCamera, Output


def make(encoder, **options):
    Camera.made.clear()
    return Picamera2Camera(
        width=96,
        height=64,
        fps=25,
        camera_class=options.pop("camera_class", Camera),
        encoder=encoder,
        output_base=Output,
        **options,
    )


@pytest.mark.parametrize("with_packets", [True, False], ids=["libav encoder", "V4L2 encoder"])
class TestBothEncoders:
    def test_every_frame_is_cut_and_decodes(self, with_packets):
        cut = cut_source(make(Encoder(with_packets=with_packets)), frames=60)
        assert [segment.frames for segment in cut.segments] == [50, 10]
        assert [len(decode_times_s(segment.data)) for segment in cut.segments] == [50, 10]

    def test_key_frames_without_parameter_sets_get_those_of_the_first(self, with_packets):
        cut = cut_source(make(Encoder(with_packets=with_packets, repeat=False)), frames=60)
        assert all(h264.has_nal(frame.data, h264.SPS) for frame in cut.frames if frame.key)
        assert [len(decode_times_s(segment.data)) for segment in cut.segments] == [50, 10]

    def test_sound_is_carried(self, with_packets):
        source = make(Encoder(with_packets=with_packets), sound=True)
        cut = cut_source(source, frames=60)
        assert source.audio.codec == "mp4a.40.2"
        assert all(isinstance(packet, AudioPacket) for packet in cut.sound)
        starts = [packet.pts_us for packet in cut.sound]
        assert len(starts) > 20
        assert all(after > before for before, after in itertools.pairwise(starts))
        assert decode_times_s(cut.segments[0].data, "audio")

    def test_the_camera_is_let_go(self, with_packets):
        cut_source(make(Encoder(with_packets=with_packets)), frames=10)
        assert Camera.made[0].closed


def test_it_configures_what_was_asked_for():
    allocator = object()
    source = make(Encoder(with_packets=True), allocator=allocator)
    source.open()
    camera = Camera.made[0]
    assert camera.configuration == {"main": {"size": (96, 64), "format": "YUV420"}, "controls": {"FrameRate": 25.0}}
    assert camera.allocator is allocator
    source.close()
    assert list(itertools.islice(source.items(), 1)) == []


def test_an_encoder_that_freezes_is_a_stall():
    source = make(Encoder(with_packets=True, silent_after=10), stall_s=0.3)
    source.open()
    frames = []
    with pytest.raises(SourceStalledError, match=r"nothing for 0\.3 s"):
        for item in source.items():
            frames.append(item)
    assert len(frames) == 10
    assert Camera.made[0].closed


def test_a_missing_camera_is_named():
    with pytest.raises(SourceOpenError, match="ribbon cable"):
        make(Encoder(with_packets=True), camera_class=MissingCamera).open()


def test_without_the_library_the_remedy_is_told():
    with pytest.raises(SourceOpenError, match="python3-picamera2"):
        Picamera2Camera().open()


def test_nobody_reading_costs_frames_not_memory():
    receiver = FrameReceiver()
    frame = real_frames()[0]
    for number in range(300):
        receiver.take_frame(frame.data, True, number * 40_000, None, audio=False)
    assert receiver.missed == 50
    assert isinstance(receiver.items.get_nowait(), EncodedFrame)


def test_the_encoder_of_the_board_is_known_by_the_kernels_name_for_it(tmp_path):
    for number, name in ((10, "bcm2835-codec-decode"), (31, "bcm2835-codec-encode_image"), (20, "pispbe-input")):
        (tmp_path / f"video{number}").mkdir()
        (tmp_path / f"video{number}/name").write_text(f"{name}\n")
    assert not has_hardware_encoder(tmp_path)
    (tmp_path / "video11").mkdir()
    (tmp_path / "video11/name").write_text("bcm2835-codec-encode\n")
    assert has_hardware_encoder(tmp_path)


def test_a_watermark_that_fails_costs_no_picture(caplog):
    source = make(Encoder(with_packets=True), watermark=lambda: ("DL-2901-01",))
    source._burn(object())
    assert "the watermark failed" in caplog.text
    assert not source.watermarked
    source._burn(object())
    assert len(caplog.records) == 1
