"""Cuts a stream of frames into segments of about two seconds, each a fragmented MP4 that stands alone.

Every segment has its own ftyp and moov, so it plays by itself; its times go on from the segment before it, so a
browser can append one after another (Media Source Extensions, ISO 14496-12 ``tfdt``). Muxed in memory: clear
picture never touches the card.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from edge.recorder import h264
from edge.recorder.moment import Moment
from edge.recorder.sources import AudioFormat, AudioPacket, EncodedFrame, KeyFrameMissingError

_MICROSECOND: Final = Fraction(1, 1_000_000)
_VIDEO_TIMESCALE: Final = 90_000
# A tick of the film's clock, rounded up: pictures closer than this would be at one time in it.
_TICK_US: Final = 12
_HELD_UP_US: Final = 500_000
# The centre's door takes 64 MiB; a stream that never lets a segment end must not eat the memory either.
MAX_SEGMENT_BYTES: Final = 32 * 1024 * 1024
MAX_SEGMENT_US: Final = 30_000_000
_MUXER_OPTIONS: Final = {
    # frag_discont with the next two lets tfdt carry the recording's own time instead of beginning at zero.
    "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont+skip_trailer",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
    "flush_packets": "1",
    "video_track_timescale": str(_VIDEO_TIMESCALE),
}


@dataclass(frozen=True, slots=True)
class ClearSegment:
    """A finished segment before sealing: fMP4 bytes and what its record must state. µs on the recording's scale.

    ``keys``: its key frames as the camera gave them, for whoever wants a picture of it without taking it apart.
    """

    data: bytes
    mime: str
    started: Moment
    first_us: int
    duration_us: int
    frames: int
    keys: tuple[EncodedFrame, ...] = ()


@dataclass
class _Open:
    """The segment being gathered."""

    started: Moment
    frames: list[EncodedFrame] = field(default_factory=list)
    sound: list[AudioPacket] = field(default_factory=list)
    size_bytes: int = 0


class SoundTemplate:
    """What a muxer must know of the sound, read from its description once and not for each segment."""

    def __init__(self) -> None:
        self._audio: AudioFormat | None = None
        self._container: InputContainer | None = None

    def read(self, audio: AudioFormat) -> AudioStream:
        """The stream that ``audio`` describes. Raises av.error.FFmpegError."""
        if self._container is None or audio != self._audio:
            self._container, self._audio = av.open(io.BytesIO(audio.init), "r", format="mp4"), audio
        return self._container.streams.audio[0]


class PictureTemplate:
    """What a muxer must know of the picture, read from a key frame, and anew when its SPS or PPS have changed.

    Reading decodes the whole frame (it is how FFmpeg finds the pixel format), which cost more than all the muxing.
    """

    def __init__(self) -> None:
        self._sets: list[bytes] = []
        self._container: InputContainer | None = None

    def read(self, key_frame: bytes) -> VideoStream:
        """The stream that ``key_frame`` belongs to, so that avcC carries the camera's real profile, SPS and PPS.

        Raises av.error.FFmpegError.
        """
        sets = h264.parameter_sets(key_frame)
        if self._container is None or not sets or sets != self._sets:
            self._container, self._sets = av.open(io.BytesIO(key_frame), "r", format="h264"), sets
        return self._container.streams.video[0]


class Segmenter:
    """Feed it frames and sound in the order they come; it gives back a segment whenever one is complete."""

    def __init__(self, *, target_s: float, fps: float, audio: AudioFormat | None) -> None:
        self._target_us = round(target_s * 1_000_000)
        self._frame_us = round(1_000_000 / fps)
        self._audio = audio
        self._open: _Open | None = None
        self._origin_us: int | None = None
        self._last_us: int | None = None
        self._last_sound_us = -1
        self._index = 1
        self._template, self._sound = PictureTemplate(), SoundTemplate()

    def feed(self, item: EncodedFrame | AudioPacket, at: Moment) -> ClearSegment | None:
        """Take one item that arrived at ``at``; give the segment that a key frame ends.

        Frames before the first key frame are left out. Raises KeyFrameMissingError when no cut is possible.
        """
        if isinstance(item, AudioPacket):
            self._take_sound(item)
            return None
        item = self._moved_on(item)
        finished = None
        if item.key and self._is_long_enough(_decode_us(item)):
            finished = self._finish(next_us=_decode_us(item))
        if self._open is None:
            if not item.key:
                return finished
            self._open = _Open(at)
        self._take_frame(item)
        return finished

    def flush(self) -> ClearSegment | None:
        """End the segment being gathered, whatever its length; None when it is empty."""
        return self._finish(next_us=None)

    def _moved_on(self, frame: EncodedFrame) -> EncodedFrame:
        """The frame, a tick after the last one where a camera that was held up gave both one time.

        A film takes no picture that stands still. A clock that leapt back further is a failure of the camera.
        """
        at_us = _decode_us(frame)
        if self._last_us is not None and self._last_us - _HELD_UP_US < at_us < self._last_us + _TICK_US:
            at_us = self._last_us + _TICK_US
            frame = replace(frame, pts_us=max(frame.pts_us, at_us), dts_us=at_us)
        self._last_us = at_us
        return frame

    def _is_long_enough(self, at_us: int) -> bool:
        if self._open is None or not self._open.frames:
            return False
        # Half a frame early is on time: a jitter of a millisecond must not turn 2 s into 3 s.
        length_us = at_us - _decode_us(self._open.frames[0])
        return length_us >= self._target_us - self._frame_us // 2

    def _take_frame(self, frame: EncodedFrame) -> None:
        current = self._open
        if current is None:
            return
        current.frames.append(frame)
        current.size_bytes += len(frame.data)
        length_us = _decode_us(frame) - _decode_us(current.frames[0])
        if current.size_bytes > MAX_SEGMENT_BYTES or length_us > MAX_SEGMENT_US:
            raise KeyFrameMissingError(
                "The stream goes on without a key frame at which a segment could end: set the camera to one every "
                "second or two."
            )

    def _take_sound(self, packet: AudioPacket) -> None:
        if self._open is None or self._audio is None:
            return
        # Sound that comes late belongs to its own time, not to this segment's; it only must not go back.
        if self._origin_us is None:
            self._origin_us = _decode_us(self._open.frames[0])
        if packet.pts_us < self._origin_us or packet.pts_us <= self._last_sound_us:
            return
        self._last_sound_us = packet.pts_us
        self._open.sound.append(packet)
        self._open.size_bytes += len(packet.data)

    def _finish(self, next_us: int | None) -> ClearSegment | None:
        current, self._open = self._open, None
        if current is None or not current.frames:
            return None
        frames = current.frames
        first_us = _decode_us(frames[0])
        if self._origin_us is None:
            self._origin_us = first_us
        if next_us is None:
            step_us = _decode_us(frames[-1]) - _decode_us(frames[-2]) if len(frames) > 1 else self._frame_us
            next_us = _decode_us(frames[-1]) + step_us
        data = mux_segment(
            frames,
            current.sound,
            self._audio,
            origin_us=self._origin_us,
            end_us=next_us,
            first_index=self._index,
            template=self._template,
            sound_template=self._sound,
        )
        self._index += sum(frame.key for frame in frames)
        codecs = h264.codec_text(frames[0].data) + (f", {self._audio.codec}" if self._audio else "")
        return ClearSegment(
            data=data,
            mime=f'video/mp4; codecs="{codecs}"',
            started=current.started,
            first_us=first_us - self._origin_us,
            duration_us=next_us - first_us,
            frames=len(frames),
            keys=tuple(replace(frame, pts_us=frame.pts_us - self._origin_us) for frame in frames if frame.key),
        )


def mux_segment(
    frames: Sequence[EncodedFrame],
    sound: Sequence[AudioPacket],
    audio: AudioFormat | None,
    *,
    origin_us: int,
    end_us: int,
    first_index: int,
    template: PictureTemplate | None = None,
    sound_template: SoundTemplate | None = None,
) -> bytes:
    """One self-contained fragmented MP4 of ``frames`` (the first a key frame) and ``sound``.

    Times count from ``origin_us``; the last frame lasts until ``end_us``; ``first_index`` numbers its first moof.
    The templates of the segments before it spare reading the formats anew.
    """
    sink = _Sink()
    container = av.open(sink, "w", format="mp4", options={**_MUXER_OPTIONS, "fragment_index": str(first_index)})
    picture = container.add_stream_from_template((template or PictureTemplate()).read(frames[0].data))
    picture.time_base = _MICROSECOND
    ends = [_decode_us(frame) for frame in frames[1:]] + [end_us]
    packets = [
        _packet(picture, frame.data, frame.pts_us - origin_us, _decode_us(frame) - origin_us, end, key=frame.key)
        for frame, end in zip(frames, (end - origin_us for end in ends), strict=True)
    ]
    if audio is not None:
        track = container.add_stream_from_template((sound_template or SoundTemplate()).read(audio))
        track.time_base = Fraction(1, audio.sample_rate)
        for piece in sound:
            at_us = piece.pts_us - origin_us
            packets.append(_packet(track, piece.data, at_us, at_us, at_us + piece.duration_us, key=True))
        packets.sort(key=lambda packet: packet.dts or 0)
    for packet in packets:
        container.mux(packet)
    container.close()
    return b"".join(sink.pieces)


def _packet(stream: Stream, data: bytes, pts_us: int, dts_us: int, end_us: int, *, key: bool) -> Packet[Stream]:
    packet: Packet[Stream] = Packet(data)
    packet.stream = stream
    packet.time_base = _MICROSECOND
    packet.pts, packet.dts, packet.duration = pts_us, dts_us, end_us - dts_us
    packet.is_keyframe = key
    return packet


def _decode_us(frame: EncodedFrame) -> int:
    return frame.pts_us if frame.dts_us is None else frame.dts_us


class _Sink:
    """What PyAV writes to: memory that cannot be sought in, so that nothing is ever rewritten."""

    def __init__(self) -> None:
        # Joined once at the end: to grow with every 32 KB cost more than the muxing.
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Append."""
        self.pieces.append(data)
        return len(data)
