"""Cameras and files that PyAV opens: V4L2 and USB devices, video files, RTSP and other addresses.

H.264 passes through as it is when a segment can be cut from it every few seconds; anything else is encoded anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import av.error
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge.recorder import h264
from edge.recorder.sources import (
    AudioFormat,
    AudioPacket,
    EncodedFrame,
    SourceFailedError,
    SourceOpenError,
    SourceStalledError,
)
from edge.recorder.sources.encoding import PictureEncoder, SoundEncoder, snapshot_audio
from edge.recorder.sources.timeline import Timeline
from edge.recorder.sources.watermark import Lines, Stamp

OPEN_TIMEOUT_S: Final = 10.0
V4L2: Final = "v4l2"
# A segment is what a power cut may cost: streams with rarer key frames are encoded anew.
MAX_GOP_S: Final = 4.0
_SCAN_S: Final = 20.0
_MAX_DAMAGED_IN_A_ROW: Final = 100
_PLAYABLE_FORMATS: Final = {"yuv420p", "yuvj420p"}


class _GopTooLongError(Exception):
    """A live stream proved to have key frames too rarely to pass through."""


class PyavCamera:
    """Reads ``address``; sizes, rate, bitrate and preset count only where the picture must be encoded anew."""

    def __init__(
        self,
        address: str,
        *,
        input_format: str = "",
        width: int = 1280,
        height: int = 720,
        fps: float = 25,
        bitrate_bps: int = 2_000_000,
        preset: str = "ultrafast",
        loop: bool = False,
        realtime: bool = True,
        sound: bool = True,
        stall_s: float = 2.0,
        watermark: Lines | None = None,
        reencode: bool = False,
    ) -> None:
        self.name = f"pyav {Path(address).name if '://' not in address else address.rsplit('@', maxsplit=1)[-1]}"
        self.fps = float(fps)
        self.audio: AudioFormat | None = None
        self.missed = 0
        self.transcoding = False
        self._address = address
        self._input_format = input_format or (V4L2 if address.startswith("/dev/video") else "")
        self._box, self._bitrate_bps, self._preset = (width, height), bitrate_bps, preset
        self._is_file = Path(address).is_file()
        self._loop, self._realtime = loop and self._is_file, realtime and self._is_file
        self._wants_sound, self._stall_s = sound, stall_s
        self._max_fps = float(fps)
        self._container: InputContainer | None = None
        self._pictures: PictureEncoder | None = None
        self._watermark = watermark
        self._stamp: Stamp | None = None
        self._never_passes = reencode and watermark is not None
        self._sounds: SoundEncoder | None = None
        self._timeline = Timeline(self.fps)
        self._stopped = threading.Event()

    @property
    def watermarked(self) -> bool:
        """Whether the pictures bear the watermark: those passed through as they came cannot."""
        return self.transcoding and self._watermark is not None

    def open(self) -> None:
        """Open the address, and decide what passes through and what is encoded anew."""
        container = self._connect()
        video, audio = self._streams(container)
        rate = video.average_rate or video.guessed_rate
        rate_fps = float(rate) if rate and 0 < rate < 1000 else self._max_fps
        self.transcoding = self._never_passes or not self._can_pass(video)
        self.fps = min(rate_fps, self._max_fps) if self.transcoding else rate_fps
        self._timeline = Timeline(rate_fps)
        if audio is not None:
            self.audio = snapshot_audio(audio)
            if self.audio is None:
                self._sounds = SoundEncoder()
                self.audio = self._sounds.format
        self._container = container

    def items(self) -> Iterator[EncodedFrame | AudioPacket]:
        """Frames and sound until the file ends (unless it loops) or the source is closed."""
        started_s = time.monotonic()
        while not self._stopped.is_set():
            container = self._container or self._connect()
            try:
                for item in self._read(container):
                    if self._realtime and not self._wait_until(started_s + item.pts_us / 1e6):
                        return
                    yield item
            except _GopTooLongError:
                self.transcoding = True
            except av.error.ExitError as error:
                raise SourceStalledError(
                    f"{self.name} gave nothing for {self._stall_s:g} s: check its cable, power and network."
                ) from error
            except av.error.FFmpegError as error:
                raise SourceFailedError(f"{self.name} broke off ({error.strerror}): check the device.") from error
            else:
                self._end_pass()
                if not self._loop:
                    return
            finally:
                container.close()
                self._container = None
            self._timeline.begin_pass()

    def close(self) -> None:
        """Stop giving frames; the reading thread closes the device itself."""
        self._stopped.set()

    def _connect(self) -> InputContainer:
        options = {}
        if self._address.startswith("rtsp"):
            options = {"rtsp_transport": "tcp"}
        elif self._input_format == V4L2:
            width, height = self._box
            options = {"video_size": f"{width}x{height}", "framerate": f"{self._max_fps:g}"}
        try:
            return av.open(
                self._address,
                "r",
                format=self._input_format or None,
                options=options,
                timeout=(OPEN_TIMEOUT_S, self._stall_s),
            )
        except (av.error.FFmpegError, OSError) as error:
            raise SourceOpenError(
                f"{self.name} cannot be opened ({error.strerror or error}): check camera.address and that nothing "
                "else uses the device."
            ) from error

    def _streams(self, container: InputContainer) -> tuple[VideoStream, AudioStream | None]:
        if not container.streams.video:
            raise SourceOpenError(f"{self.name} holds no picture: name a video in camera.address.")
        audio = container.streams.audio
        return container.streams.video[0], audio[0] if audio and self._wants_sound else None

    def _can_pass(self, video: VideoStream) -> bool:
        if video.codec_context.name != "h264" or video.codec_context.pix_fmt not in _PLAYABLE_FORMATS:
            return False
        return not self._is_file or self._has_short_gops()

    def _has_short_gops(self) -> bool:
        """Look through the first seconds of a file for key frames that are near enough to each other."""
        with self._connect() as container:
            video = container.streams.video[0]
            to_annex_b = BitStreamFilterContext("h264_mp4toannexb", video)
            last_key_s = first_s = None
            for packet in container.demux(video):
                if packet.dts is None or video.time_base is None:
                    continue
                at_s = float(packet.dts * video.time_base)
                first_s = at_s if first_s is None else first_s
                if any(h264.has_nal(bytes(part), h264.IDR) for part in to_annex_b.filter(packet)):
                    last_key_s = at_s
                if at_s - (first_s if last_key_s is None else last_key_s) > MAX_GOP_S:
                    return False
                if at_s - first_s > _SCAN_S:
                    break
            return last_key_s is not None

    def _read(self, container: InputContainer) -> Iterator[EncodedFrame | AudioPacket]:
        video, audio = self._streams(container)
        self._timeline.use(video.time_base, audio.time_base if audio else None)
        to_annex_b = None if self.transcoding else BitStreamFilterContext("h264_mp4toannexb", video)
        parameter_sets = h264.annex_b_parameter_sets(video.codec_context.extradata or b"")
        damaged = 0
        for packet in container.demux([video, audio] if audio else [video]):
            if self._stopped.is_set():
                return
            try:
                if isinstance(packet.stream, AudioStream):
                    yield from self._take_sound(packet)
                elif to_annex_b is not None:
                    yield from self._pass_on(to_annex_b, packet, parameter_sets)
                else:
                    yield from self._encode_anew(packet)
                damaged = 0
            except av.error.InvalidDataError as error:
                damaged += 1
                if damaged > _MAX_DAMAGED_IN_A_ROW:
                    raise SourceFailedError(
                        f"{self.name} gives only damaged packets: replace the file or camera."
                    ) from error

    def _pass_on(
        self, to_annex_b: BitStreamFilterContext, packet: Packet[Stream], parameter_sets: bytes
    ) -> Iterator[EncodedFrame]:
        if not packet.size:
            return
        for part in to_annex_b.filter(packet):
            data = bytes(part)
            key = h264.has_nal(data, h264.IDR)
            pts_us, dts_us = self._timeline.stamp_picture(part.pts, part.dts, key=key)
            if self._timeline.since_key_us > MAX_GOP_S * 1e6 and not self._is_file:
                raise _GopTooLongError
            if key:
                data = h264.with_parameter_sets(data, parameter_sets)
            yield EncodedFrame(data, key, pts_us, dts_us)

    def _encode_anew(self, packet: Packet[Stream]) -> Iterator[EncodedFrame]:
        for frame in packet.decode():
            if not isinstance(frame, VideoFrame):
                continue
            pts_us, _ = self._timeline.stamp_picture(frame.pts, frame.pts, key=True)
            # A camera faster than asked for gives up the frames in between; half a frame early is on time.
            if not self._timeline.is_due(pts_us, self._max_fps):
                continue
            width, height = _fit(frame.width, frame.height, *self._box)
            if self._pictures is None:
                self._pictures = PictureEncoder(width, height, self.fps, self._bitrate_bps, self._preset)
                self._stamp = Stamp(self._watermark, width, height) if self._watermark else None
            picture = frame.reformat(width=width, height=height, format="yuv420p")
            if self._stamp is not None:
                picture.make_writable()  # it may be the very one that the decoder predicts the next from
                self._stamp.press(memoryview(picture.planes[0]), picture.planes[0].line_size)
            yield from self._pictures.encode(picture, pts_us)

    def _take_sound(self, packet: Packet[Stream]) -> Iterator[AudioPacket]:
        if self._sounds is None:
            if packet.size and packet.pts is not None:
                pts_us = self._timeline.stamp_sound(packet.pts)
                yield AudioPacket(bytes(packet), pts_us, self._timeline.sound_us(packet.duration or 0))
            return
        for frame in packet.decode():
            if isinstance(frame, av.AudioFrame) and frame.pts is not None:
                yield from self._sounds.encode(frame, self._timeline.stamp_sound(frame.pts))

    def _end_pass(self) -> None:
        if not self._is_file and not self._stopped.is_set():
            raise SourceFailedError(f"{self.name} ended by itself: check the camera and its network.")

    def _wait_until(self, due_s: float) -> bool:
        return not self._stopped.wait(max(0.0, due_s - time.monotonic()))


def _fit(width: int, height: int, box_width: int, box_height: int) -> tuple[int, int]:
    scale = min(1.0, box_width / width, box_height / height)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
