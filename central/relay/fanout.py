"""One picture to many: streams of a source, and viewers of whom each gets what it can read. Pure: no I/O, no clock.

A frame is one object however many look at it. A slow viewer loses what waits for it and goes on at the next key
frame; it never holds up another one, the source or the relay's memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from central.relay import bounds
from contract.live import HEADER, WANTS_ACK, Frame, Type, pack

_VIDEO: Final = int(Type.VIDEO)
Record = Callable[[str, bytes], None]
"""Called with a session id and a frame that somebody in it looks at."""


class Outflow:
    """What waits for one viewer, and what is under way to it without its word."""

    __slots__ = ("_needs_key", "_queue", "_queued_bytes", "_unacked", "_waiting_since_s", "dropped")

    def __init__(self) -> None:
        self._queue: deque[tuple[bytes, float]] = deque()  # frame, when it was offered
        self._queued_bytes = 0
        self._unacked: deque[tuple[int, float]] = deque()  # seq, when it was offered
        self._waiting_since_s = 0.0
        self._needs_key = True
        self.dropped = 0

    def begin(self, init: bytes | None, group: Iterable[bytes], now_s: float) -> None:
        """Forget what waits and begin with this group of pictures, or with the next key frame when it is empty."""
        self.clear()
        for message in group:
            if self._needs_key:
                self._append(init, now_s)
            self._needs_key = False
            self._append(message, now_s)

    def offer(self, message: bytes, now_s: float, *, is_key: bool, init: bytes | None) -> bool:
        """A frame of the stream looked at; returns whether it is going to be sent."""
        if self._needs_key:
            if not is_key or len(self._unacked) > bounds.RESUME_BELOW:
                return False
            self._needs_key = False
            self._append(init, now_s)
        elif self._is_behind(now_s):
            self.dropped += len(self._queue) + 1
            self.clear()
            return False
        self._append(message, now_s)
        return True

    def pass_init(self, init: bytes, now_s: float) -> None:
        """The source describes its stream anew in the middle of it."""
        if not self._needs_key:
            self._append(init, now_s)

    def clear(self) -> None:
        """Drop what waits; what follows begins with a key frame."""
        self._queue.clear()
        self._queued_bytes = 0
        self._needs_key = True

    def take(self, now_s: float) -> bytes | None:
        """The next frame to send, if any."""
        if not self._queue:
            return None
        message, offered_s = self._queue.popleft()
        self._queued_bytes -= len(message)
        if message[0] == _VIDEO and message[1] & WANTS_ACK:
            if not self._unacked:
                self._waiting_since_s = now_s
            self._unacked.append((int.from_bytes(message[4:8], "big"), offered_s))
        return message

    def acknowledge(self, seq: int, now_s: float) -> None:
        """The viewer has this frame and all before it; an unknown number changes nothing."""
        unacked = self._unacked
        if unacked and unacked[0][0] == seq:  # as it is nearly always
            unacked.popleft()
        elif any(sent == seq for sent, _ in unacked):
            while unacked.popleft()[0] != seq:
                pass
        else:
            return
        self._waiting_since_s = now_s

    def is_stuck(self, now_s: float) -> bool:
        """Whether nothing was acknowledged for so long that nobody can be looking."""
        return bool(self._unacked) and now_s - self._waiting_since_s > bounds.TOO_SLOW_S

    @property
    def in_flight(self) -> int:
        """Frames queued or under way."""
        return len(self._queue) + len(self._unacked)

    def _is_behind(self, now_s: float) -> bool:
        """Whether the viewer reads too slowly. A group that came at once is no sign of that, one that stays is."""
        if self._queued_bytes > bounds.QUEUE_BYTES or len(self._queue) >= bounds.QUEUE_FRAMES:
            return True
        oldest_s = self._unacked[0][1] if self._unacked else self._queue[0][1] if self._queue else now_s
        return self.in_flight >= bounds.WINDOW and now_s - oldest_s > bounds.BEHIND_S

    def _append(self, message: bytes | None, now_s: float) -> None:
        if message is not None:
            self._queue.append((message, now_s))
            self._queued_bytes += len(message)


class Viewer:
    """Somebody's place before one source: which stream is shown, and what he is to be sent."""

    __slots__ = ("_stir", "outflow", "session_id", "showing", "target")

    def __init__(self, session_id: str, stream: int | None, stir: Callable[[], None]) -> None:
        self.session_id = session_id
        self.target = stream
        """The stream that was asked for; None while the tile is hidden."""
        self.showing: int | None = None
        """The stream that is sent; another than `target` until that one has a key frame."""
        self.outflow = Outflow()
        self._stir = stir

    @property
    def streams(self) -> frozenset[int]:
        """The streams that must run for this viewer."""
        return frozenset(stream for stream in (self.target, self.showing) if stream is not None)

    def stir(self) -> None:
        """Something waits in `outflow`."""
        self._stir()


