"""When a process counts as hung: by its heartbeat file (`edge.spool.heartbeat`) and the manager's own clock."""

from __future__ import annotations

from typing import Final

SILENT_BEATS: Final = 4
START_GRACE_S: Final = 20.0
# A pulse comes from a thread that does nothing else, every quarter of a second: it stops only with the whole process.
PULSE_LIMIT_S: Final = 1.5


class BeatWatch:
    """One process's beats as seen from outside; times are monotonic seconds."""

    def __init__(self, heartbeat_s: float) -> None:
        self._silence_s = SILENT_BEATS * heartbeat_s
        self._turn = self._pulse = b""
        self._turned_s = self._pulsed_s = 0.0

    def begin(self, now_s: float) -> None:
        """The process was started just now."""
        self._turn = self._pulse = b""
        self._turned_s = self._pulsed_s = now_s

    def find_fault(self, beat: bytes, pid: int, now_s: float) -> str:
        """Why the process is to be ended, or "". ``beat``: what stands in its file, maybe from the one before it."""
        own, turn, pulse = (*beat.split(), b"", b"", b"")[:3]
        if own != b"%d" % pid:
            patience_s = max(START_GRACE_S, self._silence_s)
            return "hung: it never gave a sign of life" if now_s - self._turned_s > patience_s else ""
        if turn != self._turn:
            self._turn, self._turned_s = turn, now_s
        if pulse != self._pulse:
            self._pulse, self._pulsed_s = pulse, now_s
        if pulse and now_s - self._pulsed_s > PULSE_LIMIT_S:
            return "hung: the whole process stood still"
        return "hung: its heartbeat stood still" if now_s - self._turned_s > self._silence_s else ""
