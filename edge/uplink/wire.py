"""One TLS connection to the door on which several requests may be on their way, paced to the link."""

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from edge.reach.tcp import unacknowledged_bytes
from edge.uplink.http_answers import AnswerReader, MalformedAnswerError, RawAnswer
from edge.uplink.pace import Pace, Speed

# A first packet that is lost is sent again after one second and then ever later: better begin anew.
CONNECT_TIMEOUT_S = 3.0
# Nothing acknowledged for so long: the path is dead. The kernel would wait ever longer before it tried again.
STALL_S = 6.0
# Where packets are lost by the third, silence of several seconds is only bad luck, and a new handshake worse.
LOSSY_STALL_S = 15.0
LOSSY_SHARE = 0.1
_LOOK_S = 0.03
_TCP_INFO_BYTES = 192


class StoppedError(RuntimeError):
    """Sending was stopped because something else is more urgent; the connection is of no more use."""


class Wire:
    """Opened on creation. Not shared between threads. Methods raise OSError (TimeoutError, ssl.SSLError, ...)."""

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        *,
        timeout_s: float,
        speed: Speed,
        max_answer_bytes: int,
    ) -> None:
        raw = socket.create_connection((host, port), timeout=min(timeout_s, CONNECT_TIMEOUT_S))
        try:
            _prepare(raw, timeout_s)
            _choose_congestion_control(raw, is_lossy=speed.is_lossy)
            self._socket = context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise
        self._timeout_s = timeout_s
        self._pace = Pace(speed)
        self._speed = speed
        self._answers = AnswerReader(max_answer_bytes)
        self._progress = (time.monotonic(), 0)  # when, and how much was acknowledged then
        self._sending = 0
        self.answered = 0
        # A body was answered before its end: what were sent next would be taken for the rest of it.
        self.is_spent = False

    def close(self) -> None:
        """Close the connection at once; what is still on its way is given up and not sent again in the next light."""
        with contextlib.suppress(OSError):
            if unacknowledged_bytes(self._socket):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    @property
    def outstanding(self) -> int:
        """Requests whose answer was not taken yet."""
        return self._answers.outstanding

    def is_open(self) -> bool:
        """Whether the other side has not closed it, as far as is known here."""
        with contextlib.suppress(OSError, MalformedAnswerError):
            self._look()
            return not self._answers.is_ended
        return False

    @property
    def asked(self) -> int:
        """The number of the newest request; the answer that makes `answered` as many is its own."""
        return self._sending

    def send_head(self, method: str, head: bytes) -> None:
        """Send a request's line, headers and small body; its answer is due after those before it."""
        self._sending = self._answers.expect(method)
        self._progress = (time.monotonic(), self._read_counts().acked)
        self._socket.sendall(head)

    def send_file(self, file: BinaryIO, *, should_stop: Callable[[], bool]) -> None:
        """Send the rest of ``file`` as the body, no faster than the link takes it.

        Ends early when the request is answered before its end; the connection is then spent. ``should_stop`` is
        asked while there is no room; raises StoppedError when it says so.
        """
        self._pace.begin()
        while block := self._wait_for_room(file, should_stop):
            self._socket.sendall(block)
        self.is_spent = bool(file.read(1))
        # What is left in the kernel for want of a full packet goes now.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)

    def receive(self) -> RawAnswer:
        """Wait for the oldest answer. Raises TimeoutError, ConnectionError when the connection ended instead."""
        waits_since = time.monotonic()
        while True:
            answer = self._answers.take()
            if answer is not None:
                self.answered += 1
                ends = self.is_spent and not self.outstanding
                return msgspec.structs.replace(answer, closes=True) if ends else answer
            if self._answers.is_ended:
                raise ConnectionResetError("the connection was closed")
            counts = self._note_counts()
            if not counts.outstanding:
                self._pace.rest()
                self._check_patience(max(waits_since, self._progress[0]), self._timeout_s)
            if not self._look():
                select.select([self._socket], [], [], 0.1)

    def _wait_for_room(self, file: BinaryIO, should_stop: Callable[[], bool]) -> bytes:
        while True:
            self._look()
            if self._answers.is_answered(self._sending):
                return b""  # answered already: whatever else would follow is not wanted
            if self._answers.is_ended:
                raise ConnectionResetError("the connection was closed")
            counts = self._note_counts()
            if room := self._pace.room(counts.outstanding):
                return file.read(room)
            if should_stop():
                raise StoppedError
            select.select([self._socket], [], [], _LOOK_S)

    def _look(self) -> bool:
        """Take in what has come, without waiting; False when nothing had."""
        self._socket.settimeout(0)
        try:
            data = self._socket.recv(64 * 1024)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return False
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            data = b""
        finally:
            self._socket.settimeout(self._timeout_s)
        self._answers.feed(data)
        return True

    def _note_counts(self) -> "_Counts":
        """Read the kernel's counts and judge them; raises TimeoutError when the path is dead."""
        now_s, counts = time.monotonic(), self._read_counts()
        self._pace.note(
            now_s,
            acked=counts.acked,
            outstanding=counts.outstanding,
            least_round_s=counts.least_round_s,
            is_lossy=counts.is_lossy,
        )
        if counts.is_clean:
            self._speed.is_lossy = False  # the next connection begins accordingly
        elif counts.is_lossy and not self._speed.is_lossy:
            self._speed.is_lossy = True
            _choose_congestion_control(self._socket, is_lossy=True)
        if counts.acked != self._progress[1]:
            self._progress = (now_s, counts.acked)
        if counts.outstanding:
            stall_s = LOSSY_STALL_S if counts.is_lossy else STALL_S
            self._check_patience(self._progress[0], min(stall_s, self._timeout_s))
        return counts

    def _check_patience(self, since_s: float, limit_s: float) -> None:
        if time.monotonic() - since_s > limit_s:
            raise TimeoutError

    def _read_counts(self) -> "_Counts":
        handle = self._socket.fileno()
        (outstanding,) = struct.unpack("i", fcntl.ioctl(handle, termios.TIOCOUTQ, b"\0\0\0\0"))
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        return _Counts.read(info, outstanding)


