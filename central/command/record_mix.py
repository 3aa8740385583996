"""Voices of a session's record laid over each other at their time; clocks of sources bound to the centre's."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any, Final

from contract.live import SOUND_RATE, Frame
from contract.session_record import Item

# A source's clock that strays further than this from the centre's was set; it is bound to the centre's anew.
_STRAY_US: Final = 2_000_000


@dataclass
class Timeline:
    """Binds the clock of one source to the centre's: µs of the clip for a frame."""

    offset_us: int | None = None

    def place(self, item: Item, frame: Frame) -> int:
        """When the frame was, µs since 1970 by the centre's clock."""
        placed = frame.time_us + (self.offset_us or 0)
        if self.offset_us is None or abs(placed - item.at_us) > _STRAY_US:
            self.offset_us = item.at_us - frame.time_us
            return item.at_us
        return placed


@dataclass
class _Talker:
    decoder: Any
    resampler: Any
    time: Timeline = field(default_factory=Timeline)
    next_at: int = 0


class Mixer:
    """Voices laid over each other, 16 bit mono; what is older than a moment is given out."""

    def __init__(self, begin_us: int) -> None:
        self._begin_us = begin_us
        self._talkers: dict[str, _Talker] = {}
        self._samples: array[int] = array("h")
        self._given = 0

    def take(self, item: Item, frame: Frame) -> None:
        """Decode a packet and lay it where it belongs."""
        import av

        talker = self._talkers.get(item.name)
        if talker is None:
            talker = _Talker(av.CodecContext.create("libopus", "r"), av.AudioResampler("s16", "mono", SOUND_RATE))
            self._talkers[item.name] = talker
        at = (talker.time.place(item, frame) - self._begin_us) * SOUND_RATE // 1_000_000
        # Packets of one run follow each other without seams; only a pause moves a talker on.
        at = talker.next_at if abs(at - talker.next_at) < SOUND_RATE // 10 else at
        try:
            pieces = [one for made in talker.decoder.decode(av.Packet(bytes(frame.payload))) for one in
                      talker.resampler.resample(made)]  # fmt: skip
        except av.FFmpegError:
            return  # what somebody sent as sound and is none
        for piece in pieces:
            samples = array("h", bytes(piece.planes[0])[: piece.samples * 2])
            self._lay(at, samples)
            at += len(samples)
        talker.next_at = at

    def give(self, until_us: int) -> array[int]:
        """The mixed samples up to a moment, silence where nobody spoke."""
        until = max(0, (until_us - self._begin_us) * SOUND_RATE // 1_000_000 - self._given)
        self._reserve(until)
        part = self._samples[:until]
        del self._samples[:until]
        self._given += len(part)
        return part

    def _lay(self, at: int, samples: array[int]) -> None:
        first = at - self._given
        if first < 0:
            samples, first = samples[-first:], 0
        self._reserve(first + len(samples))
        there = self._samples[first : first + len(samples)]
        if there.count(0) != len(there):
            mixed = (max(-32768, min(32767, one + other)) for one, other in zip(there, samples, strict=True))
            samples = array("h", mixed)
        self._samples[first : first + len(samples)] = samples

    def _reserve(self, size: int) -> None:
        missing = size - len(self._samples)
        if missing > 0:
            self._samples.extend(array("h", bytes(2 * missing)))
