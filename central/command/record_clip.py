"""A part of a session's record as fragmented MP4: one picture as it was relayed, and every voice, mixed.

H.264 is passed through unchanged; a picture whose size or codec changes within the part, or that MP4 or browsers do
not take, is encoded anew. Times are those of the centre's clock at which things were relayed; within a run of frames
the source's own clock spaces them. Needs PyAV, which is imported where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from central.command.record_mix import Mixer, Timeline
from central.command.record_rules import NoPictureError
from contract.live import SOUND_RATE, Frame, LiveError, Type, read_init, unpack
from contract.session_record import Item, ItemKind

if TYPE_CHECKING:
    import av

_CLOCK: Final = Fraction(1, 90_000)
_MOVFLAGS: Final = "frag_keyframe+empty_moov+default_base_moof"
# Sound of the last moment waits for talkers whose packets come a little later.
_MIX_WAIT_US: Final = 500_000
_DECODERS: Final = {"avc1": "h264", "vp8": "vp8", "vp09": "vp9", "av01": "av1", "hev1": "hevc", "hvc1": "hevc"}
_START: Final = re.compile(rb"\x00\x00\x01")
_FRAME_TICKS: Final = 3600
# AAC puts so many samples of silence first; without this head start everything else would be moved by them.
_PRIMING: Final = 1024

Clear = Callable[[], Iterable[Item]]
"""Gives the items of the part from its beginning, each time it is called."""


@dataclass(frozen=True)
class _Plan:
    """How the picture is to be treated. `head`: access units of a key frame that describe the stream."""

    codec: str
    passes: bool
    head: bytes


def make_clip(read: Clear, source: str, stream: int, *, from_ms: int, until_ms: int) -> Iterator[bytes]:
    """Give a part of a record as fMP4, block by block; `source` empty: voices alone.

    It begins with the last key frame relayed before `from_ms` as far as `read` reaches back, else with the first
    after it. Raises NoPictureError before the first block when there is nothing to see or hear.
    """
    plan = _plan(read(), source, stream) if source else None
    if plan is None and (source or not any(_is_voice(item) for item in read())):
        raise NoPictureError("There is neither picture nor sound of this in the part asked for; choose another part.")
    return _Clip(plan, source, stream, from_us=from_ms * 1000, until_us=until_ms * 1000).run(read())


def parameter_sets(unit: bytes) -> bytes:
    """The parameter sets (NAL types 7 and 8) of an H.264 access unit in Annex B; empty without."""
    starts = [match.start() for match in _START.finditer(unit)]
    found = b""
    for at, end in zip(starts, [*starts[1:], len(unit)], strict=True):
        if at + 3 < len(unit) and unit[at + 3] & 31 in {7, 8}:
            found += b"\0" + unit[at:end].rstrip(b"\0")
    return found


def _plan(items: Iterable[Item], source: str, stream: int) -> _Plan | None:
    codec, sets, head = "avc1", set(), b""
    for item, frame in _frames(items, source):
        if frame.stream != stream:
            continue
        if frame.type is Type.INIT:
            codec = _read_codec(frame) or codec
        elif frame.type is Type.VIDEO and frame.is_key:
            head = head or bytes(frame.payload)
            sets.add(parameter_sets(item.body) if codec == "avc1" else codec.encode())
    if not head:
        return None
    return _Plan(codec, codec == "avc1" and len(sets) == 1 and sets != {b""}, head)


def _read_codec(frame: Frame) -> str:
    try:
        return read_init(frame).codec.split(".")[0].lower()
    except LiveError:
        return ""


def _frames(items: Iterable[Item], source: str = "") -> Iterator[tuple[Item, Frame]]:
    for item in items:
        if item.kind is ItemKind.FRAME and (not source or item.name == source):
            try:
                yield item, unpack(item.body)
            except LiveError:
                continue


def _is_voice(item: Item) -> bool:
    return item.kind is ItemKind.FRAME and item.body[:1] == bytes([Type.AUDIO])


class _Clip:
    """Writes one clip: picture and mixed sound in step, given out as they are muxed."""

    def __init__(self, plan: _Plan | None, source: str, stream: int, *, from_us: int, until_us: int) -> None:
        import av

        self._plan = plan
        self._source, self._stream = source, stream
        self._from_us, self._until_us = from_us, until_us
        self._blocks: list[bytes] = []
        self._container = av.open(self, "w", format="mp4", options={"movflags": _MOVFLAGS})
        self._picture: Any = None
        self._coder = _make_coder(plan) if plan is not None else None
        if plan is not None and plan.passes:
            described = av.open(BytesIO(plan.head + plan.head), format="h264").streams.video[0]
            self._picture = self._container.add_stream_from_template(described)
        elif plan is not None:
            self._picture = self._container.add_stream("libx264", rate=25, options=_ENCODE)
            self._picture.width, self._picture.height = _measure(plan)
            self._picture.pix_fmt = "yuv420p"
            self._picture.codec_context.time_base = _CLOCK
        self._sound: Any = self._container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        self._resampler = av.AudioResampler("fltp", "mono", SOUND_RATE)
        self._mixer: Mixer | None = None
        self._time = Timeline()
        self._begin_us = 0
        self._last_tick = -1
        self._heard = _PRIMING

    def write(self, data: bytes) -> int:
        """Take bytes of the container (PyAV calls this)."""
        self._blocks.append(bytes(data))
        return len(data)

    def run(self, items: Iterable[Item]) -> Iterator[bytes]:
        """Mux everything of the part and give the blocks as they come."""
        end_us = 0
        for item, frame in _frames(self._from_key_frame(items)):
            end_us = item.at_us
            if frame.type is Type.AUDIO and self._mixer is not None:
                self._mixer.take(item, frame)
            elif self._is_picture(item, frame):
                self._show(item, frame)
            self._speak(item.at_us - _MIX_WAIT_US)
            yield from self._give()
        self._speak(end_us)
        self._end()
        yield from self._give()

    def _from_key_frame(self, items: Iterable[Item]) -> Iterator[Item]:
        """Leave out what lies before the key frame the clip begins with."""
        held: list[Item] = []
        for item in items:
            if item.at_us >= self._until_us:
                break
            if self._mixer is not None:
                yield item
                continue
            is_start = self._begins(item)
            if is_start:
                held = []
            if item.kind is ItemKind.FRAME and (held or is_start):
                held.append(item)
            if held and item.at_us >= self._from_us:
                self._begin_us = held[0].at_us
                self._mixer = Mixer(self._begin_us + _PRIMING * 1_000_000 // SOUND_RATE)
                yield from held
        if self._mixer is None and held:
            self._begin_us = held[0].at_us
            self._mixer = Mixer(self._begin_us + _PRIMING * 1_000_000 // SOUND_RATE)
            yield from held

    def _begins(self, item: Item) -> bool:
        if self._plan is None:
            return _is_voice(item) and item.at_us >= self._from_us
        return any(self._is_picture(item, frame) and frame.is_key for _, frame in _frames([item]))

    def _is_picture(self, item: Item, frame: Frame) -> bool:
        return frame.type is Type.VIDEO and item.name == self._source and frame.stream == self._stream

    def _show(self, item: Item, frame: Frame) -> None:
        import av

        tick = max((self._time.place(item, frame) - self._begin_us) * 9 // 100, self._last_tick + 1)
        self._last_tick = tick
        packet = av.Packet(bytes(frame.payload))
        packet.pts = packet.dts = tick
        packet.time_base = _CLOCK
        if self._coder is None:
            packet.duration = _FRAME_TICKS
            packet.is_keyframe = frame.is_key
            packet.stream = self._picture
            self._container.mux(packet)
            return
        try:
            pictures = self._coder.decode(packet)
        except av.FFmpegError:
            return  # not decodable from here on until the next key frame
        for picture in pictures:
            self._encode(picture, tick)

    def _encode(self, picture: av.VideoFrame, tick: int) -> None:
        import av

        made = picture.reformat(width=self._picture.width, height=self._picture.height, format="yuv420p")
        made.pts, made.time_base = tick, _CLOCK
        made.pict_type = av.video.frame.PictureType.NONE
        self._container.mux(self._picture.encode(made))

    def _speak(self, until_us: int) -> None:
        import av

        if self._mixer is None:
            return
        samples = self._mixer.give(until_us)
        if not samples:
            return
        heard = av.AudioFrame(format="s16", layout="mono", samples=len(samples))
        heard.sample_rate, heard.pts, heard.time_base = SOUND_RATE, self._heard, Fraction(1, SOUND_RATE)
        heard.planes[0].update(samples.tobytes().ljust(heard.planes[0].buffer_size, b"\0"))
        self._heard += len(samples)
        for piece in self._resampler.resample(heard):
            self._container.mux(self._sound.encode(piece))

    def _end(self) -> None:
        if self._coder is not None:
            self._container.mux(self._picture.encode(None))
        if self._heard > _PRIMING:
            self._container.mux(self._sound.encode(None))
        self._container.close()

    def _give(self) -> Iterator[bytes]:
        blocks, self._blocks = self._blocks, []
        yield from blocks


_ENCODE: Final = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23"}


def _make_coder(plan: _Plan) -> Any:
    import av

    return None if plan.passes else av.CodecContext.create(_DECODERS.get(plan.codec, "h264"), "r")


def _measure(plan: _Plan) -> tuple[int, int]:
    """Width and height of the first picture, even. Raises NoPictureError when it cannot be decoded."""
    import av

    decoder = _make_coder(plan)
    try:
        pictures = [*decoder.decode(av.Packet(plan.head)), *decoder.decode(None)]
    except av.FFmpegError:
        pictures = []
    if not pictures:
        raise NoPictureError("The picture of this source cannot be decoded; export the record and keep it as it is.")
    return pictures[0].width // 2 * 2, pictures[0].height // 2 * 2
