"""What one talker said, held back just long enough that the network's unrest is not heard. Pure; clocks injected.

Played by a clock of one packet each 20 ms (`contract.live.SOUND_FRAME_US`). Nothing is lost on a WebSocket, but a
relay drops for the slow, and after an outage everything comes at once: then what is old is skipped, for who listens
wants now, not all (the centre's record has all).

A sender leaves silence out (`edge.live.microphone.Gate`). Running dry then is no fault of the link and no reason to
hold more: numbers that follow each other with a leap of time between them tell the two apart.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from contract.live import SOUND_FRAME_US

FRAME_S: Final = 0.02
START_FRAMES: Final = 2
"""40 ms, measured to be enough on a sound link (docs/decisions/0033)."""
MOST_FRAMES: Final = 10
SKIP_BEYOND_FRAMES: Final = 10
"""So many more than the target wait: they are not caught up, but skipped."""
CALM_S: Final = 5.0
# A sequence number so far back is a sender that began anew, not a straggler.
RESTART_GAP: Final = 500
_PAUSE_US: Final = SOUND_FRAME_US * 3 // 2


class JitterBuffer:
    """Packets of one talker in order; ``pull`` once every 20 ms."""

    def __init__(self) -> None:
        self._packets: deque[bytes] = deque()
        self._last_seq: int | None = None
        self._last_us = 0
        self._playing = self._finished = False
        self._is_dry = False  # and not known yet whether the talker or the link is why
        self._waited = self._calm = self._watched = 0
        self._least = MOST_FRAMES
        self.target = START_FRAMES
        self.underruns = 0
        self.skipped = 0

    @property
    def depth(self) -> int:
        """How many packets wait."""
        return len(self._packets)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to be heard before something comes."""
        return not self._packets

    def push(self, seq: int, packet: bytes, time_us: int = 0) -> bool:
        """A packet said at ``time_us`` has come; False for one that is a repeat or comes after a later one."""
        if self._last_seq is not None and 0 <= (self._last_seq - seq) & 0xFFFFFFFF < RESTART_GAP:
            return False
        if self._is_dry and not self._follows_pause(seq, time_us):
            self.underruns += 1
            self._calm = 0
            self.target = min(self.target + 1, MOST_FRAMES)
        self._last_seq, self._last_us = seq, time_us
        self._finished = self._is_dry = False
        self._packets.append(packet)
        if len(self._packets) > self.target + SKIP_BEYOND_FRAMES:
            self._skip(len(self._packets) - self.target)
        return True

    def finish(self) -> None:
        """The talker has ended: what waits is played to its end, and nothing more is waited for."""
        self._finished, self._is_dry = True, False

    def pull(self) -> bytes | None:
        """The packet to be played now; None: silence (nothing has begun, or it has run dry)."""
        if not self._playing and not self._begins():
            return None
        if not self._packets:
            self._playing, self._is_dry, self._waited = False, not self._finished, 0
            return None
        self._watch()
        return self._packets.popleft()

    def _begins(self) -> bool:
        # Enough is held, or the first of it has waited long enough: a lone packet in a pause gets no company.
        if not self._packets:
            return False
        if len(self._packets) < self.target and self._waited < self.target and not self._finished:
            self._waited += 1
            return False
        self._playing = True
        self._watch_anew()
        return True

    def _follows_pause(self, seq: int, time_us: int) -> bool:
        is_next = self._last_seq is not None and seq == (self._last_seq + 1) & 0xFFFFFFFF
        return is_next and time_us - self._last_us > _PAUSE_US

    def _watch(self) -> None:
        # What nobody needed for seconds is delay for nothing, and so is a caution that nothing has called for: that
        # one is counted on over pauses, or whoever speaks in short words would wait long for ever.
        self._calm += 1
        if self._calm * FRAME_S >= CALM_S:
            self._calm = 0
            self.target = max(self.target - 1, START_FRAMES)
        self._watched += 1
        self._least = min(self._least, len(self._packets))
        if self._watched * FRAME_S < CALM_S:
            return
        if self._least > self.target:
            self._skip(self._least - self.target)
        self._watch_anew()

    def _watch_anew(self) -> None:
        self._watched, self._least = 0, MOST_FRAMES + SKIP_BEYOND_FRAMES

    def _skip(self, count: int) -> None:
        for _ in range(min(count, len(self._packets) - 1)):
            self._packets.popleft()
            self.skipped += 1
