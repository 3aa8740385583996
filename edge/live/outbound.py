"""What waits for the connection: pictures, which can still be thrown away, and words, which cannot."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.live import KEY, WANTS_ACK, Init, Type, pack, pack_init
from edge.live.policy import Pace
from edge.live.shaper import Picture

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: bytes
    seq: int
    since_s: float
    is_picture: bool


class Outbound:
    """One connection's queue; only what `Pace.has_room` allows goes to the socket, where nothing can be called back.

    ``find_offset_us`` says by how much the centre's clock stands before the kit's, by which the recorder stamps.
    """

    def __init__(self, pace: Pace, find_offset_us: Callable[[], int]) -> None:
        self._pace, self._find_offset_us = pace, find_offset_us
        self._queue: deque[_Waiting] = deque()
        self._filled, self._room = asyncio.Event(), asyncio.Event()
        self._inits: dict[int, Init] = {}
        self._seq = 0

    @property
    def waiting_since_s(self) -> float | None:
        """When the oldest picture that waits was made (monotonic); None without one."""
        return next((item.since_s for item in self._queue if item.is_picture), None)

    def put_word(self, message: bytes) -> None:
        """A frame that is not a picture."""
        self._queue.append(_Waiting(message, 0, time.monotonic(), is_picture=False))
        self._filled.set()

    def put_picture(self, picture: Picture) -> None:
        """A picture, before it the description of its stream where that is another one now."""
        if picture.init is not None and self._inits.get(picture.stream) != picture.init:
            self._inits[picture.stream] = picture.init
            self.put_word(pack_init(picture.init, stream=picture.stream))
        self._seq += 1
        flags = WANTS_ACK | (KEY if picture.key else 0)
        time_us = max(0, picture.time_us + self._find_offset_us())
        message = pack(Type.VIDEO, picture.data, flags=flags, stream=picture.stream, seq=self._seq, time_us=time_us)
        self._queue.append(_Waiting(message, self._seq, time.monotonic(), is_picture=True))
        self._filled.set()

    def clear(self) -> int:
        """Throw away the pictures that wait; how many they were."""
        before = len(self._queue)
        self._queue = deque(item for item in self._queue if not item.is_picture)
        return before - len(self._queue)

    def note_room(self) -> None:
        """The relay acknowledged something."""
        self._room.set()

    async def send(self, connection: ClientConnection) -> None:
        """Until the connection ends."""
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                while not self._queue:
                    self._filled.clear()
                    await self._filled.wait()
                if self._queue[0].is_picture and not self._pace.has_room:
                    self._room.clear()
                    await self._room.wait()
                    continue
                item = self._queue.popleft()
                if item.is_picture:
                    self._pace.handed(item.seq, len(item.message), time.monotonic())
                await connection.send(item.message)
        except ConnectionClosed:
            return
