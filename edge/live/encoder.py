"""Encodes the recorded picture anew, smaller, for links and tiles; libav is loaded only when that is wanted.

One thread decodes once and encodes for each stream. x264 and the decoder each have one thread: with more of them they
hold frames back (measured: 25 ms and more).
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from contract.live import Frame
from edge.live.plans import Plan

log = logging.getLogger("zhixing.live")

KEY_US: Final = 2_000_000
# So many frames behind, the newest key frame is a better beginning than the oldest picture.
MAX_WAITING: Final = 40
BEHIND: Final = 2
LONGEST_PAUSE_S: Final = 0.15
_MICROSECOND: Final = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture made anew: Annex B with parameter sets at key frames; ``time_us`` as captured."""

    stream: int
    data: bytes
    key: bool
    time_us: int
    width: int
    height: int
    fps: float


class Encoder:
    """Feed it recorded frames from a key frame on; it calls ``deliver`` from its own thread."""

    def __init__(self, deliver: Callable[[Encoded], None], tell_error: Callable[[str], None]) -> None:
        self._deliver, self._tell_error = deliver, tell_error
        self._lock = threading.Lock()
        self._plans: dict[int, Plan] = {}
        self._keys: set[int] = set()
        self._waiting: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    def set_plans(self, plans: dict[int, Plan]) -> None:
        """What is to be made from the next frame on; a stream whose plan changed begins with a key frame."""
        with self._lock:
            self._plans = dict(plans)

    def ask_key(self, stream: int) -> None:
        """The next picture of the stream is a key frame."""
        with self._lock:
            self._keys.add(stream)

    def put(self, frame: Frame) -> None:
        """A recorded frame."""
        self._waiting.put(frame)

    def close(self) -> None:
        """End the thread; what it was at is still delivered or not."""
        self._waiting.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; False when it does not end in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            work, encoded_s = _Work(), 0.0
            while (frame := self._take()) is not None:
                with self._lock:
                    plans, keys, self._keys = self._plans, self._keys, set()
                # Behind, most pictures are only decoded: the newest is wanted, but never none at all.
                now_s = time.monotonic()
                encodes = self._waiting.qsize() <= BEHIND or now_s - encoded_s > LONGEST_PAUSE_S
                if encodes:
                    encoded_s = now_s
                else:
                    with self._lock:
                        self._keys |= keys
                for encoded in work.turn(frame, plans, keys, encodes=encodes):
                    self._deliver(encoded)
        except Exception as error:
            log.exception("live: the encoder ended")
            self._tell_error(f"the picture cannot be encoded anew ({error!r})")

    def _take(self) -> Frame | None:
        frame = self._waiting.get()
        if self._waiting.qsize() <= MAX_WAITING:
            return frame
        kept = frame
        with contextlib.suppress(queue.Empty):
            while (later := self._waiting.get_nowait()) is not None:
                if later.is_key:
                    kept = later
                    if self._waiting.qsize() <= MAX_WAITING // 2:
                        return kept
            return None
        return kept


class _Work:
    """The thread's own: decoder and encoders."""

    def __init__(self) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self._av = av
        self._decoder: Any = None
        self._encoders: dict[int, tuple[Plan, _StreamEncoder]] = {}
        self._scaler = VideoReformatter()

    def turn(self, frame: Frame, plans: dict[int, Plan], keys: set[int], *, encodes: bool) -> list[Encoded]:
        """Decode one frame and encode what the plans say, or only decode it."""
        for stream in [stream for stream in self._encoders if stream not in plans]:
            del self._encoders[stream]
        made = []
        for picture, time_us in self._decode(frame):
            for stream, plan in plans.items() if encodes else ():
                made += self._find(stream, plan, time_us).encode(self._scaler, picture, time_us, key=stream in keys)
            keys.clear()
        return made

    def _find(self, stream: int, plan: Plan, time_us: int) -> _StreamEncoder:
        held = self._encoders.get(stream)
        # A clock that was set back begins anew: x264 takes no picture from before the last one.
        if held is None or held[0] != plan or time_us <= held[1].last_us:
            held = self._encoders[stream] = (plan, _StreamEncoder(stream, plan))
        return held[1]

    def _decode(self, frame: Frame) -> list[tuple[Any, int]]:
        if self._decoder is None:
            if not frame.is_key:
                return []
            self._decoder = self._av.CodecContext.create("h264", "r")
            self._decoder.thread_count = 1
            self._decoder.flags |= self._av.codec.context.Flags.low_delay
        packet = self._av.Packet(bytes(frame.payload))
        packet.pts = packet.dts = frame.time_us
        packet.time_base = _MICROSECOND
        try:
            return [(picture, picture.pts or frame.time_us) for picture in self._decoder.decode(packet)]
        except self._av.FFmpegError as error:
            # Garbage of a camera: from the next key frame on anew.
            log.info("live: a picture cannot be decoded (%s)", error)
            self._decoder = None
            return []


class _StreamEncoder:
    """x264 for one stream."""

    def __init__(self, stream: int, plan: Plan) -> None:
        import av

        self._stream, self._plan = stream, plan
        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = plan.width, plan.height, "yuv420p"
        context.time_base, context.framerate = _MICROSECOND, Fraction(plan.fps or 25).limit_denominator(1001)
        context.gop_size, context.max_b_frames, context.thread_count = 10_000, 0, 1
        rate = plan.kbps * 1000
        context.bit_rate = rate
        # Half a second of buffer: a key frame must not take the link for longer.
        context.options = {"preset": "ultrafast", "tune": "zerolatency", "threads": "1", "forced-idr": "1"} | {
            "maxrate": str(rate),
            "bufsize": str(rate // 2),
        }
        self._context = context
        self._kinds = av.video.frame.PictureType
        self._next_key_us = 0
        self._due_us = 0
        self.last_us = -1

    def encode(self, scaler: Any, picture: Any, time_us: int, *, key: bool) -> list[Encoded]:
        """One decoded picture, or nothing when it comes too soon for the plan's rate."""
        step_us = round(1_000_000 / (self._plan.fps or 25))
        wants_key = key or time_us >= self._next_key_us
        if time_us < self._due_us - step_us // 4 and not key:
            return []
        self._due_us, self.last_us = max(self._due_us + step_us, time_us), time_us
        small = scaler.reformat(picture, self._plan.width, self._plan.height, "yuv420p")
        small.pts, small.time_base = time_us, _MICROSECOND
        small.pict_type = self._kinds.I if wants_key else self._kinds.NONE
        if wants_key:
            self._next_key_us = time_us + KEY_US
        plan = self._plan
        return [
            Encoded(self._stream, bytes(packet), packet.is_keyframe, time_us, plan.width, plan.height, plan.fps)
            for packet in self._context.encode(small)
        ]
