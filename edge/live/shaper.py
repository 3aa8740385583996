"""Makes of the recorded picture what each stream is to carry: passed on, made smaller, or left out after a hole."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from contract.live import LOW, MAIN, Frame, Init, Type, read_init
from edge.live.encoder import Encoded, Encoder
from edge.live.plans import PASS, Limits, Plan, Recorded, choose_plans
from edge.live.rules import Circumstances
from edge.settings import Settings

_RATE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Picture:
    """One access unit for a stream; ``init`` describes the stream where this may have changed (key frames)."""

    stream: int
    data: bytes
    key: bool
    time_us: int
    init: Init | None = None


class Shaper:
    """For one connection, in its event loop. ``may_flow`` is asked before each picture, ``offer`` gets it.

    ``fail`` gets one sentence when pictures cannot be made any more. Raises contract.live.LiveError for a tap that
    says nonsense.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        may_flow: Callable[[], bool],
        offer: Callable[[Picture], None],
        fail: Callable[[str], None],
    ) -> None:
        self._settings, self._may_flow, self._offer, self._fail = settings, may_flow, offer, fail
        self.wanted: frozenset[int] = frozenset()
        self.dropped = 0
        self.last_picture_s = time.monotonic()
        self._needs_key: set[int] = {MAIN, LOW}
        self._plans: dict[int, Plan] = {}
        self._planned_for: tuple[object, ...] = ()
        self._recorded = Recorded(settings.camera.bitrate_bps / 1000, 0, 0, 0.0)
        self._recorded_init: Init | None = None
        self._rate: deque[tuple[int, int]] = deque()
        self._encoder: Encoder | None = None
        self._kbps, self._is_thin, self._circumstances = 0.0, False, Circumstances()

    @property
    def useful_kbps(self) -> float:
        """More than this cannot be made use of."""
        return max(
            1.5 * self._recorded.kbps, self._settings.camera.bitrate_bps / 1000, self._settings.live.start_kbps
        )

    def note_link(self, kbps: float, circumstances: Circumstances, *, is_thin: bool) -> None:
        """What the link takes and what else it is for; plans follow."""
        self._kbps, self._is_thin, self._circumstances = kbps, is_thin, circumstances
        self._plan()

    def begin(self) -> None:
        """Somebody begins to look: what comes first must be a key frame."""
        self.last_picture_s = time.monotonic()
        self.break_off()

    def break_off(self) -> None:
        """There is a hole: each stream goes on with a key frame, as soon as one can be had."""
        self._needs_key = {MAIN, LOW}
        self.ask_keys(self.wanted)

    def ask_keys(self, streams: frozenset[int]) -> None:
        """A key frame soon; what is passed on brings its own within a second."""
        for stream in streams:
            if self._encoder is not None and self._plans.get(stream, PASS) != PASS:
                self._encoder.ask_key(stream)

    def take(self, frame: Frame) -> None:
        """A frame of the recorder's tap."""
        if frame.type is Type.INIT:
            told = read_init(frame)
            self._recorded_init = told
            self._recorded = Recorded(self._recorded.kbps, told.width, told.height, told.fps)
            return
        if frame.type is not Type.VIDEO:
            return
        self.last_picture_s = time.monotonic()
        self._measure(frame)
        self._plan()
        plans = {stream: plan for stream, plan in self._plans.items() if stream in self.wanted}
        if self._encoder is not None and any(plan != PASS for plan in plans.values()):
            self._encoder.put(frame)
        for stream, plan in plans.items():
            if plan == PASS:
                init = self._recorded_init if frame.is_key else None
                self._give(Picture(stream, bytes(frame.payload), frame.is_key, frame.time_us, init))

    def close(self) -> None:
        """Nobody looks any more: let go of the encoder."""
        encoder, self._encoder = self._encoder, None
        self._planned_for, self._plans = (), {}
        if encoder is not None:
            encoder.close()

    def _give(self, picture: Picture) -> None:
        if not self._may_flow():
            self.dropped += 1
            self._needs_key.add(picture.stream)
        elif picture.stream in self._needs_key and not picture.key:
            self.dropped += 1
            self.ask_keys(frozenset((picture.stream,)))
        else:
            self._needs_key.discard(picture.stream)
            self._offer(picture)

    def _measure(self, frame: Frame) -> None:
        if self._rate and frame.time_us < self._rate[-1][0]:
            self._rate.clear()  # the clock was set back
        self._rate.append((frame.time_us, len(frame.payload)))
        while frame.time_us - self._rate[0][0] > _RATE_S * 1e6:
            self._rate.popleft()
        span_us = frame.time_us - self._rate[0][0]
        if span_us > _RATE_S * 0.8e6:
            kbps = sum(size for _, size in self._rate) * 8000 / span_us
            # In steps: plans are not made anew for every wink of the camera.
            if not 0.75 < kbps / max(1.0, self._recorded.kbps) < 1.33:
                self._recorded = replace(self._recorded, kbps=kbps)

    def _plan(self) -> None:
        """Decide anew what each stream gets when something it depends on has changed."""
        key = (self.wanted, round(self._kbps), self._is_thin, self._circumstances, self._recorded)
        if key == self._planned_for:
            return
        self._planned_for = key
        live, now = self._settings.live, self._circumstances
        limits = Limits(
            kbps=self._kbps,
            low_kbps=live.low_kbps,
            metered_kbps=live.metered_kbps,
            is_metered=now.is_metered,
            is_thin=self._is_thin,
            paused=now.pauses_picture,
        )
        plans = choose_plans(self.wanted, self._recorded, limits)
        self._needs_key |= {stream for stream in plans if plans[stream] != self._plans.get(stream)}
        self._plans = plans
        made = {stream: plan for stream, plan in plans.items() if plan != PASS}
        if made and self._encoder is None:
            self._encoder = self._start_encoder()
        if self._encoder is not None and made:
            self._encoder.set_plans(made)
        elif self._encoder is not None:
            self._encoder.close()
            self._encoder = None

    def _start_encoder(self) -> Encoder:
        loop = asyncio.get_running_loop()

        def deliver(encoded: Encoded) -> None:
            loop.call_soon_threadsafe(self._take_encoded, encoder, encoded)

        encoder = Encoder(deliver, lambda reason: self._tell_failure(loop, reason))
        return encoder

    def _tell_failure(self, loop: asyncio.AbstractEventLoop, reason: str) -> None:
        loop.call_soon_threadsafe(self._fail, reason)

    def _take_encoded(self, encoder: Encoder, encoded: Encoded) -> None:
        stream = encoded.stream
        if encoder is not self._encoder or stream not in self.wanted or self._plans.get(stream, PASS) == PASS:
            return
        codec = read_codec(encoded.data) if encoded.key else None
        init = Init(codec=codec, width=encoded.width, height=encoded.height, fps=encoded.fps) if codec else None
        self._give(Picture(stream, encoded.data, encoded.key, encoded.time_us, init))


def read_codec(key_frame: bytes) -> str | None:
    """RFC 6381 text such as ``avc1.42C01F`` from a key frame's SPS (Annex B); None without one."""
    at = key_frame.find(b"\x00\x00\x01")
    while 0 <= at < len(key_frame) - 7:
        if key_frame[at + 3] & 0x1F == 7:
            return "avc1.{:02X}{:02X}{:02X}".format(*key_frame[at + 4 : at + 7])
        at = key_frame.find(b"\x00\x00\x01", at + 3)
    return None
