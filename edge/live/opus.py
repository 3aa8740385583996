"""Sound of the kit's microphone to Opus (RFC 6716) and back: mono, 48 kHz, packets of 20 ms, through PyAV.

PyAV is loaded when the first sound is handled, for it costs 20 MB. No forward error correction: a WebSocket loses
nothing, it is only late.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

from contract.live import SOUND_RATE
from edge.live.mixer import SAMPLES

BITRATE: Final = 24_000
_OPTIONS: Final = {"application": "voip", "frame_duration": "20", "vbr": "constrained", "compression_level": "5"}


class SoundError(Exception):
    """Sound cannot be coded or decoded; the text says why."""


class Encoder:
    """Blocks of PCM to packets."""

    def __init__(self, bitrate: int = BITRATE) -> None:
        import av

        self._av = av
        context = av.CodecContext.create("libopus", "w")
        context.sample_rate, context.layout, context.format = SOUND_RATE, "mono", "s16"
        context.bit_rate, context.options = bitrate, dict(_OPTIONS)
        context.open()
        self._context: Any = context
        self._pts = 0

    def encode(self, block: bytes) -> bytes:
        """One block of 20 ms as one packet (b"" at the very start, when libopus still looks ahead)."""
        frame = self._av.AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(block)
        frame.sample_rate, frame.pts = SOUND_RATE, self._pts
        self._pts += SAMPLES
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


class Decoder:
    """Packets of one talker to blocks of PCM."""

    def __init__(self) -> None:
        import av

        self._av = av
        self._context: Any = av.CodecContext.create("libopus", "r")
        self._context.sample_rate, self._context.layout = SOUND_RATE, "mono"

    def decode(self, packet: bytes) -> bytes:
        """What one packet holds, 20 ms of it as a rule; raise SoundError for what is no Opus."""
        try:
            frames = self._context.decode(self._av.Packet(packet))
        except self._av.FFmpegError as error:
            raise SoundError(f"A packet of voice cannot be decoded ({error}).") from error
        return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)


class Unpacker:
    """Packets of the recorder's sound track to blocks of 20 ms at 48 kHz, mono."""

    def __init__(self, configuration: bytes) -> None:
        """``configuration``: the tiny fMP4 of `edge.recorder.sources.AudioFormat`. Raises SoundError."""
        import av

        self._av = av
        try:
            with av.open(io.BytesIO(configuration)) as container:
                told = container.streams.audio[0].codec_context
                context = av.CodecContext.create(told.name, "r")
                context.extradata, context.sample_rate = told.extradata, told.sample_rate  # type: ignore[attr-defined]
                context.layout = told.layout.name  # type: ignore[attr-defined]
        except (av.FFmpegError, IndexError, ValueError) as error:
            raise SoundError(f"The sound of the recorder cannot be read ({error}).") from error
        self._context: Any = context
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SOUND_RATE)
        self._rest = bytearray()

    def unpack(self, packet: bytes) -> Iterator[bytes]:
        """Blocks that became whole by this packet; a damaged packet gives none. Raises SoundError never."""
        try:
            frames = self._context.decode(self._av.Packet(packet))
        except self._av.FFmpegError:
            return
        for frame in frames:
            frame.pts = None
            for resampled in self._resampler.resample(frame):
                self._rest += bytes(resampled.planes[0])[: 2 * resampled.samples]
        size = 2 * SAMPLES
        while len(self._rest) >= size:
            block = bytes(self._rest[:size])
            del self._rest[:size]
            yield block
