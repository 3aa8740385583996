"""The seconds before the button was pressed, kept in memory only, and by default without their sound."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from edge.recorder.capture import Taken
from edge.recorder.sources import AudioPacket, EncodedFrame

# Half a minute of 1080p30 at 4 Mbit/s is 15 MB; a stream of twice that still keeps its half minute.
MAX_RING_BYTES: Final = 30 * 1024 * 1024


class PreEventRing:
    """Keeps at least ``seconds`` (when that long has passed and fits), always beginning with a key frame.

    Without ``sound`` only the times of sound packets are kept: what was said before the press is nowhere.
    """

    def __init__(self, seconds: float, *, sound: bool = False, max_bytes: int = MAX_RING_BYTES) -> None:
        self._span_us = round(seconds * 1_000_000)
        self._sound = sound
        self._max_bytes = max_bytes
        self._items: deque[Taken] = deque()
        self._key_times_us: deque[int] = deque()
        self.size_bytes = 0

    @property
    def began_ms(self) -> int | None:
        """Time since boot (ms) at which what is kept begins; None when that is nothing."""
        return self._items[0].at.monotonic_ms if self._items else None

    def push(self, taken: Taken) -> None:
        """Add the newest item and let go of key-frame groups that are no longer needed or do not fit."""
        item = taken.item
        if isinstance(item, EncodedFrame) and item.key:
            self._key_times_us.append(item.pts_us)
        elif not self._key_times_us:
            return
        if isinstance(item, AudioPacket) and not self._sound:
            taken = replace(taken, item=replace(item, data=b""))
        self._items.append(taken)
        self.size_bytes += len(taken.item.data)
        while len(self._key_times_us) > 1 and item.pts_us - self._key_times_us[1] >= self._span_us:
            self._drop_group()
        while self.size_bytes > self._max_bytes:
            self._drop_group()

    def drain(self, silence: bytes | None = None) -> Iterator[Taken]:
        """Give everything, oldest first, and be empty; ``silence`` stands for sound that was not kept."""
        self._key_times_us.clear()
        while self._items:
            taken = self._items.popleft()
            self.size_bytes -= len(taken.item.data)
            if isinstance(taken.item, AudioPacket) and not taken.item.data:
                if silence is None:
                    continue
                taken = replace(taken, item=replace(taken.item, data=silence))
            yield taken

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._key_times_us.clear()
        self.size_bytes = 0

    def _drop_group(self) -> None:
        self._key_times_us.popleft()
        self._drop_item()
        while self._items:
            item = self._items[0].item
            if isinstance(item, EncodedFrame) and item.key:
                return
            self._drop_item()

    def _drop_item(self) -> None:
        self.size_bytes -= len(self._items.popleft().item.data)
