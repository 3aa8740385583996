"""How much picture the link takes, from what the relay acknowledges. Pure: the caller brings the time (seconds).

Measured (decision 0032): a picture that waits longer than 0.6 s is worth nothing, so what waits is thrown away, the
next picture is a small key frame, and the rate falls to what got through. Silence of 2.5 s is a dead connection.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

LATE_S: Final = 0.6
SILENT_S: Final = 2.5
DRAINED_S: Final = 0.16
CUT: Final = 0.6
LOWEST_CUT: Final = 0.25
RAISE: Final = 1.3
GOOD_S: Final = 6.0
# Until the link has been late once nobody knows what it takes: it is found out faster.
FIRST_RAISE: Final = 1.5
FIRST_GOOD_S: Final = 2.0
FLOOR_KBPS: Final = 48
THIN_KBPS: Final = 64
MAX_KBPS: Final = 20_000
_RATE_WINDOW_S: Final = 2.0
_SHARE_OF_RATE: Final = 0.85
_AHEAD_S: Final = 0.35
_AHEAD_BYTES: Final = 24_000


class Verdict(Enum):
    """What to do now."""

    FLOW = "flow"
    CLEAR = "clear"  # throw away what waits and begin anew with a key frame, once DRAIN is over
    DRAIN = "drain"  # give nothing to the socket until what it has is acknowledged
    ABORT = "abort"  # the connection is dead


class Pace:
    """Rate and verdicts for one connection. ``kbps`` is for all streams together.

    ``handed`` and ``acked`` tell it of frames given to the socket (never of those that merely wait) and of the
    relay's acknowledgements, which count for all frames up to theirs.
    """

    def __init__(self, start_kbps: float, now_s: float, *, floor_kbps: float = FLOOR_KBPS) -> None:
        self.kbps = max(floor_kbps, min(MAX_KBPS, start_kbps))
        self.min_rtt_s: float | None = None
        self.rtt_s: float | None = None
        self.outstanding_bytes = 0
        self._floor_kbps = floor_kbps
        self._outstanding: deque[tuple[int, float, int]] = deque()
        self._acked: deque[tuple[float, int]] = deque()
        self._heard_s = now_s
        self._good_since_s = now_s
        self._drains = False
        self._was_late = False

    @property
    def is_thin(self) -> bool:
        """Too little for any picture: what there is belongs to voice and positions."""
        return self.kbps < THIN_KBPS

    @property
    def has_room(self) -> bool:
        """Whether another frame may be given to the socket: what lies there cannot be thrown away any more."""
        ahead_s = (self.min_rtt_s or 0.0) + _AHEAD_S
        return self.outstanding_bytes < max(_AHEAD_BYTES, self.kbps * 125 * ahead_s)

    def handed(self, seq: int, size: int, now_s: float) -> None:
        """A frame of ``size`` bytes was given to the socket."""
        if not self._outstanding:
            self._heard_s = max(self._heard_s, now_s)
        self._outstanding.append((seq, now_s, size))
        self.outstanding_bytes += size

    def acked(self, seq: int, now_s: float) -> None:
        """The relay has ``seq`` and all before it."""
        while self._outstanding and self._outstanding[0][0] <= seq:
            _, at_s, size = self._outstanding.popleft()
            self.outstanding_bytes -= size
            self._acked.append((now_s, size))
            self.rtt_s = now_s - at_s
            self.min_rtt_s = self.rtt_s if self.min_rtt_s is None else min(self.min_rtt_s, self.rtt_s)
            self._heard_s = now_s
        self._forget(now_s)

    def judge(self, now_s: float, waiting_since_s: float | None = None) -> Verdict:
        """What to do; ``waiting_since_s`` is when the oldest frame was made that was not given to the socket yet."""
        if self._outstanding and now_s - self._heard_s > SILENT_S:
            return Verdict.ABORT
        oldest_s = now_s - self._outstanding[0][1] if self._outstanding else 0.0
        if self._drains:
            drained_s = max(DRAINED_S, 1.5 * (self.min_rtt_s or 0.0))
            if oldest_s > drained_s:
                return Verdict.DRAIN
            self._drains = False
            self._good_since_s = now_s
        late_s = max(oldest_s, 0.0 if waiting_since_s is None else now_s - waiting_since_s)
        if late_s > max(LATE_S, 3 * (self.min_rtt_s or 0.0)):
            self._cut(now_s)
            return Verdict.CLEAR
        self._raise(now_s)
        return Verdict.FLOW

    def cap(self, kbps: float) -> None:
        """No more than this: what cannot be used is not a rate that was tried."""
        self.kbps = max(self._floor_kbps, min(self.kbps, kbps))

    def read_rate_kbps(self, now_s: float) -> float:
        """What got through in the last seconds; 0 when nothing was heard."""
        self._forget(now_s)
        if not self._acked:
            return 0.0
        return sum(size for _, size in self._acked) / 125 / _RATE_WINDOW_S

    def _cut(self, now_s: float) -> None:
        # What got through, but not less than a quarter in one step: a silence says little of the rate behind it.
        rate = self.read_rate_kbps(now_s) * _SHARE_OF_RATE
        share = CUT if rate <= 0 else min(CUT, max(LOWEST_CUT, rate / self.kbps))
        self.kbps = max(self._floor_kbps, self.kbps * share)
        self._drains = bool(self._outstanding)
        self._was_late = True
        self._good_since_s = now_s

    def _raise(self, now_s: float) -> None:
        good_s, factor = (GOOD_S, RAISE) if self._was_late else (FIRST_GOOD_S, FIRST_RAISE)
        if now_s - self._good_since_s >= good_s:
            self.kbps = min(MAX_KBPS, self.kbps * factor)
            self._good_since_s = now_s

    def _forget(self, now_s: float) -> None:
        while self._acked and now_s - self._acked[0][0] > _RATE_WINDOW_S:
            self._acked.popleft()