class _Counts(msgspec.Struct, frozen=True):
    """What the kernel knows of the connection (struct tcp_info of <linux/tcp.h>)."""

    outstanding: int
    acked: int
    least_round_s: float
    is_lossy: bool
    is_clean: bool = False

    @classmethod
    def read(cls, info: bytes, outstanding: int) -> "_Counts":
        """From the bytes of TCP_INFO; a kernel older than 4.6 says less, and then nothing is known."""
        if len(info) < 152:
            return cls(outstanding, 0, 0.0, is_lossy=False)
        (repeated,) = struct.unpack_from("I", info, 100)
        (acked,) = struct.unpack_from("Q", info, 120)
        (sent,) = struct.unpack_from("I", info, 136)
        (least_us,) = struct.unpack_from("I", info, 148)
        least_s = 0.0 if least_us == 0xFFFF_FFFF else least_us / 1e6
        is_lossy = sent > 30 and repeated > LOSSY_SHARE * sent
        is_clean = sent > 200 and repeated < LOSSY_SHARE / 5 * sent
        return cls(outstanding, acked, least_s, is_lossy=is_lossy, is_clean=is_clean)


def _prepare(raw: socket.socket, timeout_s: float) -> None:
    raw.settimeout(timeout_s)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(max(timeout_s, LOSSY_STALL_S) * 1000))


def _choose_congestion_control(connection: socket.socket, *, is_lossy: bool) -> None:
    """BBR, where the kernel has it, does not take every lost packet for a full link.

    But every ten seconds it lets the link run empty to measure the way (PROBE_RTT), which costs two hundredths of it;
    and where no packet is lost, the pace alone keeps the queue short.
    """
    with contextlib.suppress(OSError):
        name = b"bbr" if is_lossy else b"cubic"
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
