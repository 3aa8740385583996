"""A camera that needs no hardware: a moving picture with kit id and wall clock burnt in, and a tick of sound.

The moment of capture is in it for machines, too (`time_strip`). Its sound comes as a sound card's does: in periods of
10 ms, each when it is over, whatever the rate of the pictures.
"""

from __future__ import annotations

import array
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Final

from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from edge.recorder.sources import AudioFormat, AudioPacket, EncodedFrame
from edge.recorder.sources.encoding import PictureEncoder, SoundEncoder
from edge.recorder.sources.glyphs import COLUMNS, ROWS, draw_rows
from edge.recorder.sources.time_strip import draw_row, find_rows
from edge.recorder.sources.watermark import Lines, Stamp

_CHINA: Final = timezone(timedelta(hours=8))
_INK: Final = 235
_PAPER: Final = 16
_PERIOD_SAMPLES: Final = 480
_TONE_HZ: Final = 880
_TONE_S: Final = 0.08


class SyntheticCamera:
    """Gives frames at ``fps``, paced against the monotonic clock; a late frame is given late, never left out."""

    def __init__(
        self,
        kit_id: str,
        *,
        width: int = 640,
        height: int = 360,
        fps: float = 15,
        bitrate_bps: int = 500_000,
        preset: str = "ultrafast",
        sound: bool = False,
        paced: bool = True,
        watermark: Lines | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.name = f"synthetic {width}x{height}@{fps:g}"
        self.fps = float(fps)
        self.missed = 0
        self._size, self._bitrate_bps, self._preset = (width, height), bitrate_bps, preset
        self._label, self._now_s, self._paced = kit_id.upper(), now_s, paced
        self._stamp = Stamp(watermark, width, height) if watermark else None
        self.watermarked = watermark is not None
        self._sound = SoundEncoder() if sound else None
        self._stopped = threading.Event()

    @property
    def audio(self) -> AudioFormat | None:
        """AAC when ``sound`` was asked for."""
        return self._sound.format if self._sound else None

    def open(self) -> None:
        """Nothing to wait for."""

    def items(self) -> Iterator[EncodedFrame | AudioPacket]:
        """Frames (and ticks of sound) until closed."""
        encoder = PictureEncoder(*self._size, self.fps, self._bitrate_bps, self._preset)
        canvas = _Canvas(*self._size, self._label)
        started_s, number, samples = time.monotonic(), 0, 0
        while not self._stopped.is_set():
            at_s = number / self.fps
            heard_s = (samples + _PERIOD_SAMPLES) / SoundEncoder.SAMPLE_RATE if self._sound else math.inf
            if self._paced and self._stopped.wait(max(0.0, started_s + min(at_s, heard_s) - time.monotonic())):
                return
            if self._sound and heard_s <= at_s:
                yield from self._sound.encode(_tick(samples), round(samples * 1e6 / SoundEncoder.SAMPLE_RATE))
                samples += _PERIOD_SAMPLES
                continue
            picture = canvas.draw(number, self._now_s())
            if self._stamp is not None:
                self._stamp.press(memoryview(picture.planes[0]), picture.planes[0].line_size)
            yield from encoder.encode(picture, round(at_s * 1e6))
            number += 1

    def close(self) -> None:
        """Stop giving frames."""
        self._stopped.set()


class _Canvas:
    """Draws into the luma plane of one picture: a ramp, a wandering bar, the label and the clock."""

    def __init__(self, width: int, height: int, label: str) -> None:
        self._width, self._height, self._label = width, height, label
        self._frame = VideoFrame(width, height, "yuv420p")
        luma, *chroma = self._frame.planes
        self._stride = luma.line_size
        for plane, level in zip(chroma, (118, 138), strict=True):
            plane.update(bytes([level]) * plane.buffer_size)
        ramp = bytes(60 + 80 * column // self._stride for column in range(self._stride))
        self._paper = ramp * height + bytes(luma.buffer_size - self._stride * height)
        clock_columns = len("2026-01-01 00:00:00.000 +08:00") * (COLUMNS + 1)
        self._scale = max(1, min(width * 9 // 10 // clock_columns, height // 40))

    def draw(self, number: int, now_s: float) -> VideoFrame:
        """The picture of one moment. The same object every time: encode it before drawing the next."""
        luma = bytearray(self._paper)
        bar = max(4, self._width // 40)
        left = number * 4 % (self._width - bar)
        for row in range(self._height // 2, self._height // 2 + self._height // 8):
            at = row * self._stride + left
            luma[at : at + bar] = bytes([210]) * bar
        first, end = find_rows(self._height)
        strip = draw_row(int(now_s * 1000), self._width)
        for row in range(first, end):
            luma[row * self._stride : row * self._stride + self._width] = strip
        now = datetime.fromtimestamp(now_s, _CHINA)
        clock = now.strftime("%Y-%m-%d %H:%M:%S.") + f"{now.microsecond // 1000:03d} +08:00"
        margin = 2 * self._scale
        self._write(luma, self._label, top=margin)
        self._write(luma, clock, top=margin * 2 + ROWS * self._scale)
        self._frame.planes[0].update(bytes(luma))
        return self._frame

    def _write(self, luma: bytearray, text: str, top: int) -> None:
        left = 2 * self._scale
        for index, row in enumerate(draw_rows(text, self._scale, _INK, _PAPER)):
            pixels = row[: self._width - left]
            for line in range(top + index * self._scale, top + (index + 1) * self._scale):
                if line < self._height:
                    at = line * self._stride + left
                    luma[at : at + len(pixels)] = pixels


def _tick(first_sample: int) -> AudioFrame:
    rate = SoundEncoder.SAMPLE_RATE
    in_second = [(first_sample + offset) % rate for offset in range(_PERIOD_SAMPLES)]
    wave = array.array(
        "f",
        (0.2 * math.sin(2 * math.pi * _TONE_HZ * at / rate) if at < _TONE_S * rate else 0.0 for at in in_second),
    )
    frame = AudioFrame(format="fltp", layout="mono", samples=_PERIOD_SAMPLES)
    frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
    frame.planes[0].update(wave.tobytes())
    return frame
