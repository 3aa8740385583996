"""The frame watchdog: whether pictures really come, and what it is that keeps them from coming.

A camera fails in many ways and says so in few: its front end times out, its encoder freezes without a word, pictures
stop while everything claims to run, times stand still, no key frame comes any more. Each is found here from the
frames alone and gets the cause that the signed gap entry then carries. Pure: the clock's readings are handed in.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Final

from edge.options import CameraSettings
from edge.recorder.sources import EncodedFrame, KeyFrameMissingError, SourceError, SourceOpenError, SourceStalledError

OPEN_LIMIT_MS: Final = 15_000
# A film may rest on one picture for a while; nobody waits for it in the field.
FILM_LIMIT_MS: Final = 15_000
# The kit's own encoders give a key frame every second; what a camera encoded is encoded anew from 4 s on (PyAV).
KEY_LIMIT_MS: Final = 2_000
PASSED_KEY_LIMIT_MS: Final = 6_000
# A frame whose time leaps this far ahead of its arrival would make a segment that lasts for hours.
LEAP_LIMIT_US: Final = 10_000_000

_MEMORY_WORDS: Final = ("cannot allocate memory", "out of memory", "failed to allocate", "enomem")
_TIMEOUT_WORDS: Final = ("timed out", "timeout", "time-out")


class EncoderStalledError(SourceStalledError):
    """Something comes, but nothing a recording could be made of."""


class CameraTimeoutError(SourceStalledError):
    """The camera did not get ready in time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is too long, in ms."""

    stall_ms: int
    open_ms: int = OPEN_LIMIT_MS
    key_ms: int = KEY_LIMIT_MS

    @classmethod
    def of(cls, camera: CameraSettings, *, film: bool) -> Limits:
        """For a live camera, or for a film read from a file."""
        if film:
            return cls(FILM_LIMIT_MS, OPEN_LIMIT_MS, FILM_LIMIT_MS)
        stall_ms = round(camera.stall_s * 1000)
        key_ms = PASSED_KEY_LIMIT_MS if camera.kind == "pyav" else KEY_LIMIT_MS
        return cls(stall_ms, OPEN_LIMIT_MS, max(key_ms, stall_ms))


class FrameWatch:
    """Watches one opening of a source; times are monotonic ms of the frames' arrival."""

    def __init__(self, name: str, limits: Limits, now_ms: int) -> None:
        self._name, self._limits = name, limits
        self._opened = False
        self._since_ms = self._heard_ms = self._used_ms = self._key_ms = now_ms
        self._last_us: int | None = None
        self._leapt = False

    def note_opened(self, now_ms: int) -> None:
        """The source is ready; from now on frames are due."""
        self._opened = True
        self._since_ms = self._heard_ms = self._used_ms = self._key_ms = now_ms

    def note_frame(self, frame: EncodedFrame, at_ms: int) -> bool:
        """A frame arrived; False when it cannot be used, because its time stands still, goes back or leaps."""
        before_ms, self._heard_ms = self._heard_ms, at_ms
        at_us = frame.pts_us if frame.dts_us is None else frame.dts_us
        if self._last_us is not None:
            ahead_us = at_us - self._last_us
            self._leapt = ahead_us - (at_ms - before_ms) * 1000 > LEAP_LIMIT_US
            if ahead_us <= 0 or self._leapt:
                return False
        self._last_us, self._used_ms = at_us, at_ms
        if frame.key:
            self._key_ms = at_ms
        return True

    def find_failure(self, now_ms: int) -> SourceError | None:
        """What is wrong by now, or None."""
        limits = self._limits
        if not self._opened:
            waited_ms = now_ms - self._since_ms
            if waited_ms <= limits.open_ms:
                return None
            return CameraTimeoutError(f"{self._name} did not get ready within {waited_ms / 1000:.1f} s.")
        silent_ms = now_ms - self._heard_ms
        if silent_ms > limits.stall_ms:
            return SourceStalledError(f"{self._name} gave no picture for {silent_ms / 1000:.1f} s.")
        unused_ms = now_ms - self._used_ms
        if unused_ms > limits.stall_ms:
            what = "leap ahead" if self._leapt else "do not go on"
            return EncoderStalledError(f"The times of {self._name}'s pictures {what} for {unused_ms / 1000:.1f} s.")
        # Counted up to the newest picture: silence is silence, not a lack of key frames.
        keyless_ms = self._used_ms - self._key_ms
        if keyless_ms > limits.key_ms:
            return EncoderStalledError(f"{self._name} gave no key frame for {keyless_ms / 1000:.1f} s.")
        return None


def name_cause(error: SourceError) -> str:
    """The cause (contract.chain.CAUSES) that a gap entry carries for this failure."""
    if isinstance(error, EncoderStalledError | KeyFrameMissingError):
        return "encoder_stall"
    if isinstance(error, CameraTimeoutError):
        return "camera_timeout"
    below: BaseException | None = error
    while below is not None:
        words = str(below).lower()
        if (
            isinstance(below, MemoryError)
            or (isinstance(below, OSError) and below.errno == errno.ENOMEM)
            or any(word in words for word in _MEMORY_WORDS)
        ):
            return "memory"
        if isinstance(below, TimeoutError) or any(word in words for word in _TIMEOUT_WORDS):
            return "camera_timeout"
        below = below.__cause__
    return "camera_stall"


def is_worth_waiting(error: SourceError) -> bool:
    """Whether this very process may try again: a camera not there yet, but not memory that only an end gives back."""
    return isinstance(error, SourceOpenError) and name_cause(error) != "memory"
