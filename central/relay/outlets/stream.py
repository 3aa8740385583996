"""One picture on its way out as RTP inside an RTSP connection: bounded, and never behind for long."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Final

from central.relay.outlets.adapter import Stop
from central.relay.outlets.rtp import Packer, describe, find_parameters, split_units
from central.relay.outlets.rtsp_wire import interleave
from contract import live

MAX_WAITING: Final = 512 * 1024
"""Bytes that may wait for a reader; beyond them pictures are dropped up to the next key frame."""
STUCK_S: Final = 20.0
"""A reader that takes nothing for so long is cut."""
REPORT_EVERY_S: Final = 5.0
_LOG = logging.getLogger(__name__)


class RtpStream:
    """Takes the relay's messages, gives packets to a connection while it plays."""

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        *,
        on_end: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer, self._on_end, self._monotonic = writer, on_end, monotonic
        self._packer = Packer(secrets.randbits(32), secrets.randbits(15), secrets.randbits(31))
        self._stop: Stop | None = None
        self._channel: int | None = None
        self._needs_key = True
        self._slow_since: float | None = None
        self._reported = 0.0
        self._over = False
        self.ready = asyncio.Event()
        """Set when it is known whether and how the picture can be described."""
        self.parameters: tuple[bytes, bytes] | None = None
        self.dropped = 0

    @property
    def is_playing(self) -> bool:
        """Whether packets go out."""
        return self._channel is not None

    def begin(self, stop: Stop) -> None:
        """Keep how the watching ends."""
        self._stop = stop
        if self._over:
            self.stop()

    def stop(self) -> None:
        """Watch no more."""
        self._over, self._channel = True, None
        if self._stop is not None:
            stop, self._stop = self._stop, None
            stop()

    def play(self, channel: int) -> None:
        """Send from the next key frame on."""
        self._channel, self._needs_key = channel, True

    def pause(self) -> None:
        """Send nothing until played again."""
        self._channel = None

    def describe(self, host: str, session: int) -> str:
        """The session description; asked once `parameters` are known."""
        assert self.parameters is not None  # noqa: S101 -- said above
        return describe(*self.parameters, host=host, title="zhixing", session=session)

    def take(self, message: bytes) -> None:
        """One message of the relay."""
        frame = live.unpack(message)
        if frame.type is live.Type.INIT and not live.read_init(frame).codec.startswith("avc1"):
            self.ready.set()
        elif frame.type is live.Type.VIDEO:
            self._take_picture(frame)
        elif frame.type is live.Type.CONTROL and isinstance(live.read_control(frame), live.End):
            self._on_end()

    def _take_picture(self, frame: live.Frame) -> None:
        units = split_units(frame.payload)
        if frame.is_key and (found := find_parameters(units)):
            self.parameters = found
            self.ready.set()
        if self._channel is None or not units or self._is_held_up():
            return
        if self._needs_key and not frame.is_key:
            self.dropped += 1
            return
        self._needs_key = False
        packets = [interleave(self._channel, packet) for packet in self._packer.pack(units, frame.time_us)]
        if self._monotonic() - self._reported > REPORT_EVERY_S:
            self._reported = self._monotonic()
            packets.append(interleave(self._channel + 1, self._packer.report(frame.time_us)))
        self._writer.write(b"".join(packets))

    def _is_held_up(self) -> bool:
        """Whether the reader is behind, so that this picture is dropped; one that stands still is cut."""
        waiting = self._writer.transport.get_write_buffer_size()
        if waiting <= MAX_WAITING:
            self._slow_since = None
            return False
        self._needs_key = True
        self.dropped += 1
        self._slow_since = self._slow_since or self._monotonic()
        if self._monotonic() - self._slow_since > STUCK_S:
            _LOG.info("outlet: a reader took nothing for %.0f s", STUCK_S)
            self._on_end()
        return True
