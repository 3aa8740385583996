"""Tones for ears of tests: 16 bits, mono, 48 kHz."""

from __future__ import annotations

import cmath
import math
from array import array

from contract.live import SOUND_RATE
from edge.live.mixer import SAMPLES


def tone_block(hz: float, number: int, loudness: int = 12_000) -> bytes:
    """Block ``number`` of 20 ms of an endless tone."""
    start = number * SAMPLES
    samples = [int(loudness * math.sin(2 * math.pi * hz * (start + n) / SOUND_RATE)) for n in range(SAMPLES)]
    return array("h", samples).tobytes()


def measure_tone(sound: bytes, hz: float) -> float:
    """How loud this tone is in the sound, 0 to 32768 (one bin of a Fourier transform)."""
    samples = array("h", sound)
    turn = cmath.exp(-2j * math.pi * hz / SOUND_RATE)
    total, phase = 0j, 1 + 0j
    for value in samples:
        total += value * phase
        phase *= turn
    return 2 * abs(total) / max(1, len(samples))


def find_tone(sound: bytes) -> float:
    """The frequency of a pure tone, by its crossings of zero upwards."""
    samples = array("h", sound)
    ups = [n for n in range(1, len(samples)) if samples[n - 1] < 0 <= samples[n]]
    return SOUND_RATE * (len(ups) - 1) / (ups[-1] - ups[0]) if len(ups) > 2 else 0.0
