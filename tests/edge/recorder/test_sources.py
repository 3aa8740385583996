import io
import itertools
import socket
import time

import av
import pytest

from edge.recorder import h264
from edge.recorder.sources import (
    EncodedFrame,
    SourceFailedError,
    SourceOpenError,
    SourceStalledError,
    pyav,
)
from edge.recorder.sources.glyphs import COLUMNS, ROWS, draw_rows
from edge.recorder.sources.pyav import PyavCamera
from edge.recorder.sources.synthetic import SyntheticCamera
from tests.fakes.cutting import cut_source, decode_times_s
from tests.fakes.films import make_film
from tests.fakes.rtsp_server import RtspCamera
from tests.fakes.streams import FilmServer


def read(source, frames=10**9):
    source.open()
    items = []
    for item in source.items():
        items.append(item)
        if sum(isinstance(one, EncodedFrame) for one in items) == frames:
            break
    source.close()
    return [one for one in items if isinstance(one, EncodedFrame)], [
        one for one in items if not isinstance(one, EncodedFrame)
    ]


def decode(frames):
    with av.open(io.BytesIO(b"".join(frame.data for frame in frames)), format="h264") as container:
        return list(container.decode(video=0))


class TestSynthetic:
    NOW_S = 1_760_000_000.125

    def make(self, **options):
        return SyntheticCamera("dl-2901-01", width=640, height=360, fps=10, paced=False, **options)

    def test_kit_and_wall_clock_are_burnt_in(self):
        frames, _ = read(self.make(now_s=lambda: self.NOW_S, bitrate_bps=4_000_000), frames=3)
        picture = decode(frames)[2].reformat(format="gray")
        luma, stride = bytes(picture.planes[0]), picture.planes[0].line_size
        scale = 3  # 640 wide: 29 characters of 6 columns, 3 pixels each
        for text, top in (("DL-2901-01", 2 * scale), ("2025-10-09 16:53:20.125 +08:00", (4 + ROWS) * scale)):
            for row, ink in enumerate(draw_rows(text, 1, 1, 0)):
                y = top + row * scale + scale // 2
                seen = [luma[y * stride + 2 * scale + at * scale + scale // 2] for at in range(len(ink))]
                assert [level > 125 for level in seen] == [bool(bit) for bit in ink]

    def test_digits_differ_from_each_other(self):
        shapes = {char: tuple(draw_rows(char, 1, 1, 0)) for char in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-:.+ "}
        assert len(set(shapes.values())) == len(shapes)
        assert all(len(shape) == ROWS and len(shape[0]) == COLUMNS + 1 for shape in shapes.values())

    def test_a_key_frame_with_parameter_sets_every_second(self):
        frames, _ = read(self.make(), frames=35)
        keys = [frame for frame in frames if frame.key]
        assert [frame.pts_us for frame in keys] == [0, 1_000_000, 2_000_000, 3_000_000]
        assert all(h264.has_nal(frame.data, h264.SPS) and h264.has_nal(frame.data, h264.IDR) for frame in keys)
        assert len(decode(frames)) == 35

    def test_every_key_frame_can_be_decoded_alone(self):
        frames, _ = read(self.make(), frames=15)
        assert len(decode(frames[10:])) == 5

    def test_sound(self):
        source = self.make(sound=True)
        _, sound = read(source, frames=30)
        assert source.audio.codec == "mp4a.40.2"
        steps = {after.pts_us - before.pts_us for before, after in itertools.pairwise(sound)}
        assert steps <= {21_333, 21_334}
        # The encoder holds one frame of sound back; the last picture stands at 2.9 s.
        assert sound[-1].pts_us == pytest.approx(2_800_000, abs=60_000)

    def test_it_keeps_the_wall_clocks_pace(self):
        source = SyntheticCamera("dl-2901-01", width=160, height=90, fps=20)
        started_s = time.monotonic()
        read(source, frames=21)
        assert time.monotonic() - started_s >= 1.0

    def test_close_from_another_thread_ends_it(self):
        source = SyntheticCamera("dl-2901-01", width=160, height=90, fps=1)
        items = source.items()
        next(items)
        source.close()
        assert list(items) == []


class TestFilms:
    def test_h264_passes_through_untouched(self, tmp_path):
        film = make_film(tmp_path / "film.mp4", seconds=3)
        source = PyavCamera(str(film), realtime=False)
        frames, _ = read(source)
        assert not source.transcoding
        with av.open(str(film)) as container:
            sizes = [packet.size for packet in container.demux(video=0) if packet.size]
        # Beside SPS and PPS of key frames nothing was added: the slices are the film's own bytes.
        assert [len(frame.data) for frame in frames if not frame.key] == [
            size for size, frame in zip(sizes, frames, strict=True) if not frame.key
        ]
        assert [frame.pts_us for frame in frames[:3]] == [0, 40_000, 80_000]

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("film.avi", {"codec": "mpeg4"}),
            ("film.mkv", {"codec": "mjpeg"}),
            ("film.mp4", {"gop": 250, "seconds": 8}),
        ],
    )
    def test_anything_else_is_encoded_anew(self, tmp_path, name, options):
        film = make_film(tmp_path / name, **{"seconds": 3, **options})
        source = PyavCamera(str(film), realtime=False)
        cut = cut_source(source)
        assert source.transcoding
        seconds = options.get("seconds", 3)
        assert len(cut.frames) == seconds * 25
        assert sum(len(decode_times_s(segment.data)) for segment in cut.segments) == seconds * 25
        assert [round(segment.duration_us / 1e6, 1) for segment in cut.segments][:1] == [2.0]

    def test_a_large_film_is_made_smaller_and_slower_where_it_must_be_encoded(self, tmp_path):
        film = make_film(tmp_path / "film.avi", codec="mpeg4", width=640, height=480, fps=50, seconds=2)
        source = PyavCamera(str(film), realtime=False, width=320, height=180, fps=10)
        frames, _ = read(source)
        assert len(frames) == pytest.approx(20, abs=1)
        assert (decode(frames)[0].width, decode(frames)[0].height) == (240, 180)

    def test_a_looped_film_goes_on_in_time(self, tmp_path):
        film = make_film(tmp_path / "film.mp4", seconds=2, sound="aac")
        frames, sound = read(PyavCamera(str(film), realtime=False, loop=True), frames=130)
        steps = [after.pts_us - before.pts_us for before, after in itertools.pairwise(frames)]
        assert set(steps) == {40_000}
        assert sound[-1].pts_us > 4_500_000

    def test_a_film_ends_once(self, tmp_path):
        film = make_film(tmp_path / "film.mp4", seconds=2)
        frames, _ = read(PyavCamera(str(film), realtime=False))
        assert len(frames) == 50

    def test_a_film_is_read_at_its_own_pace(self, tmp_path):
        film = make_film(tmp_path / "film.mp4", seconds=2)
        started_s = time.monotonic()
        read(PyavCamera(str(film)), frames=31)
        assert time.monotonic() - started_s >= 1.2

    @pytest.mark.parametrize(("name", "codec"), [("film.mkv", "pcm_s16le"), ("film.mp4", "aac"), ("film.ts", "aac")])
    def test_sound_becomes_aac(self, tmp_path, name, codec):
        film = make_film(tmp_path / name, seconds=3, sound=codec)
        cut = cut_source(PyavCamera(str(film), realtime=False))
        sound = [time_s for segment in cut.segments for time_s in decode_times_s(segment.data, "audio")]
        assert sound[-1] == pytest.approx(3, abs=0.15)
        gaps = [after - before for before, after in itertools.pairwise(sound)]
        assert max(gaps) < 0.05

    def test_sound_can_be_left_out(self, tmp_path):
        film = make_film(tmp_path / "film.mp4", seconds=2, sound="aac")
        source = PyavCamera(str(film), realtime=False, sound=False)
        _, sound = read(source)
        assert sound == []
        assert source.audio is None

    def test_a_damaged_film_gives_what_it_can(self, tmp_path):
        film = make_film(tmp_path / "film.avi", codec="mpeg4", seconds=4)
        data = bytearray(film.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
        film.write_bytes(data)
        frames, _ = read(PyavCamera(str(film), realtime=False))
        assert len(frames) > 50

    @pytest.mark.parametrize("content", [b"", b"not a film at all" * 50, bytes(5000)])
    def test_what_is_no_film_is_refused_by_name(self, tmp_path, content):
        path = tmp_path / "film.mp4"
        path.write_bytes(content)
        with pytest.raises(SourceOpenError, match=r"film\.mp4 cannot be opened"):
            PyavCamera(str(path)).open()

    def test_a_sound_file_holds_no_picture(self, tmp_path):
        path = tmp_path / "song.wav"
        with av.open(str(path), "w") as container:
            track = container.add_stream("pcm_s16le", rate=8000, layout="mono")
            frame = av.AudioFrame(format="s16", layout="mono", samples=800)
            frame.sample_rate = 8000
            container.mux(track.encode(frame))
        with pytest.raises(SourceOpenError, match="holds no picture"):
            PyavCamera(str(path)).open()

    @pytest.mark.parametrize("named", ["", "v4l2"])
    def test_a_missing_device_is_named(self, named):
        with pytest.raises(SourceOpenError, match="video99"):
            PyavCamera("/dev/video99", input_format=named).open()

    def test_a_usb_camera_is_asked_for_the_size_and_rate_of_the_settings(self, monkeypatch):
        asked = []

        def refuse(address, mode, **options):
            asked.append((address, options["format"], options["options"]))
            raise FileNotFoundError(2, "No such device")

        monkeypatch.setattr(pyav.av, "open", refuse)
        with pytest.raises(SourceOpenError):
            PyavCamera("/dev/video0", width=640, height=480, fps=15).open()
        assert asked == [("/dev/video0", "v4l2", {"video_size": "640x480", "framerate": "15"})]


class TestStreams:
    def test_a_stream_that_falls_silent_is_a_stall(self, tmp_path):
        film = make_film(tmp_path / "film.ts", seconds=6)
        server = FilmServer(film, silent_after=film.stat().st_size * 2 // 3)
        source = PyavCamera(server.address, stall_s=0.5)
        source.open()
        frames = []
        with pytest.raises(SourceStalledError, match=r"gave nothing for 0\.5 s"):
            frames += source.items()
        server.close()

    def test_a_stream_that_hangs_up_has_failed(self, tmp_path):
        server = FilmServer(make_film(tmp_path / "film.ts", seconds=2))
        source = PyavCamera(server.address)
        source.open()
        with pytest.raises(SourceFailedError, match=r"broke off|ended by itself"):
            list(source.items())
        server.close()

    def test_a_live_stream_with_rare_key_frames_is_encoded_anew(self, tmp_path):
        server = FilmServer(make_film(tmp_path / "film.ts", seconds=8, gop=250))
        source = PyavCamera(server.address)
        source.open()
        assert not source.transcoding
        frames = []
        with pytest.raises(SourceFailedError):
            for item in source.items():
                frames.append(item)
        assert source.transcoding
        assert server.requests == 2
        steps = [after.pts_us - before.pts_us for before, after in itertools.pairwise(frames)]
        assert min(steps) > 0
        keys = [frame.pts_us for frame in frames if frame.key]
        assert max(after - before for before, after in itertools.pairwise(keys[1:])) <= 1_040_000
        server.close()

    def test_an_address_that_never_answers_is_given_up(self, monkeypatch):
        monkeypatch.setattr(pyav, "OPEN_TIMEOUT_S", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(SourceOpenError, match="cannot be opened"):
                PyavCamera(f"rtsp://127.0.0.1:{port}/camera").open()

    def test_a_camera_over_rtsp(self):
        camera = RtspCamera(frames=110)
        source = PyavCamera(camera.address, stall_s=1)
        cut = cut_source(source, frames=100)
        assert not source.transcoding
        assert [segment.frames for segment in cut.segments] == [50, 50]
        assert [len(decode_times_s(segment.data)) for segment in cut.segments] == [50, 50]
        assert [segment.duration_us for segment in cut.segments] == [2_000_000] * 2
        camera.close()

    def test_a_camera_over_rtsp_that_falls_silent(self):
        camera = RtspCamera(frames=60)
        source = PyavCamera(camera.address, stall_s=0.5)
        source.open()
        with pytest.raises(SourceStalledError):
            list(source.items())
        camera.close()

    def test_a_password_in_the_address_is_not_told(self):
        assert PyavCamera("rtsp://user:secret@10.0.0.9/camera").name == "pyav 10.0.0.9/camera"
