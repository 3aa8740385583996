"""Voices together: summed, never clipped, back to full strength."""

import itertools
import math
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.live.mixer import FULL, SAMPLES, SILENCE, Mixer, measure_peak, scale


def tone(hz, loudness, start=0):
    return array(
        "h", [int(loudness * math.sin(2 * math.pi * hz * (start + n) / 48_000)) for n in range(SAMPLES)]
    ).tobytes()


def test_a_lone_voice_passes_as_it_is_and_nobody_is_silence():
    block = tone(440, 12_000)
    assert Mixer().mix([block]) == block
    assert Mixer().mix([]) == SILENCE and measure_peak(SILENCE) == 0


def test_two_voices_are_summed():
    low, high = tone(300, 9000), tone(1000, 9000)
    mixed = array("h", Mixer().mix([low, high]))
    assert list(mixed) == [a + b for a, b in zip(array("h", low), array("h", high), strict=True)]


def test_voices_too_loud_together_are_turned_down_and_none_is_cut():
    mixer = Mixer()
    for _ in range(5):
        assert measure_peak(mixer.mix([tone(300, 30_000)] * 3)) <= FULL
    # The shape stays: three times the same is the same again, quieter.
    mixed = array("h", mixer.mix([tone(300, 30_000)] * 3))
    ratio = [m / o for m, o in zip(mixed, array("h", tone(300, 30_000)), strict=True) if abs(o) > 5000]
    assert max(ratio) - min(ratio) < 0.01


def test_afterwards_a_voice_comes_back_to_its_strength_without_a_step():
    mixer, voice = Mixer(), tone(300, 15_000)
    mixer.mix([tone(300, 30_000)] * 4)
    peaks = [measure_peak(mixer.mix([voice])) for _ in range(120)]
    assert peaks[0] < 8000 and peaks[-1] == measure_peak(voice)
    assert max(after - before for before, after in itertools.pairwise(peaks)) < 600


def test_scaled():
    assert measure_peak(scale(tone(300, 16_000), 0.25)) == pytest.approx(4000, rel=0.01)


@settings(max_examples=40)
@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=6), st.integers(1, 4))
def test_no_sum_leaves_the_range(levels, rounds):
    mixer = Mixer()
    for _ in range(rounds):
        mixed = mixer.mix([array("h", [level] * SAMPLES).tobytes() for level in levels])
        assert len(mixed) == 2 * SAMPLES
