"""Films made on the spot by a real encoder: with B-frames, sound, long GOPs, other codecs, odd sizes."""

import array
import math
from fractions import Fraction
from pathlib import Path

import av

RATE = 44_100


def make_film(
    path: Path,
    *,
    seconds: float = 5,
    fps: int = 25,
    width: int = 320,
    height: int = 180,
    codec: str = "libx264",
    gop: int = 25,
    b_frames: int = 0,
    sound: str = "",
    container_format: str | None = None,
) -> Path:
    """Write a film whose picture number n has the luma n * 2 % 200 + 20 all over; returns `path`."""
    with av.open(path, "w", format=container_format) as container:
        picture = container.add_stream(codec, rate=fps)
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        if codec == "mjpeg":
            picture.pix_fmt = "yuvj420p"
        context = picture.codec_context
        context.gop_size, context.max_b_frames, context.thread_count = gop, b_frames, 1
        if codec == "libx264":
            context.options = {"preset": "ultrafast" if not b_frames else "veryfast", "sc_threshold": "0"}
        track = container.add_stream(sound, rate=RATE, layout="stereo") if sound else None
        samples = 0
        for number in range(round(seconds * fps)):
            frame = av.VideoFrame(width, height, picture.pix_fmt)
            for plane, level in zip(frame.planes, (number * 2 % 200 + 20, 128, 128), strict=True):
                plane.update(bytes([level]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(picture.encode(frame))
            while track is not None and samples < (number + 1) / fps * RATE:
                size = track.codec_context.frame_size or 1024
                container.mux(track.encode(_tone(track.format.name, samples, size)))
                samples += size
        container.mux(picture.encode(None))
        if track is not None:
            container.mux(track.encode(None))
    return path


def _tone(sample_format: str, first: int, size: int) -> av.AudioFrame:
    frame = av.AudioFrame(format=sample_format, layout="stereo", samples=size)
    frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
    wave = [math.sin((first + at) * 0.06) * 0.3 for at in range(size)]
    if sample_format == "fltp":
        for plane in frame.planes:
            plane.update(array.array("f", wave).tobytes())
    else:
        both = array.array("h", (int(value * 30_000) for value in wave for _ in range(2)))
        frame.planes[0].update(both.tobytes())
    return frame
