"""What one talker said, held back just long enough that the network's unrest is not heard. Pure; clocks injected.

Played by a clock of one packet each 20 ms (`contract.live.SOUND_FRAME_US`). Nothing is lost on a WebSocket, but a
relay drops for the slow, and after an outage everything comes at once: then what is old is skipped, for who listens
wants now, not all (the centre's record has all).
"""

from __future__ import annotations

from collections import deque
from typing import Final

FRAME_S: Final = 0.02
START_FRAMES: Final = 2
"""40 ms, measured to be enough on a sound link (docs/decisions/0033)."""
MOST_FRAMES: Final = 10
SKIP_BEYOND_FRAMES: Final = 10
"""So many more than the target wait: they are not caught up, but skipped."""
CALM_S: Final = 5.0
# A sequence number so far back is a sender that began anew, not a straggler.
RESTART_GAP: Final = 500


class JitterBuffer:
    """Packets of one talker in order; ``pull`` once every 20 ms."""

    def __init__(self) -> None:
        self._packets: deque[bytes] = deque()
        self._last_seq: int | None = None
        self._playing = False
        self._finished = False
        self._calm = 0
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

    def push(self, seq: int, packet: bytes) -> bool:
        """A packet has come; False for one that is a repeat or comes after a later one."""
        if self._last_seq is not None and 0 <= (self._last_seq - seq) & 0xFFFFFFFF < RESTART_GAP:
            return False
        self._last_seq = seq
        self._finished = False
        self._packets.append(packet)
        if len(self._packets) > self.target + SKIP_BEYOND_FRAMES:
            self._skip(len(self._packets) - self.target)
        return True

    def finish(self) -> None:
        """The talker has ended: what waits is played to its end, and nothing more is waited for."""
        self._finished = True

    def pull(self) -> bytes | None:
        """The packet to be played now; None: silence (nothing has begun, or it has run dry)."""
        if not self._playing:
            if not self._packets or (len(self._packets) < self.target and not self._finished):
                return None
            self._playing = True
            self._watch_anew()
        if not self._packets:
            self._run_dry()
            return None
        self._watch()
        return self._packets.popleft()

    def _run_dry(self) -> None:
        self._playing = False
        if not self._finished:
            self.underruns += 1
            self.target = min(self.target + 1, MOST_FRAMES)

    def _watch(self) -> None:
        # What nobody needed for seconds is delay for nothing, and so is a caution that nothing has called for.
        self._calm += 1
        self._least = min(self._least, len(self._packets))
        if self._calm * FRAME_S < CALM_S:
            return
        if self._least > self.target:
            self._skip(self._least - self.target)
        elif self.target > START_FRAMES:
            self.target -= 1
        self._watch_anew()

    def _watch_anew(self) -> None:
        self._calm, self._least = 0, MOST_FRAMES + SKIP_BEYOND_FRAMES

    def _skip(self, count: int) -> None:
        for _ in range(min(count, len(self._packets) - 1)):
            self._packets.popleft()
            self.skipped += 1
