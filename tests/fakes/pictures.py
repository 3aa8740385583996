"""Stands in for the relay where an outlet is tested by itself: real x264 pictures, handed to whoever watches.

A double of the relay's `Pictures` only; what goes through it is what a kit sends.
"""

from __future__ import annotations

import asyncio
import fractions
import time
from collections.abc import Iterator

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from central.relay.outlets.adapter import NoChannelError, Take
from contract import live

WIDTH, HEIGHT, FPS = 320, 240, 25


def moving_pictures(
    width: int = WIDTH, height: int = HEIGHT, *, seconds: int = 2, b_frames: int = 0
) -> list[tuple[bool, bytes]]:
    """(Is key, Annex B) of a white bar that walks over grey, one key frame a second, parameter sets in band."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base = fractions.Fraction(FPS), fractions.Fraction(1, FPS)
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint={FPS}:bframes={b_frames}",
    }
    encoder.gop_size = FPS
    made: list[tuple[bool, bytes]] = []
    for number in range(seconds * FPS):
        pixels = np.full((height, width, 3), 90, np.uint8)
        left = number * 6 % (width - 40)
        pixels[:, left : left + 40] = 255
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        picture.pts = number
        made += [(bool(packet.is_keyframe), bytes(packet)) for packet in encoder.encode(picture)]
    return made + [(bool(packet.is_keyframe), bytes(packet)) for packet in encoder.encode(None)]


class FilmedPictures:
    """One source, filmed at its own pace while somebody watches. Fits `Pictures`."""

    def __init__(
        self, session_id: str = "s" * 32, source: str = "dl-2901-01", codec: str = "avc1.42C01E", b_frames: int = 0
    ) -> None:
        self.session_id, self.source, self.codec = session_id, source, codec
        self.takers: dict[Take, str] = {}
        self._film = moving_pictures(b_frames=b_frames)
        self.is_filming = True
        self._seq = 0

    def watch(self, session_id: str, source: str, stream: int, *, name: str, take: Take):
        if (session_id, source) != (self.session_id, self.source):
            raise NoChannelError("There is no such source in this session.")
        take(live.pack_control(live.State("live")))
        take(live.pack_init(live.Init(self.codec, WIDTH, HEIGHT, FPS), stream=stream))
        self.takers[take] = name
        return lambda: self.takers.pop(take, None)

    def end(self) -> None:
        """The session is over."""
        for take in list(self.takers):
            take(live.pack_control(live.End("ended")))

    def frames(self) -> Iterator[bytes]:
        """Frame after frame, stamped now."""
        while True:
            is_key, picture = self._film[self._seq % len(self._film)]
            flags = live.KEY if is_key else 0
            now_us = time.time_ns() // 1000
            yield live.pack(live.Type.VIDEO, picture, flags=flags, seq=self._seq, time_us=now_us)
            self._seq += 1

    async def run(self, pace_s: float = 1 / FPS) -> None:
        """Film for ever."""
        for message in self.frames():
            while not self.is_filming:
                await asyncio.sleep(pace_s)
            for take in list(self.takers):
                take(message)
            await asyncio.sleep(pace_s)
