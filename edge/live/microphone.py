"""The officer's voice: the recorder's sound, made anew as Opus packets of 20 ms, only while he may be heard.

In a thread of its own. While it is closed nothing is decoded, nothing is kept and nothing leaves.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

from contract.live import SOUND_FRAME_US, Frame, Type
from edge.live.mixer import measure_peak, scale
from edge.live.opus import Encoder, SoundError, Unpacker

log = logging.getLogger("zhixing.live")

# Below this (-52 dB) it is the hiss of a room; after a fifth of a second of it one packet each 0.4 s tells that the
# line is alive.
SILENT_PEAK: Final = 80
HANGOVER_BLOCKS: Final = 10
SPARSE_BLOCKS: Final = 20
# While the speaker is heard beside it the microphone is turned down, for a kit has no echo canceller.
DUCKED: Final = 0.06
_MAX_WAITING: Final = 50
# Stamps that stray further than this from the sound's own clock begin it anew: a microphone that lost a piece.
_ASTRAY_US: Final = 100_000

OnPacket = Callable[[bytes, int, bool], None]


class Gate:
    """Lets sound pass, and of silence one block in ``SPARSE_BLOCKS``. Pure."""

    def __init__(self) -> None:
        self._quiet = 0

    def passes(self, peak: int) -> bool:
        """Whether a block with this peak is to be sent."""
        if peak >= SILENT_PEAK:
            self._quiet = 0
            return True
        self._quiet += 1
        return self._quiet <= HANGOVER_BLOCKS or self._quiet % SPARSE_BLOCKS == 0


class Microphone:
    """``feed`` frames of the recorder's sound; ``on_packet(packet, time_us, is_pressed)`` gets packets in its thread.

    ``is_ducked()`` says whether the speaker beside it is heard just now.
    """

    def __init__(self, on_packet: OnPacket, is_ducked: Callable[[], bool] = lambda: False) -> None:
        self._on_packet, self._is_ducked = on_packet, is_ducked
        self._frames: queue.Queue[tuple[Frame, bool] | None] = queue.Queue(_MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)
        self._unpacker: Unpacker | None = None
        self._encoder: Encoder | None = None
        self._gate = Gate()
        self._next_us: int | None = None
        self.dropped = 0
        self._thread.start()

    def feed(self, frame: Frame, *, is_pressed: bool = False) -> None:
        """A frame of the sound stream of the tap, and whether the officer's key is down as it comes; never waits."""
        try:
            self._frames.put_nowait((frame, is_pressed))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """End its thread; packets after this are not given out."""
        self._on_packet = lambda _packet, _time_us, _is_pressed: None
        while True:
            try:
                self._frames.put_nowait(None)
                break
            except queue.Full:
                self._frames.get_nowait()
        self._thread.join(2.0)

    def _run(self) -> None:
        while (waiting := self._frames.get()) is not None:
            try:
                self._take(*waiting)
            except SoundError as error:
                log.warning("live: %s", error)

    def _take(self, frame: Frame, is_pressed: bool) -> None:
        if frame.type is not Type.AUDIO:
            return
        if frame.is_key:
            self._unpacker, self._encoder = Unpacker(bytes(frame.payload)), Encoder()
            return
        if self._unpacker is None or self._encoder is None:
            return
        for place, block in enumerate(self._unpacker.unpack(bytes(frame.payload))):
            time_us = self._stamp(frame.time_us + place * SOUND_FRAME_US)
            sound = scale(block, DUCKED) if self._is_ducked() else block
            packet = self._encoder.encode(sound)
            if packet and self._gate.passes(measure_peak(sound)):
                self._on_packet(packet, time_us, is_pressed)

    def _stamp(self, handed_us: int) -> int:
        # By the sound's own clock: blocks come when a packet of the recorder is whole, and were said in a row. Who
        # listens tells silence that was left out from lateness by it.
        if self._next_us is None or abs(handed_us - self._next_us) > _ASTRAY_US:
            self._next_us = handed_us
        time_us, self._next_us = self._next_us, self._next_us + SOUND_FRAME_US
        return time_us
