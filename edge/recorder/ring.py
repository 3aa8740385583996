"""The seconds before the button was pressed, kept in memory only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from edge.recorder.capture import Taken
from edge.recorder.sources import EncodedFrame


class PreEventRing:
    """Keeps at least ``seconds`` (when that long has passed), always beginning with a key frame."""

    def __init__(self, seconds: float) -> None:
        self._span_us = round(seconds * 1_000_000)
        self._items: deque[Taken] = deque()
        self._key_times_us: deque[int] = deque()

    def push(self, taken: Taken) -> None:
        """Add the newest item and let go of key-frame groups that are no longer needed."""
        item = taken.item
        if isinstance(item, EncodedFrame) and item.key:
            self._key_times_us.append(item.pts_us)
        elif not self._key_times_us:
            return
        self._items.append(taken)
        while len(self._key_times_us) > 1 and item.pts_us - self._key_times_us[1] >= self._span_us:
            self._drop_group()

    def drain(self) -> Iterator[Taken]:
        """Give everything, oldest first, and be empty."""
        self._key_times_us.clear()
        while self._items:
            yield self._items.popleft()

    def _drop_group(self) -> None:
        self._key_times_us.popleft()
        self._items.popleft()
        while self._items:
            item = self._items[0].item
            if isinstance(item, EncodedFrame) and item.key:
                return
            self._items.popleft()
