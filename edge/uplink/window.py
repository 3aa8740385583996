"""How much may be on its way at once, so that what is pressed now waits behind a second of it at most. Pure."""

LEAST_BYTES = 4_096
FIRST_BYTES = 8_192
MOST_BYTES = 131_072
TARGET_S = 0.8


class ByteWindow:
    """Adapts to the link: what it carried away since the last look says how much a second's worth is.

    Call `room` at every turn with what is still unacknowledged, `sent` with every byte handed over.
    """

    def __init__(self) -> None:
        self.allowed = FIRST_BYTES
        self._looked_s: float | None = None
        self._expected = 0

    def reset(self) -> None:
        """A new connection: nothing is known of it."""
        self.allowed, self._looked_s, self._expected = FIRST_BYTES, None, 0

    def room(self, unacknowledged: int, now_s: float) -> int:
        """Bytes that may be handed over now."""
        if self._looked_s is None:
            self._looked_s = now_s
        elapsed_s = now_s - self._looked_s
        if self._expected and elapsed_s >= TARGET_S / 4:
            self._learn(unacknowledged, elapsed_s)
            self._looked_s, self._expected = now_s, unacknowledged
        return max(0, self.allowed - unacknowledged)

    def sent(self, count: int) -> None:
        """Note bytes handed over."""
        self._expected += count

    def _learn(self, unacknowledged: int, elapsed_s: float) -> None:
        carried = self._expected - unacknowledged
        if unacknowledged == 0 and self._expected >= self.allowed / 2:
            self.allowed = min(MOST_BYTES, self.allowed * 2)  # it could have carried more
        elif unacknowledged > 0 and carried >= 0:
            rate = carried / elapsed_s
            self.allowed = int(min(self.allowed, max(LEAST_BYTES, rate * TARGET_S)))
