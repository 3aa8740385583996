"""One foreign camera's picture as frames of ours, by FFmpeg (PyAV). Blocks: runs in a thread of its own.

H.264 without B-frames is passed on as it comes, with its parameter sets before each key frame; anything else is
decoded and encoded anew. The time of capture is when a picture arrived: cameras' own clocks are nobody's.
"""

from __future__ import annotations

import fractions
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from central.relay.outlets.rtp import find_parameters, split_units
from contract import live

OPEN_S: Final = 8.0
READ_S: Final = 5.0
"""A camera that sends nothing for so long has stalled."""
MAX_WIDTH, MAX_HEIGHT = 1280, 720
"""Of a picture that is encoded anew."""
KBPS: Final = 2000
_WHITELIST: Final = "tcp,udp,rtp,rtsp,rtsps,tls"
_BASELINE_TO_HIGH: Final = frozenset({66, 77, 88, 100})
_START: Final = b"\x00\x00\x00\x01"


class CameraError(Exception):
    """A camera gives no picture; `state` is one of `command.foreign_rules.CAMERA_STATES`."""

    def __init__(self, state: str, text: str) -> None:
        super().__init__(text)
        self.state = state


@dataclass(frozen=True)
class Picture:
    """One access unit in Annex B form."""

    data: bytes
    is_key: bool


class CameraPicture:
    """An open camera. Make it with `open_camera`; iterate `pictures` until it raises or `is_wanted` says no."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self._encoder: VideoCodecContext | None = None
        self.init: live.Init | None = None
        """How the pictures are to be decoded; known from the first key frame on."""

    @property
    def summary(self) -> str:
        """Codec, size and rate, for the list of cameras."""
        context, rate = self._stream.codec_context, self._stream.average_rate
        return f"{context.name} {context.width}x{context.height} {float(rate or 0):.3g}"

    @property
    def is_passed_on(self) -> bool:
        """Whether the camera's own bytes are passed on."""
        context = self._stream.codec_context
        data = bytes(context.extradata or b"")
        found = find_parameters(split_units(data))
        is_usual = found is None or found[0][1] in _BASELINE_TO_HIGH
        return context.name == "h264" and not context.has_b_frames and is_usual

    def close(self) -> None:
        """Let the camera go."""
        self._container.close()

    def pictures(self, is_wanted: Callable[[], bool]) -> Iterator[Picture]:
        """Access units from a key frame on; raises CameraError when the camera stalls or ends."""
        made = self._passed_on() if self.is_passed_on else self._encoded()
        began = False
        try:
            for picture in made:
                if not is_wanted():
                    return
                if picture.is_key:
                    self._describe(picture)
                began = began or (picture.is_key and self.init is not None)
                if began:
                    yield picture
        except (av.error.FFmpegError, OSError) as error:
            raise CameraError("stalled", f"the picture broke off ({error})") from error
        raise CameraError("stalled", "the camera ended the picture")

    def _passed_on(self) -> Iterator[Picture]:
        to_annexb = BitStreamFilterContext("h264_mp4toannexb", self._stream)
        kept = bytes(self._stream.codec_context.extradata or b"")
        sets = kept if kept.startswith((b"\x00\x00\x01", _START)) else b""
        for packet in self._container.demux(self._stream):
            for filtered in to_annexb.filter(packet):
                data = bytes(filtered)
                if not data:
                    continue
                is_key = bool(filtered.is_keyframe)
                if is_key and find_parameters(split_units(data)) is None:
                    data = sets + data
                yield Picture(data, is_key)

    def _encoded(self) -> Iterator[Picture]:
        for frame in self._container.decode(self._stream):
            if self._encoder is None:
                self._encoder = _make_encoder(frame.width, frame.height, self._stream.average_rate)
            encoder = self._encoder
            small = frame.reformat(width=encoder.width, height=encoder.height, format="yuv420p")
            small.pts = frame.pts
            small.time_base = frame.time_base
            small.pict_type = 0
            for packet in encoder.encode(small):
                yield Picture(bytes(packet), bool(packet.is_keyframe))

    def _describe(self, picture: Picture) -> None:
        found = find_parameters(split_units(picture.data))
        if found is None:
            return
        context = self._encoder or self._stream.codec_context
        profile = found[0][1:4].hex().upper()
        rate = min(240.0, float(self._stream.average_rate or 0))
        self.init = live.Init(f"avc1.{profile}", context.width, context.height, rate)


def open_camera(address: str) -> CameraPicture:
    """Open a camera; raises CameraError."""
    options = {
        "rtsp_transport": "tcp",
        "protocol_whitelist": _WHITELIST,
        "fflags": "nobuffer",
    }
    try:
        container = av.open(address, options=options, timeout=(OPEN_S, READ_S))
    except (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, PermissionError) as error:
        raise CameraError("unauthorised", "the camera wants another user or password") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise CameraError("unreachable", f"the camera does not answer ({type(error).__name__})") from error
    if not container.streams.video or not container.streams.video[0].codec_context.width:
        container.close()
        raise CameraError("no_picture", "the address gives no picture")
    return CameraPicture(container, container.streams.video[0])


def _make_encoder(width: int, height: int, rate: fractions.Fraction | None) -> VideoCodecContext:
    scale = min(1.0, MAX_WIDTH / width, MAX_HEIGHT / height)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = int(width * scale) // 2 * 2, int(height * scale) // 2 * 2
    encoder.pix_fmt, encoder.bit_rate = "yuv420p", KBPS * 1000
    encoder.framerate = rate or fractions.Fraction(25)
    encoder.time_base = fractions.Fraction(1, 90_000)
    encoder.thread_count = 1
    encoder.gop_size = max(1, round(2 * float(encoder.framerate)))
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
    return encoder


def now_us() -> int:
    """The moment a picture arrived, µs since 1970 UTC."""
    return time.time_ns() // 1000
