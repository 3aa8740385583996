"""Encoders that the sources share: H.264 for a camera that cannot encode, AAC for sound that is not AAC."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from edge.recorder.sources import AudioFormat, AudioPacket, EncodedFrame

MICROSECOND: Final = Fraction(1, 1_000_000)
KEY_INTERVAL_US: Final = 1_000_000
# Never reached: key frames are asked for by time, so that a camera with a wandering rate still has one a second.
_GOP_FRAMES: Final = 1000
_AAC_LC: Final = "mp4a.40.2"
# An mp4 whose header is complete before its first sample: all that is wanted of it.
_INIT_ONLY: Final = {"movflags": "empty_moov+default_base_moof+frag_keyframe"}
# Sound that strays further than this from its own clock is set anew: a looped file, a device that lost pieces.
_RESYNC_US: Final = 100_000


class PictureEncoder:
    """x264 for a small computer: no look-ahead, one thread, a key frame (IDR, with SPS and PPS) every second."""

    def __init__(self, width: int, height: int, fps: float, bitrate_bps: int, preset: str = "ultrafast") -> None:
        context = av.CodecContext.create("libx264", "w")
        if not isinstance(context, VideoCodecContext):
            raise TypeError("libx264 is not a picture encoder.")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = MICROSECOND
        context.framerate = Fraction(fps).limit_denominator(1001)
        context.gop_size, context.max_b_frames, context.thread_count = _GOP_FRAMES, 0, 1
        context.bit_rate = bitrate_bps
        context.options = {
            "preset": preset,
            "tune": "zerolatency",
            "threads": "1",
            "forced-idr": "1",
            "maxrate": str(bitrate_bps),
            "bufsize": str(bitrate_bps),
        }
        self._context = context
        # Half a frame early is on time: stamps of real cameras wander.
        self._key_interval_us = KEY_INTERVAL_US - round(500_000 / fps)
        self._next_key_us: int | None = None

    def encode(self, frame: VideoFrame, pts_us: int) -> list[EncodedFrame]:
        """Encode one yuv420p picture; with zero latency its own frame comes back at once."""
        frame.pts, frame.time_base = pts_us, MICROSECOND
        due = self._next_key_us is None or pts_us >= self._next_key_us
        frame.pict_type = PictureType.I if due else PictureType.NONE
        if due:
            self._next_key_us = pts_us + self._key_interval_us
        return [
            EncodedFrame(bytes(packet), packet.is_keyframe, packet.pts if packet.pts is not None else pts_us)
            for packet in self._context.encode(frame)
        ]


class SoundEncoder:
    """Any decoded sound to AAC-LC, mono, 48 kHz."""

    SAMPLE_RATE: Final = 48_000

    def __init__(self, bitrate_bps: int = 64_000) -> None:
        self._container, self._context, self.format = _open_aac(self.SAMPLE_RATE, "mono", bitrate_bps)
        self._resampler = AudioResampler(format="fltp", layout="mono", rate=self.SAMPLE_RATE, frame_size=1024)
        self._samples = 0
        self._origin_us: int | None = None

    def encode(self, frame: AudioFrame, pts_us: int) -> list[AudioPacket]:
        """Encode one decoded piece of sound whose first sample belongs to ``pts_us``."""
        expected_us = (self._origin_us or 0) + self._to_us(self._samples)
        if self._origin_us is None or abs(pts_us - expected_us) > _RESYNC_US:
            self._origin_us = pts_us - self._to_us(self._samples)
        frame.pts = None
        packets: list[AudioPacket] = []
        for piece in self._resampler.resample(frame):
            piece.pts, piece.time_base = self._samples, Fraction(1, self.SAMPLE_RATE)
            self._samples += piece.samples
            for packet in self._context.encode(piece):
                packets.append(self._timed(bytes(packet), packet.pts or 0, packet.duration or 1024))
        return packets

    def close(self) -> None:
        """Let go of the encoder."""
        self._container.close()

    def _timed(self, data: bytes, pts: int, samples: int) -> AudioPacket:
        return AudioPacket(data, (self._origin_us or 0) + self._to_us(pts), self._to_us(samples))

    def _to_us(self, samples: int) -> int:
        return round(samples * 1_000_000 / self.SAMPLE_RATE)


def describe_aac(sample_rate: int, layout: str) -> AudioFormat:
    """Format of the packets that libav's own AAC encoder will give at this rate and layout."""
    container, _, described = _open_aac(sample_rate, layout, 64_000)
    container.close()
    return described


def snapshot_audio(stream: AudioStream) -> AudioFormat | None:
    """Format of an AAC stream that can be passed on as it is; None when it carries no configuration."""
    extradata = stream.codec_context.extradata
    if stream.codec_context.name not in {"aac", "aac_fixed"} or not extradata:
        return None
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4", options=dict(_INIT_ONLY)) as container:
        container.add_stream_from_template(stream)
        container.start_encoding()
    object_type = extradata[0] >> 3  # AudioSpecificConfig, ISO 14496-3 section 1.6.2.1
    return AudioFormat(sink.getvalue(), f"mp4a.40.{object_type}", stream.codec_context.sample_rate)


def _open_aac(
    sample_rate: int, layout: str, bitrate_bps: int
) -> tuple[OutputContainer, AudioCodecContext, AudioFormat]:
    sink = io.BytesIO()
    container = av.open(sink, "w", format="mp4", options=dict(_INIT_ONLY))
    context = container.add_stream("aac", rate=sample_rate, layout=layout).codec_context
    if not isinstance(context, AudioCodecContext):
        raise TypeError("aac is not a sound encoder.")
    context.bit_rate = bitrate_bps
    container.start_encoding()
    return container, context, AudioFormat(sink.getvalue(), _AAC_LC, sample_rate)
