"""How much of an upload may be on its way at once, so that the link is full and what is urgent still gets through.

A kernel left to itself fills every buffer of a slow link, and a position or an SOS then waits behind minutes of
picture. Here the uploads keep just as much unacknowledged as the link carries in a round trip and a third of a
second more: the link never runs dry, and whoever comes next waits no longer. (The idea of BBR and LEDBAT, RFC 6817,
by a count the application itself can hold.) Pure: bytes and seconds come in.
"""

from collections import deque

import msgspec

QUEUE_S = 0.3
# Eight full packets: with fewer, the loss of one is only found by a time-out.
LEAST_BYTES = 12 * 1024
LEAST_BLOCK_BYTES = 4 * 1024
MOST_BLOCK_BYTES = 64 * 1024
FIRST_BYTES = 24 * 1024
MOST_BYTES = 4 * 1024 * 1024
# Of what is unacknowledged on such a link the greater part is not queued but gone, and waits to be sent again.
LOSSY_FACTOR = 3
MEMORY_S = 3.0
SAMPLE_S = 0.1
# A rate is told when this much went in one go: what a few kilobytes took says nothing of the link.
TOLD_AFTER_S = 1.5
TOLD_AFTER_BYTES = 24 * 1024
TOLD_OVER_S = 10.0


class _Sample(msgspec.Struct, frozen=True):
    at_s: float
    acked: int


class Pace:
    """Judges one connection; `speed` outlives it, so that the next one begins where this one stood."""

    def __init__(self, speed: "Speed") -> None:
        self._speed = speed
        self._samples: deque[_Sample] = deque()
        self._peaks: deque[tuple[float, float]] = deque()  # when, bytes a second
        self._round_s = 0.0
        self._busy: _Sample | None = None
        self._is_lossy = False
        self._rests = True

    def note(
        self, now_s: float, *, acked: int, outstanding: int, least_round_s: float, is_lossy: bool = False
    ) -> None:
        """What the kernel says of the connection: bytes acknowledged in all, bytes not yet, shortest round trip."""
        self._is_lossy = is_lossy
        self._round_s = least_round_s
        self._speed.round_s = least_round_s
        if outstanding == 0 and self._rests:
            return
        if self._samples and now_s - self._samples[-1].at_s < SAMPLE_S:
            return
        sample = _Sample(now_s, acked)
        self._samples.append(sample)
        self._busy = self._busy or sample
        while now_s - self._samples[0].at_s > max(MEMORY_S, 4 * least_round_s):
            self._samples.popleft()
        self._note_peak(sample)
        self._tell(sample)

    def begin(self) -> None:
        """Something is to be sent: from here on the time counts."""
        self._rests = False

    def rest(self) -> None:
        """Nothing is left to be sent; when all is acknowledged, the time counts no more."""
        self._rests = True
        if self._busy is not None and self._samples:
            took_s = self._samples[-1].at_s - self._busy.at_s
            went = self._samples[-1].acked - self._busy.acked
            # So short a time says what the link can do at least, not what it cannot.
            if took_s > 0 and went >= TOLD_AFTER_BYTES and went / took_s > self._speed.bytes_per_s:
                self._speed.tell(went / took_s, self._samples[-1].at_s)
        self._samples.clear()
        self._busy = None

    def room(self, outstanding: int) -> int:
        """How many bytes to send now; 0: wait. What is sent at once never makes the link wait for it."""
        full = self.full_bytes()
        block = max(LEAST_BLOCK_BYTES, min(MOST_BLOCK_BYTES, full // 4))
        return block if outstanding <= full else 0

    def full_bytes(self) -> int:
        """How many unacknowledged bytes the link is surely full with."""
        rate = max((rate for _, rate in self._peaks), default=self._speed.bytes_per_s)
        if not rate:
            return FIRST_BYTES
        full = max(LEAST_BYTES - LEAST_BLOCK_BYTES, rate * (self._round_s + QUEUE_S))
        return round(min(MOST_BYTES, full * (LOSSY_FACTOR if self._is_lossy else 1)))

    def _note_peak(self, now: _Sample) -> None:
        # Over less than a round trip, acknowledgements come in bursts and say too much.
        span_s = max(0.25, 1.5 * self._round_s)
        old = next((old for old in reversed(self._samples) if now.at_s - old.at_s >= span_s), None)
        if old is not None:
            self._peaks.append((now.at_s, (now.acked - old.acked) / (now.at_s - old.at_s)))
        while self._peaks and now.at_s - self._peaks[0][0] > MEMORY_S:
            self._peaks.popleft()

    def _tell(self, now: _Sample) -> None:
        if self._busy is None:
            return
        took_s, went = now.at_s - self._busy.at_s, now.acked - self._busy.acked
        if took_s >= TOLD_AFTER_S and went >= TOLD_AFTER_BYTES:
            self._speed.tell(went / took_s, now.at_s)
        if took_s >= TOLD_OVER_S:
            self._busy = now


class Speed:
    """What the link gave last: bytes a second of the uploads (0: not known yet) and its shortest round trip."""

    def __init__(self) -> None:
        self.bytes_per_s = 0.0
        self.round_s = 0.0
        self.told_s = 0.0
        self.is_lossy = False  # packets are lost there by the tenth and more
        self.count = 0

    def tell(self, bytes_per_s: float, now_s: float) -> None:
        """A measure was taken."""
        self.bytes_per_s = bytes_per_s
        self.told_s = now_s
        self.count += 1
