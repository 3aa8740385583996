"""Several voices become one, no louder than a speaker can play. Pure: blocks of 20 ms, mono, 16 bits, 48 kHz."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

from contract.live import SOUND_FRAME_US, SOUND_RATE

SAMPLES: Final = SOUND_RATE * SOUND_FRAME_US // 1_000_000
"""Of one block."""
SILENCE: Final = bytes(2 * SAMPLES)
FULL: Final = 32_767
_RELEASE: Final = 1.02
"""Each block the gain rises by this much until it is whole again: a second after the loudest word."""


class Mixer:
    """Sums blocks; where the sum would clip, all of it is turned down, and comes back slowly."""

    def __init__(self) -> None:
        self._gain = 1.0

    def mix(self, blocks: Sequence[bytes]) -> bytes:
        """One block out of any number of them; a lone voice passes as it is."""
        if not blocks:
            self._gain = min(1.0, self._gain * _RELEASE)
            return SILENCE
        if len(blocks) == 1 and self._gain == 1.0:
            return blocks[0]
        voices = [array("h", block) for block in blocks]
        total = [sum(samples) for samples in zip(*voices, strict=True)] if len(voices) > 1 else list(voices[0])
        peak = max(abs(max(total)), abs(min(total)))
        before, wanted = self._gain, min(1.0, self._gain * _RELEASE, FULL / peak if peak else 1.0)
        self._gain = wanted
        if before == wanted == 1.0:
            return array("h", total).tobytes()
        # Down at once (a clipped sample cannot be mended), up along the block so that no step is heard.
        start = min(before, wanted)
        step = (wanted - start) / len(total)
        return array("h", [int(value * (start + step * place)) for place, value in enumerate(total)]).tobytes()


def scale(block: bytes, gain: float) -> bytes:
    """The block made quieter; ``gain`` 0 to 1."""
    if gain >= 1:
        return block
    return array("h", [int(value * gain) for value in array("h", block)]).tobytes()


def measure_peak(block: bytes) -> int:
    """The loudest sample, 0 to 32768."""
    samples = array("h", block)
    return max(abs(max(samples)), abs(min(samples))) if samples else 0


def fade_out(block: bytes) -> bytes:
    """The block dying away: silence that begins at once is heard as a click. Nothing stays nothing."""
    samples = array("h", block)
    count = len(samples)
    return array("h", [value * (count - place) // count for place, value in enumerate(samples)]).tobytes()