class Channel:
    """One stream of one source: how it is decoded, its current group of pictures, and who looks at it."""

    def __init__(self) -> None:
        self.init: bytes | None = None
        self.group: list[bytes] = []
        self._group_bytes = 0
        self.viewers: set[Viewer] = set()
        self.last_s: float | None = None
        self.key_missing_since_s: float | None = None
        self._has_key = False
        self._count = 0
        self._recorded: dict[str, int] = {}

    def reset(self) -> None:
        """Another connection: nothing of before is shown to anybody who comes."""
        self.init = None
        self.stop()

    def stop(self) -> None:
        """Nobody looks any more. How it is decoded is still true: a source says so once, not at each look."""
        self.last_s, self.key_missing_since_s = None, None
        self._has_key = False
        self._forget_group()
        for viewer in self.viewers:
            viewer.outflow.clear()

    def take_init(self, message: bytes, now_s: float, record: Record) -> None:
        """The source describes its stream."""
        self.init = message
        for viewer in self.viewers:
            viewer.outflow.pass_init(message, now_s)
            viewer.stir()
        for session_id in self._sessions():
            record(session_id, message)

    def publish(self, message: bytes, frame: Frame, now_s: float, record: Record) -> None:
        """A picture came: to everybody who looks, and to the record of their sessions."""
        self.last_s = now_s
        is_key = frame.is_key
        self._keep(message, is_key=is_key, now_s=now_s)
        for viewer in self.viewers:
            if viewer.outflow.offer(message, now_s, is_key=is_key, init=self.init):
                viewer.stir()
        if self._has_key:
            for session_id in self._sessions():
                self._record(session_id, message, record)

    def _sessions(self) -> set[str]:
        return {viewer.session_id for viewer in self.viewers}

    def _keep(self, message: bytes, *, is_key: bool, now_s: float) -> None:
        self._count += 1
        if is_key:
            self._forget_group()
            self._has_key, self.key_missing_since_s = True, None
        elif not self.group:
            self.key_missing_since_s = self.key_missing_since_s or now_s
            return
        if len(self.group) >= bounds.MAX_GROUP_FRAMES or self._group_bytes > bounds.MAX_GROUP_BYTES:
            self._forget_group()
            self.key_missing_since_s = now_s
            return
        self.group.append(message)
        self._group_bytes += len(message)

    def _forget_group(self) -> None:
        self.group = []
        self._group_bytes = 0

    def _record(self, session_id: str, message: bytes, record: Record) -> None:
        """Hand the frame to the session's record; one that begins in the middle gets the group from its key frame."""
        missing = self._count - self._recorded.get(session_id, 0)
        self._recorded[session_id] = self._count
        if missing == 1 or not self.group:
            record(session_id, message)
            return
        if missing >= len(self.group) and self.init is not None:
            record(session_id, self.init)
        for kept in self.group[-missing:]:
            record(session_id, kept)

    def forget_session(self, session_id: str) -> None:
        """The session is over."""
        self._recorded.pop(session_id, None)

    def add(self, viewer: Viewer, now_s: float) -> None:
        """Show this stream to a viewer from now on, from the current key frame when there is one."""
        self.viewers.add(viewer)
        viewer.showing = viewer.target
        viewer.outflow.begin(self.init, self.group, now_s)
        viewer.stir()


def ack_of(frame: Frame) -> bytes:
    """The relay's word for a frame it took."""
    return pack(Type.ACK, stream=frame.stream, seq=frame.seq, time_us=frame.time_us)


def with_stream(message: bytes, stream: int) -> bytes:
    """The same frame under another stream number."""
    kind, flags, _, seq, time_us = HEADER.unpack_from(message)
    return HEADER.pack(kind, flags, stream, seq, time_us) + message[HEADER.size :]
