import io
import statistics
import time

import av
import pytest

from edge.options import CameraSettings
from edge.recorder.sources.pyav import PyavCamera
from edge.recorder.sources.selection import build_source
from edge.recorder.sources.synthetic import SyntheticCamera
from edge.recorder.sources.watermark import Stamp, block_rows, dot_pixels
from tests.fakes.cutting import cut_source
from tests.fakes.films import make_film
from tests.fakes.stamps import read_stamp

SAID = ("DL-2901-01 NO.530123", "2026-11-26 10:02:03 +08:00", "N25.03892 E102.71832 +-5 M")


def say():
    return SAID


def make_picture(width, height, level=90):
    picture = av.VideoFrame(width, height, "yuv420p")
    for plane in picture.planes:
        plane.update(bytes([level]) * plane.buffer_size)
    return picture


def decode(frames):
    with av.open(io.BytesIO(b"".join(frame.data for frame in frames)), format="h264") as container:
        return list(container.decode(video=0))


def write_still_film(path):
    """Twenty equal pictures: all but the first are predicted."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = 100, 0
        for number in range(20):
            picture = make_picture(640, 360)
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


class TestStamp:
    @pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (640, 360)])
    def test_it_can_be_read_and_covers_nothing_else(self, size):
        picture = make_picture(*size)
        plane = picture.planes[0]
        Stamp(say, *size).press(memoryview(plane), plane.line_size)
        assert tuple(read_stamp(picture, lines=3)) == SAID
        above = size[1] - block_rows(3, dot_pixels(size[1]))
        luma = bytes(plane)
        assert set(luma[: above * plane.line_size]) == {90}
        assert luma[(above + 1) * plane.line_size - 1] == 90

    def test_it_follows_the_text(self):
        said = ["10:02:03"]
        picture = make_picture(640, 360)
        plane = picture.planes[0]
        stamp = Stamp(lambda: tuple(said), 640, 360)
        stamp.press(memoryview(plane), plane.line_size)
        said[0] = "10:02:04"
        stamp.press(memoryview(plane), plane.line_size)
        assert read_stamp(picture, lines=1) == ["10:02:04"]

    @pytest.mark.parametrize("size", [(64, 64), (96, 8)])
    def test_a_picture_too_small_gets_what_fits(self, size):
        picture = make_picture(*size)
        plane = picture.planes[0]
        Stamp(say, *size).press(memoryview(plane), plane.line_size)
        assert len(bytes(plane)) == plane.buffer_size

    def test_it_costs_next_to_nothing(self):
        picture = make_picture(1920, 1080)
        luma, stride = memoryview(picture.planes[0]), picture.planes[0].line_size
        moment = iter(range(10**6))
        stamp = Stamp(lambda: (SAID[0], f"2026-11-26 10:02:{next(moment) // 30:06d}", SAID[2]), 1920, 1080)
        spent_ms = []
        for _ in range(150):  # five seconds' pictures, the text new once a second
            begun = time.perf_counter()
            stamp.press(luma, stride)
            spent_ms.append((time.perf_counter() - begun) * 1000)
        assert statistics.median(spent_ms) < 1
        assert statistics.mean(sorted(spent_ms)[:-3]) < 2


class TestSources:
    def test_the_synthetic_camera(self):
        source = SyntheticCamera(
            "k", width=640, height=360, fps=10, paced=False, bitrate_bps=4_000_000, watermark=say
        )
        assert source.watermarked
        assert tuple(read_stamp(decode(cut_source(source, frames=3).frames)[-1], lines=3)) == SAID

    def test_what_is_encoded_anew(self, tmp_path):
        film = make_film(tmp_path / "film.avi", codec="mpeg4", width=640, height=360, seconds=2)
        source = PyavCamera(str(film), realtime=False, bitrate_bps=4_000_000, watermark=say)
        pictures = decode(cut_source(source).frames)
        assert source.watermarked
        assert {tuple(read_stamp(picture, lines=3)) for picture in pictures} == {SAID}

    def test_what_passes_through_keeps_its_own_bytes_and_says_so(self, tmp_path):
        film = make_film(tmp_path / "film.mp4", seconds=2)
        plain = cut_source(PyavCamera(str(film), realtime=False))
        source = PyavCamera(str(film), realtime=False, watermark=say)
        assert cut_source(source).frames == plain.frames
        assert not source.watermarked

    def test_on_wish_it_is_encoded_anew_to_bear_it(self, tmp_path):
        film = make_film(tmp_path / "film.mp4", width=640, height=360, seconds=2)
        source = PyavCamera(str(film), realtime=False, bitrate_bps=4_000_000, watermark=say, reencode=True)
        pictures = decode(cut_source(source).frames)
        assert source.watermarked
        assert len(pictures) == 50
        assert tuple(read_stamp(pictures[-1], lines=3)) == SAID

    def test_the_decoder_never_predicts_from_a_stamped_picture(self, tmp_path):
        """The decoder hands out the very pictures that it predicts the next from: the stamp would stay there."""
        film = write_still_film(tmp_path / "still.avi")
        lines = iter([("8" * 90,)] + [()] * 1000)  # on the first picture only
        options = {"realtime": False, "width": 640, "height": 360, "bitrate_bps": 8_000_000}
        pictures = decode(cut_source(PyavCamera(str(film), watermark=lambda: next(lines), **options)).frames)
        assert read_stamp(pictures[0], lines=1)[0].startswith("8888")
        lowest = [bytes(picture.planes[0])[-picture.planes[0].line_size * 4 :] for picture in pictures[5:]]
        assert all(80 < level < 100 for rows in lowest for level in rows[:600])

    def test_the_option_turns_it_off(self):
        for kind in ("synthetic", "pyav", "picamera2"):
            source = build_source(CameraSettings(kind=kind, address="x", watermark=False), "k", say)
            assert not source.watermarked


def test_the_board_is_asked_only_on_auto():
    kinds = {
        wish: build_source(CameraSettings(kind="picamera2", hardware=wish), "k")._hardware
        for wish in ("auto", "yes", "no")
    }
    assert kinds == {"auto": None, "yes": True, "no": False}
