"""One connection that carries the kit's picture: what is wanted in, frames out, at the pace the link takes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from contract.live import (
    CLOSE_GARBAGE,
    KEY,
    LOW,
    MAIN,
    WANTS_ACK,
    End,
    Frame,
    Init,
    LiveError,
    Told,
    Type,
    Want,
    Watcher,
    Watchers,
    pack,
    pack_control,
    pack_init,
    read_control,
    read_init,
    unpack,
)
from edge.live.context import LiveContext
from edge.live.encoder import Encoded, Encoder
from edge.live.plans import PASS, Limits, Plan, Recorded, choose_plans
from edge.live.policy import Pace, Verdict
from edge.live.rules import Circumstances, find_note, read_circumstances

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger("zhixing.live")

TICK_S: Final = 0.05
TELL_S: Final = 1.0
LOOK_S: Final = 0.25
_RATE_S: Final = 2.0
MAX_GARBAGE: Final = 5
TellStream = Callable[[list[Watcher], int, str], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a connection ended: the relay's close code, or 0, and one sentence."""

    code: int
    reason: str
    network_changed: bool = False


@dataclass(slots=True)
class _Waiting:
    message: bytes
    seq: int
    since_s: float
    is_picture: bool


class Stream:
    """From connection to its end; ``kbps`` is what the link took last."""

    def __init__(
        self,
        context: LiveContext,
        connection: ClientConnection,
        *,
        start_kbps: float | None,
        tell: TellStream,
    ) -> None:
        self._context, self._connection, self._tell = context, connection, tell
        live = context.settings.live
        self._pace = Pace(start_kbps or live.start_kbps, time.monotonic())
        self._wanted: frozenset[int] = frozenset()
        self._watchers: list[Watcher] = []
        self._queue: deque[_Waiting] = deque()
        self._filled, self._room = asyncio.Event(), asyncio.Event()
        self._wants_changed = asyncio.Event()
        self._seq = 0
        self._dropped = 0
        self._needs_key: set[int] = {MAIN, LOW}
        self._inits: dict[int, Init] = {}
        self._plans: dict[int, Plan] = {}
        self._planned_for: tuple[object, ...] = ()
        self._recorded = Recorded(context.settings.camera.bitrate_bps / 1000, 0, 0, 0.0)
        self._rate: deque[tuple[int, int]] = deque()
        self._encoder: Encoder | None = None
        self._circumstances = Circumstances()
        self._last_picture_s = time.monotonic()
        self._garbage = 0
        self._ended: Ended | None = None
        self._told: Told | None = None
        self._told_at_s = 0.0
        peer, own = connection.remote_address, connection.local_address
        self.peer: tuple[str, int] = (str(peer[0]), int(peer[1]))
        self.own_address = str(own[0])

    @property
    def kbps(self) -> float:
        """What the link was found to take."""
        return self._pace.kbps

    def give_up(self) -> None:
        """The way to the relay changed: this connection leads nowhere."""
        self._end(Ended(0, "the network changed", network_changed=True))

    async def run(self, seen: int) -> Ended:
        """Serve until the connection or the session ends; never raises for what the other end does."""
        tasks = [
            asyncio.create_task(part)
            for part in (self._receive(), self._send(), self._pump(), self._watch_time(), self._watch_sessions(seen))
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._close_encoder()
            await self._close()
        for result in results:
            if isinstance(result, Exception) and self._ended is None:
                log.error("live: the picture's connection ended by a fault of its own", exc_info=result)
                self._ended = Ended(0, f"a fault of the kit's own ({result!r})")
        return self._ended or self._read_close()

    def _end(self, ended: Ended) -> None:
        self._ended = self._ended or ended
        self._connection.transport.abort()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(0.5):
                await self._connection.close()
        except (TimeoutError, OSError):
            self._connection.transport.abort()

    def _read_close(self) -> Ended:
        code = self._connection.close_code or 0
        reason = self._connection.close_reason or ""
        return Ended(code if code != 1006 else 0, reason or "the connection to the relay was lost")

    # From the relay

    async def _receive(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            async for message in self._connection:
                if not isinstance(message, bytes):
                    self._note_garbage("text")
                    continue
                try:
                    self._accept(unpack(message))
                except LiveError as error:
                    self._note_garbage(str(error))
        except ConnectionClosed:
            return

    def _note_garbage(self, what: str) -> None:
        self._garbage += 1
        log.warning("live: the relay sent what cannot be read: %s", what)
        if self._garbage >= MAX_GARBAGE:
            self._end(Ended(CLOSE_GARBAGE, "the relay sends what cannot be read"))

    def _accept(self, frame: Frame) -> None:
        if frame.type is Type.ACK:
            self._pace.acked(frame.seq, time.monotonic())
            self._room.set()
            return
        if frame.type is not Type.CONTROL:
            raise LiveError(f"A relay sends no {frame.type.name} for pictures.")
        match read_control(frame):
            case Want(streams=streams, key=key):
                wanted = frozenset(streams)
                # Who begins to look gets a key frame at once: the present group, or a fresh one.
                self._ask_keys(wanted if key else wanted - self._wanted)
                self._wanted = wanted
                self._wants_changed.set()
            case Watchers(people=people):
                self._watchers = people
                self._tell_state()
            case End(reason=reason):
                self._end(Ended(0, reason or "the session has ended"))
            case _:
                pass

    def _ask_keys(self, streams: frozenset[int]) -> None:
        for stream in streams:
            if self._encoder is not None and self._plans.get(stream, PASS) != PASS:
                self._encoder.ask_key(stream)

    # From the camera

    async def _pump(self) -> None:
        while True:
            while not self._wanted:
                self._wants_changed.clear()
                self._clear(drop=True)
                self._close_encoder()
                await self._wants_changed.wait()
            self._last_picture_s = time.monotonic()
            with self._context.feed.subscribe(pictures=True) as frames:
                self._needs_key = {MAIN, LOW}
                while self._wanted:
                    try:
                        async with asyncio.timeout(LOOK_S):
                            frame = await frames.take()
                    except TimeoutError:
                        continue
                    self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.type is Type.INIT:
            init = read_init(frame)
            self._inits[-1] = init
            self._recorded = Recorded(self._recorded.kbps, init.width, init.height, init.fps)
            self._needs_key |= {stream for stream, plan in self._plans.items() if plan == PASS}
            return
        if frame.type is not Type.VIDEO:
            return
        self._last_picture_s = time.monotonic()
        self._measure(frame)
        self._plan()
        encodes = [stream for stream in self._wanted if self._plans.get(stream, PASS) != PASS]
        if encodes and self._encoder is not None:
            self._encoder.put(frame)
        for stream in self._wanted:
            if self._plans.get(stream) == PASS:
                self._offer(
                    stream, bytes(frame.payload), key=frame.is_key, time_us=frame.time_us, init=self._inits.get(-1)
                )

    def _measure(self, frame: Frame) -> None:
        self._rate.append((frame.time_us, len(frame.payload)))
        while frame.time_us - self._rate[0][0] > _RATE_S * 1e6:
            self._rate.popleft()
        span_us = frame.time_us - self._rate[0][0]
        if span_us > _RATE_S * 0.8e6:
            kbps = sum(size for _, size in self._rate) * 8000 / span_us
            # In steps: plans are not made anew for every wink of the camera.
            if not 0.75 < kbps / max(1.0, self._recorded.kbps) < 1.33:
                self._recorded = Recorded(kbps, self._recorded.width, self._recorded.height, self._recorded.fps)

    def _plan(self) -> None:
        """Decide anew what each stream gets when something it depends on has changed."""
        now = self._circumstances
        key = (self._wanted, round(self._pace.kbps), self._pace.is_thin, now, self._recorded)
        if key == self._planned_for:
            return
        self._planned_for = key
        live = self._context.settings.live
        limits = Limits(
            kbps=self._pace.kbps,
            low_kbps=live.low_kbps,
            metered_kbps=live.metered_kbps,
            is_metered=now.is_metered,
            is_thin=self._pace.is_thin,
            paused=now.pauses_picture,
        )
        plans = choose_plans(self._wanted, self._recorded, limits)
        self._needs_key |= {stream for stream in plans if plans[stream] != self._plans.get(stream)}
        self._plans = plans
        made = {stream: plan for stream, plan in plans.items() if plan != PASS}
        if made and self._encoder is None:
            self._start_encoder()
        if self._encoder is not None:
            if made:
                self._encoder.set_plans(made)
            else:
                self._close_encoder()

    def _start_encoder(self) -> None:
        loop = asyncio.get_running_loop()

        def deliver(encoded: Encoded) -> None:
            loop.call_soon_threadsafe(self._take_encoded, encoder, encoded)

        def tell_error(reason: str) -> None:
            loop.call_soon_threadsafe(self._end, Ended(0, reason))

        encoder = self._encoder = Encoder(deliver, tell_error)

    def _close_encoder(self) -> None:
        encoder, self._encoder = self._encoder, None
        self._planned_for = ()
        if encoder is not None:
            encoder.close()

    def _take_encoded(self, encoder: Encoder, encoded: Encoded) -> None:
        if encoder is not self._encoder or encoded.stream not in self._wanted:
            return
        if self._plans.get(encoded.stream, PASS) == PASS:
            return
        codec = read_codec(encoded.data) if encoded.key else None
        init = Init(codec=codec, width=encoded.width, height=encoded.height, fps=encoded.fps) if codec else None
        self._offer(encoded.stream, encoded.data, key=encoded.key, time_us=encoded.time_us, init=init)

    # To the relay

    def _offer(self, stream: int, data: bytes, *, key: bool, time_us: int, init: Init | None) -> None:
        """Queue a picture, or leave it out: after a hole the next one is a key frame."""
        if self._judge() is not Verdict.FLOW:
            self._dropped += 1
            return
        if stream in self._needs_key:
            if not key:
                self._dropped += 1
                if self._encoder is not None and self._plans.get(stream, PASS) != PASS:
                    self._encoder.ask_key(stream)
                return
            self._needs_key.discard(stream)
        now_s = time.monotonic()
        if key and init is not None and self._inits.get(stream) != init:
            self._inits[stream] = init
            self._queue.append(_Waiting(pack_init(init, stream=stream), 0, now_s, is_picture=False))
        self._seq += 1
        flags = WANTS_ACK | (KEY if key else 0)
        offset_us = self._context.read_clock_us() - time.time_ns() // 1000
        message = pack(
            Type.VIDEO, data, flags=flags, stream=stream, seq=self._seq, time_us=max(0, time_us + offset_us)
        )
        self._queue.append(_Waiting(message, self._seq, now_s, is_picture=True))
        self._filled.set()

    def _judge(self) -> Verdict:
        waiting_s = next((item.since_s for item in self._queue if item.is_picture), None)
        verdict = self._pace.judge(time.monotonic(), waiting_s)
        if verdict is Verdict.CLEAR:
            self._clear(drop=False)
            log.info("live: the link is late; %d kbit/s from now on", self._pace.kbps)
        elif verdict is Verdict.ABORT:
            self._end(Ended(0, "the relay is silent"))
        return verdict

    def _clear(self, *, drop: bool) -> None:
        """Throw away the pictures that wait; the next ones begin with a key frame."""
        before = len(self._queue)
        self._queue = deque(item for item in self._queue if not item.is_picture)
        if not drop:
            self._dropped += before - len(self._queue)
        self._needs_key = {MAIN, LOW}
        self._ask_keys(self._wanted)

    async def _send(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                while not self._queue:
                    self._filled.clear()
                    await self._filled.wait()
                if self._queue[0].is_picture and not self._pace.has_room:
                    self._room.clear()
                    await self._room.wait()
                    continue
                item = self._queue.popleft()
                if item.is_picture:
                    self._pace.handed(item.seq, len(item.message), time.monotonic())
                await self._connection.send(item.message)
        except ConnectionClosed:
            return

    # By the clock

    async def _watch_time(self) -> None:
        looked_s = 0.0
        while True:
            now_s = time.monotonic()
            if now_s - looked_s >= LOOK_S:
                looked_s = now_s
                self._circumstances = read_circumstances(
                    self._context.spool, self._context.settings, self._context.facts, self._circumstances
                )
            self._judge()
            self._plan()
            facts = self._context.facts
            facts.kbps, facts.rtt_ms = round(self._pace.kbps), self._read_rtt_ms()
            facts.is_thin, facts.is_metered = self._pace.is_thin, self._circumstances.is_metered
            if now_s - self._told_at_s >= TELL_S:
                self._tell_link(now_s)
            await asyncio.sleep(TICK_S)

    async def _watch_sessions(self, seen: int) -> None:
        sessions = self._context.sessions
        while sessions.current:
            seen = await sessions.wait(seen)
        self._ended = self._ended or Ended(0, "")

    def _tell_link(self, now_s: float) -> None:
        self._told_at_s = now_s
        note = find_note(
            self._circumstances,
            is_thin=self._pace.is_thin,
            no_camera=bool(self._wanted) and now_s - self._last_picture_s > 3.0,
        )
        told = Told(kbps=round(self._pace.kbps), rtt_ms=self._read_rtt_ms(), dropped=self._dropped, note=note)
        if told != self._told:
            self._told = told
            self._queue.append(_Waiting(pack_control(told), 0, now_s, is_picture=False))
            self._filled.set()
            self._tell_state()

    def _tell_state(self) -> None:
        # For the officer's page a rough figure will do: each change is a write on the card.
        kbps = round(self._pace.kbps)
        rough = next((step for step in (2000, 1000, 500, 250, 100) if kbps >= step), 0)
        self._tell(self._watchers, rough, self._told.note if self._told else "")

    def _read_rtt_ms(self) -> int | None:
        return None if self._pace.rtt_s is None else round(self._pace.rtt_s * 1000)


def read_codec(key_frame: bytes) -> str | None:
    """RFC 6381 text such as ``avc1.42C01F`` from a key frame's SPS (Annex B); None without one."""
    at = key_frame.find(b"\x00\x00\x01")
    while 0 <= at < len(key_frame) - 7:
        if key_frame[at + 3] & 0x1F == 7:
            return "avc1.{:02X}{:02X}{:02X}".format(*key_frame[at + 4 : at + 7])
        at = key_frame.find(b"\x00\x00\x01", at + 3)
    return None
