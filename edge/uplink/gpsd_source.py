"""Position from gpsd through gpsd-py3, hardened.

The library polls through module globals: it waits for ever on a stopped gpsd, never reconnects, repeats the
last fix after the receiver went silent, and gives 0.0/0.0 without one. Here the socket has a time-out and
every answer a deadline, a broken connection is opened anew with back-off, and a fix counts only while its
own time moves on against the monotonic clock.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import gpsd
import msgspec

from contract.messages import Fix
from edge.reach.backoff import Backoff
from edge.uplink.fixes import build_fix

TIMEOUT_S = 3.0
MAX_LINE_BYTES = 64 * 1024
_READING_ERRORS = (OSError, ValueError, KeyError, IndexError, TypeError, UserWarning)


class Reading(msgspec.Struct, frozen=True):
    """What a source says now: a current fix or None, and its state in at most 64 characters."""

    fix: Fix | None
    status: str


class PositionSource(Protocol):
    """Anything that can say where the kit is."""

    def read(self) -> Reading:
        """The position now; never blocks for more than a few seconds, never raises for a failing receiver."""

    def close(self) -> None:
        """Let go of the receiver."""


class GpsdSource:
    """One gpsd at `host`:`port`; a fix whose own time stands still for `stale_s` is not given out."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        stale_s: float = 10.0,
        monotonic_s: Callable[[], float] = time.monotonic,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._address = (host, port)
        self._stale_s = stale_s
        self._monotonic_s = monotonic_s
        self._timeout_s = timeout_s
        self._stream: _PollStream | None = None
        self._retry_at_s = -1.0
        self._backoff = Backoff(first_s=1.0, cap_s=30.0)
        self._fix_time = ""
        self._moved_at_s: float | None = None
        self._failure = "gpsd not asked yet"

    def read(self) -> Reading:
        """Poll gpsd once; see PositionSource."""
        if self._stream is None and not self._connect():
            return Reading(None, self._failure)
        try:
            # The library keeps its connection in module globals: this process has this one source.
            gpsd.gpsd_stream = self._stream
            answer = gpsd.get_current()
        except _READING_ERRORS as error:
            return Reading(None, self._note_failure(error))
        return self._judge(answer)

    def close(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        gpsd.gpsd_stream = None

    def _connect(self) -> bool:
        if self._monotonic_s() < self._retry_at_s:
            return False
        try:
            self._stream = _PollStream(socket.create_connection(self._address, self._timeout_s), self._timeout_s)
            self._stream.greet()
        except _READING_ERRORS as error:
            self._lose_connection(f"gpsd unreachable ({_name_error(error)})")
            return False
        self._moved_at_s, self._fix_time = None, ""
        return True

    def _note_failure(self, error: Exception) -> str:
        if isinstance(error, UserWarning | IndexError):
            # gpsd answers, but no receiver has reported yet.
            return "no receiver"
        self._lose_connection(f"gpsd silent ({_name_error(error)})")
        return self._failure

    def _lose_connection(self, failure: str) -> None:
        self.close()
        self._failure = failure[:64]
        self._retry_at_s = self._monotonic_s() + self._backoff.next_s()

    def _judge(self, answer: "gpsd.GpsResponse") -> Reading:
        self._backoff.reset()
        now = self._monotonic_s()
        if answer.mode < 2 or not answer.time:
            return Reading(None, "no fix")
        first = self._fix_time == ""
        if answer.time != self._fix_time:
            # What gpsd knew before we came may be old: only a second, later time proves that it lives.
            self._moved_at_s = None if first else now
            self._fix_time = answer.time
        if self._moved_at_s is None:
            return Reading(None, "waiting for a second fix")
        if now - self._moved_at_s > self._stale_s:
            return Reading(None, "stale")
        fix = _build(answer)
        return Reading(fix, f"{answer.mode}D fix" if fix else "no position in the fix")


class _PollStream:
    """What gpsd-py3 takes for its stream: write, flush, and a readline that keeps to a deadline."""

    def __init__(self, connection: socket.socket, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._buffer = b""

    def greet(self) -> None:
        """Take the welcome and switch the receiver on; raises ValueError when it is no gpsd."""
        if json.loads(self._read_line(time.monotonic() + self._timeout_s)).get("class") != "VERSION":
            raise ValueError("not a gpsd")
        self.write('?WATCH={"enable":true}\n')

    def write(self, text: str) -> None:
        """Send at once."""
        self._connection.settimeout(self._timeout_s)
        self._connection.sendall(text.encode())

    def flush(self) -> None:
        """Nothing is held back."""

    def readline(self) -> str:
        """The next POLL answer; notices of devices coming and going are passed over."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            line = self._read_line(deadline)
            if json.loads(line).get("class") == "POLL":
                return line

    def _read_line(self, deadline: float) -> str:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer")
            if len(self._buffer) > MAX_LINE_BYTES:
                raise ValueError("endless line")
            self._connection.settimeout(left)
            data = self._connection.recv(16_384)
            if not data:
                raise ConnectionError("closed")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace")

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._connection.close()


def _build(answer: "gpsd.GpsResponse") -> Fix | None:
    error = max(answer.error.get("x", 0), answer.error.get("y", 0))
    return build_fix(
        lat=answer.lat,
        lon=answer.lon,
        fix_ms=_read_time_ms(answer.time),
        mode=3 if answer.mode >= 3 else 2,
        alt_m=answer.alt if answer.mode >= 3 else None,
        speed_mps=answer.hspeed,
        course_deg=answer.track,
        accuracy_m=error or None,  # the library says 0 for "unknown"
        source="gpsd",
    )


def _read_time_ms(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000)


def _name_error(error: Exception) -> str:
    return str(error) or type(error).__name__
