"""Sixteen kits that cost next to nothing: each plays a short film, encoded once by x264, over its own connection.

Only the lens is a drawing; certificates, frames, acknowledgements and the relay's orders are those of the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from contract.live import KEY, LOW, MAIN, WANTS_ACK, Init, Type, Want, pack, pack_init, read_control, unpack
from tests.central.relay.stand import Stand

FPS: Final = 5
SIZES: Final = {MAIN: (640, 360), LOW: (320, 180)}
_SECONDS: Final = 2
_GREY, _WHITE = 90, 235


def encode_film(width: int, height: int) -> list[tuple[bool, bytes]]:
    """(Is key, Annex B) of a white bar that is elsewhere in each picture; one key frame a second."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base = fractions.Fraction(FPS), fractions.Fraction(1, FPS)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": f"keyint={FPS}:bframes=0"}
    encoder.gop_size = FPS
    pictures, made = _SECONDS * FPS, []
    for number in range(pictures):
        pixels = np.full((height, width, 3), _GREY, np.uint8)
        left = number * width // pictures
        pixels[:, left : left + width // pictures] = _WHITE
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        picture.pts = number
        made += [(bool(packet.is_keyframe), bytes(packet)) for packet in encoder.encode(picture)]
    assert len(made) == pictures
    return made


class Reels:
    """`wanted[kit]`: the streams that the relay asks of it now; `ever_wanted[kit]`: all since `forget`."""

    def __init__(self, stand: Stand, kit_ids: Iterable[str]) -> None:
        self._films = {stream: encode_film(*size) for stream, size in SIZES.items()}
        self.wanted: dict[str, set[int]] = {}
        self.ever_wanted: dict[str, set[int]] = {}
        self.rests: Counter[str] = Counter()
        """How often a kit was told to stop, since `forget`."""
        self._playing = []
        for kit_id in kit_ids:
            self.wanted[kit_id], self.ever_wanted[kit_id] = set(), set()
            connection = stand.kit(kit_id).connection
            # All of them in the loop of the stand's connections: a thread for each would cost more than the pictures.
            self._playing.append(asyncio.run_coroutine_threadsafe(self._play(kit_id, connection), connection.loop))

    def forget(self) -> None:
        """What was wanted until now counts no more."""
        self.ever_wanted = {kit_id: set(wanted) for kit_id, wanted in self.wanted.items()}
        self.rests.clear()

    def stop(self) -> None:
        for playing in self._playing:
            playing.cancel()

    async def _play(self, kit_id: str, connection: ClientConnection) -> None:
        places: dict[int, int] = {}
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(kit_id, connection, places))
                group.create_task(self._send(connection, places))

    async def _listen(self, kit_id: str, connection: ClientConnection, places: dict[int, int]) -> None:
        async for message in connection:
            assert isinstance(message, bytes)
            frame = unpack(message)
            want = read_control(frame) if frame.type is Type.CONTROL else None
            if not isinstance(want, Want):
                continue
            self.wanted[kit_id] = wanted = set(want.streams)
            self.ever_wanted[kit_id] |= wanted
            self.rests[kit_id] += not wanted
            for stream in set(places) - wanted:
                del places[stream]
            # From the beginning, which is a key frame: for a new viewer, and for one who asks for one.
            places.update({stream: 0 for stream in wanted if want.key or stream not in places})

    async def _send(self, connection: ClientConnection, places: dict[int, int]) -> None:
        seq = 0
        while True:
            await asyncio.sleep(1 / FPS)
            for stream, place in list(places.items()):
                film = self._films[stream]
                is_key, data = film[place % len(film)]
                places[stream] = place + 1
                if place == 0:
                    await connection.send(pack_init(Init("avc1.42C01F", *SIZES[stream], FPS), stream=stream))
                seq += 1
                flags = WANTS_ACK | (KEY if is_key else 0)
                at_us = time.time_ns() // 1000
                await connection.send(pack(Type.VIDEO, data, flags=flags, stream=stream, seq=seq, time_us=at_us))
