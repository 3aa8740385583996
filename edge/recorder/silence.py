"""Silence in a given sound format, to stand for the sound of before the press that was never kept.

A track without samples keeps a browser from beginning to play, and one that comes and goes cannot be played one
segment after another; so the track is there and silent, and the opening record says so.
"""

from __future__ import annotations

import io
from typing import Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from edge.recorder.sources import AudioFormat

_AAC_LC: Final = "mp4a.40.2"
_FRAME_SAMPLES: Final = 1024
# The first packets of an encoder are its run-in.
_SETTLED: Final = 3


def make_silence(audio: AudioFormat | None) -> bytes | None:
    """One packet of silence (AAC-LC, 1024 samples); None for no sound or a codec that cannot be written here."""
    if audio is None or audio.codec != _AAC_LC:
        return None
    with av.open(io.BytesIO(audio.init), "r", format="mp4") as template:
        layout = template.streams.audio[0].codec_context.layout.name
    encoder = av.CodecContext.create("aac", "w")
    if not isinstance(encoder, AudioCodecContext):
        raise TypeError("aac is not a sound encoder.")
    encoder.sample_rate, encoder.format, encoder.layout = audio.sample_rate, "fltp", layout
    packets: list[bytes] = []
    while len(packets) < _SETTLED:
        frame = AudioFrame(format="fltp", layout=layout, samples=_FRAME_SAMPLES)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = audio.sample_rate
        frame.pts = None
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets[-1]
