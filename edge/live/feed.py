"""Pictures and sound of the recorder, for the tasks of the live process: one connection, several subscribers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from contract.live import MAX_FRAME_BYTES, Frame, LiveError, Type, unpack
from edge.tap import LENGTH, PICTURE, SOUND, connect_tap

log = logging.getLogger("zhixing.live")

RETRY_S: Final = 0.25
# Of one subscriber: two seconds of a good camera. Whoever is further behind begins again at a key frame.
MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
MAX_GROUP_BYTES: Final = 6 * 1024 * 1024


class Subscription:
    """What one subscriber has not taken yet; iterate over it. Use as a context manager, so that it ends."""

    def __init__(self, feed: Feed, streams: frozenset[int]) -> None:
        self._feed, self._streams = feed, streams
        self._items: deque[Frame] = deque()
        self._size = 0
        self._waits_for_key = False
        self._filled = asyncio.Event()
        self.dropped = 0

    def __enter__(self) -> Subscription:
        self._feed.add(self)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._feed.remove(self)

    def put(self, frame: Frame) -> None:
        """Add a frame of a stream that is subscribed; a full queue is emptied up to the next key frame."""
        if frame.stream not in self._streams:
            return
        if frame.type is Type.VIDEO:
            if self._size > MAX_WAITING_BYTES:
                self._drop_pictures()
            if self._waits_for_key and not frame.is_key:
                self.dropped += 1
                return
            self._waits_for_key = False
        elif self._size > 2 * MAX_WAITING_BYTES:
            self.dropped += 1
            return
        self._items.append(frame)
        self._size += len(frame.payload)
        self._filled.set()

    def _drop_pictures(self) -> None:
        kept = [item for item in self._items if item.type is not Type.VIDEO]
        self.dropped += len(self._items) - len(kept)
        self._items = deque(kept)
        self._size = sum(len(item.payload) for item in kept)
        self._waits_for_key = True

    def take_now(self) -> Frame | None:
        """The oldest frame that waits, or None."""
        if not self._items:
            self._filled.clear()
            return None
        frame = self._items.popleft()
        self._size -= len(frame.payload)
        return frame

    async def take(self) -> Frame:
        """The next frame, waited for."""
        while (frame := self.take_now()) is None:
            await self._filled.wait()
        return frame

    async def __aiter__(self) -> AsyncIterator[Frame]:
        while True:
            yield await self.take()


class Feed:
    """Connected to the recorder's tap only while somebody subscribes. Remembers what a new subscriber needs first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._subscribers: list[Subscription] = []
        self._task: asyncio.Task[None] | None = None
        self._inits: dict[tuple[int, int], Frame] = {}
        self._group: list[Frame] = []
        self._group_size = 0
        self.is_connected = False

    def subscribe(self, *, pictures: bool = False, sound: bool = False) -> Subscription:
        """A subscription, begun by ``with``: first the INITs, then the present group of pictures, then as it comes.

        Sound's configuration is the AUDIO frame with the flag KEY right after its INIT (`edge.tap`).
        """
        streams = {PICTURE} if pictures else set()
        return Subscription(self, frozenset(streams | {SOUND} if sound else streams))

    def add(self, subscription: Subscription) -> None:
        """Begin to serve it."""
        for frame in (*self._inits.values(), *self._group):
            subscription.put(frame)
        self._subscribers.append(subscription)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def remove(self, subscription: Subscription) -> None:
        """Serve it no longer; with the last one the connection ends."""
        with contextlib.suppress(ValueError):
            self._subscribers.remove(subscription)
        if not self._subscribers and self._task is not None:
            self._task.cancel()
            self._task = None
            self._forget()

    def _forget(self) -> None:
        self._inits.clear()
        self._group, self._group_size = [], 0
        self.is_connected = False

    async def _run(self) -> None:
        while True:
            try:
                await self._read()
            except (OSError, EOFError, LiveError) as error:
                if self.is_connected:
                    log.info("live: the recorder's tap ended (%s)", error)
            self._forget()
            await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        connection = connect_tap(self._folder)
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        self.is_connected = True
        try:
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                if length > MAX_FRAME_BYTES:
                    raise LiveError(f"The tap announces {length} bytes.")
                self._accept(unpack(await reader.readexactly(length)))
        finally:
            writer.close()

    def _accept(self, frame: Frame) -> None:
        if frame.type is Type.INIT or (frame.type is Type.AUDIO and frame.is_key):
            self._inits[frame.stream, frame.type] = frame
        elif frame.type is Type.VIDEO:
            if frame.is_key:
                self._group, self._group_size = [], 0
            if frame.is_key or self._group:
                self._group.append(frame)
                self._group_size += len(frame.payload)
            if self._group_size > MAX_GROUP_BYTES:
                self._group, self._group_size = [], 0
        for subscriber in self._subscribers:
            subscriber.put(frame)


def iterate_now(subscription: Subscription) -> Iterator[Frame]:
    """Everything that waits at this moment."""
    while (frame := subscription.take_now()) is not None:
        yield frame
