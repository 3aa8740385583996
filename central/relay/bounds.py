"""How much anybody may send and how long anybody may be slow. Pure: the time is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contract.live import MAX_FRAME_BYTES, WANTS_ACK, Frame, LiveError, Type

# A picture source: two streams of 60 frames a second, and the group of pictures it sends at once when it comes back.
MAX_FRAMES_PER_S: Final = 150.0
FRAMES_AT_ONCE: Final = 900.0
# 40 Mbit/s is four times the richest recording of a kit.
MAX_BYTES_PER_S: Final = 5_000_000.0
BYTES_AT_ONCE: Final = 24_000_000.0
# A voice: fifty packets a second of at most this size; Opus at its richest has 510 kbit/s.
MAX_PACKETS_PER_S: Final = 60.0
PACKETS_AT_ONCE: Final = 150.0
MAX_PACKET_BYTES: Final = 1500
# A talker begins so often at most, and a viewer changes what it looks at: the first are lines of the record, the
# second word to a kit on a thin link.
MAX_BEGINS_PER_S: Final = 1.0
BEGINS_AT_ONCE: Final = 30.0
MAX_WANTS_PER_S: Final = 4.0
WANTS_AT_ONCE: Final = 40.0
MAX_CONTROLS_PER_S: Final = 20.0
CONTROLS_AT_ONCE: Final = 100.0
# Acknowledgements of viewers: one a frame.
MAX_ACKS_PER_S: Final = 400.0
ACKS_AT_ONCE: Final = 2000.0
MAX_GARBAGE: Final = 5

# What is kept and queued.
MAX_GROUP_FRAMES: Final = 600
MAX_GROUP_BYTES: Final = 12 * 1024 * 1024
WINDOW: Final = 40
"""So many frames may be under way to a viewer without its word (measured: without it a reader is 24 s behind)."""
RESUME_BELOW: Final = 10
BEHIND_S: Final = 1.0
"""A full window whose oldest frame is older than this belongs to a slow reader."""
QUEUE_FRAMES: Final = 700
QUEUE_BYTES: Final = 16 * 1024 * 1024
VOICE_QUEUE: Final = 25
"""Half a second: older sound is no use to anybody."""
CONTROL_QUEUE: Final = 256

# Seconds.
TOO_SLOW_S: Final = 20.0
STALE_S: Final = 2.0
LINGER_S: Final = 2.0
"""A stream that nobody looks at goes on so long: switching tiles does not stop and start the kit's encoder."""
KEY_WAIT_S: Final = 10.0
KEY_AGAIN_S: Final = 0.5
SILENT_TALKER_S: Final = 5.0
CLOSE_WITHIN_S: Final = 0.5
"""To take the word that it is over."""
GONE_WITHIN_S: Final = 0.95
"""To answer it: after this the connection is no more."""

MAX_TALKERS: Final = 4
"""People of the centre at the same time in one session; more is a babble that no officer understands."""
MAX_KITS_TALKING: Final = 16
"""Kits at the same time in one session: their microphones may be open all the time, towards the centre."""
MAX_SOCKETS_OF_PERSON: Final = 80
"""A wall of sixteen tiles in two halls, the session's page and voices."""
MAX_SOCKETS: Final = 1500


class GarbageError(LiveError):
    """Too much that cannot be used came over one connection: it is closed."""


class Bucket:
    """So many a second over time, so many at once. Times in seconds of one monotonic clock."""

    __slots__ = ("_at_once", "_left", "_per_s", "_seen_s")

    def __init__(self, per_s: float, at_once: float, now_s: float) -> None:
        self._per_s, self._at_once = per_s, at_once
        self._left, self._seen_s = at_once, now_s

    def take(self, now_s: float, count: float = 1.0) -> bool:
        """Whether `count` more are within bounds; then they are taken."""
        self._left = min(self._at_once, self._left + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        if count > self._left:
            return False
        self._left -= count
        return True


@dataclass
class Guard:
    """What one connection may send. ``refused`` counts frames over the bounds or unusable, since it was opened."""

    units: Bucket
    sizes: Bucket
    controls: Bucket
    refused: int = 0
    garbage: int = 0

    def admit(self, frame: Frame, size_bytes: int, now_s: float) -> bool:
        """Whether this frame is within the rate; one over it is dropped and counted."""
        if frame.type in (Type.VIDEO, Type.AUDIO):
            is_within = self.units.take(now_s) and self.sizes.take(now_s, size_bytes)
        else:
            is_within = self.controls.take(now_s)
        self.refused += not is_within
        return is_within

    def note_garbage(self, error: LiveError) -> None:
        """Something that cannot be used came; raise GarbageError when it is too much."""
        self.garbage += 1
        self.refused += 1
        if self.garbage > MAX_GARBAGE:
            raise GarbageError(f"Too many frames that cannot be used; the last one: {error}") from error


def guard_pictures(now_s: float) -> Guard:
    """The bounds of a source of pictures."""
    return Guard(
        Bucket(MAX_FRAMES_PER_S, FRAMES_AT_ONCE, now_s),
        Bucket(MAX_BYTES_PER_S, BYTES_AT_ONCE, now_s),
        Bucket(MAX_CONTROLS_PER_S, CONTROLS_AT_ONCE, now_s),
    )


def guard_voice(now_s: float) -> Guard:
    """The bounds of somebody in a voice room."""
    return Guard(
        Bucket(MAX_PACKETS_PER_S, PACKETS_AT_ONCE, now_s),
        Bucket(MAX_PACKETS_PER_S * MAX_PACKET_BYTES, PACKETS_AT_ONCE * MAX_PACKET_BYTES, now_s),
        Bucket(MAX_CONTROLS_PER_S, CONTROLS_AT_ONCE, now_s),
    )


def guard_viewer(now_s: float) -> Guard:
    """The bounds of a viewer, who acknowledges and says what it looks at; a few frames of its own are garbage."""
    few = float(MAX_GARBAGE + 1)
    return Guard(
        Bucket(0.0, few, now_s),
        Bucket(0.0, few * MAX_FRAME_BYTES, now_s),
        Bucket(MAX_ACKS_PER_S, ACKS_AT_ONCE, now_s),
    )


def wants_ack(frame: Frame) -> bool:
    """Whether the sender waits for word of this frame."""
    return bool(frame.flags & WANTS_ACK)
