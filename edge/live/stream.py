"""One connection that carries the kit's picture: what is wanted in, frames out, at the pace the link takes."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from contract.live import (
    CLOSE_ENDED,
    CLOSE_GARBAGE,
    End,
    Frame,
    LiveError,
    Told,
    Type,
    Want,
    Watcher,
    Watchers,
    pack_control,
    read_control,
    unpack,
)
from edge.live.context import LiveContext
from edge.live.link import drop
from edge.live.outbound import Outbound
from edge.live.policy import Pace, Verdict
from edge.live.rules import Circumstances, find_note, read_circumstances
from edge.live.shaper import Shaper

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger("zhixing.live")

TICK_S: Final = 0.05
TELL_S: Final = 1.0
LOOK_S: Final = 0.25
MAX_GARBAGE: Final = 5
TellStream = Callable[[list[Watcher], int, str], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a connection ended: the relay's close code, or 0, and one sentence."""

    code: int
    reason: str
    network_changed: bool = False


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
        self._watchers: list[Watcher] = []
        self._outbound = Outbound(self._pace, lambda: context.read_clock_us() - time.time_ns() // 1000)
        self._wants_changed = asyncio.Event()
        self._shaper = Shaper(
            context.settings,
            may_flow=lambda: self._judge() is Verdict.FLOW,
            offer=self._outbound.put_picture,
            fail=lambda reason: self._end(Ended(0, reason)),
        )
        self._circumstances = Circumstances()
        self._garbage = 0
        self._ended: Ended | None = None
        self._told: Told | None = None
        self._told_at_s = 0.0

    @property
    def kbps(self) -> float:
        """What the link was found to take."""
        return self._pace.kbps

    def is_on_way(self, find_source: Callable[[str, int], str]) -> bool:
        """Whether the connection leaves from the address that ``find_source`` names for the relay's."""
        peer, own = self._connection.remote_address, self._connection.local_address
        return find_source(str(peer[0]), int(peer[1])) == str(own[0])

    def give_up(self) -> None:
        """The way to the relay changed: this connection leads nowhere."""
        self._end(Ended(0, "the network changed", network_changed=True))

    async def run(self, seen: int) -> Ended:
        """Serve until the connection or the session ends; never raises for what the other end does."""
        connection = self._connection
        tasks = [
            asyncio.create_task(part)
            for part in (
                self._receive(),
                self._outbound.send(connection),
                self._pump(),
                self._watch_time(),
                self._watch_sessions(seen),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._shaper.close()
            await self._close()
        for result in results:
            if isinstance(result, Exception) and self._ended is None:
                log.error("live: the picture's connection ended by a fault of its own", exc_info=result)
                self._ended = Ended(0, f"a fault of the kit's own ({result!r})")
        return self._ended or self._read_close()

    def _end(self, ended: Ended) -> None:
        self._ended = self._ended or ended
        if not self._connection.close_code:
            drop(self._connection)

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(0.5):
                await self._connection.close()
        except (TimeoutError, OSError):
            drop(self._connection)

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
            self._outbound.note_room()
            return
        if frame.type is not Type.CONTROL:
            raise LiveError(f"A relay sends no {frame.type.name} for pictures.")
        match read_control(frame):
            case Want(streams=streams, key=key):
                wanted = frozenset(streams)
                # Who begins to look gets a key frame at once: the present group, or a fresh one.
                before, self._shaper.wanted = self._shaper.wanted, wanted
                self._shaper.ask_keys(wanted if key else wanted - before)
                self._wants_changed.set()
            case Watchers(people=people):
                self._watchers = people
                self._tell_state()
            case End(reason=reason):
                self._end(Ended(CLOSE_ENDED, reason or "the session has ended"))
            case _:
                pass

    # From the camera

    async def _pump(self) -> None:
        while True:
            while not self._shaper.wanted:
                self._wants_changed.clear()
                self._outbound.clear()
                self._shaper.close()
                await self._wants_changed.wait()
            with self._context.feed.subscribe(pictures=True) as frames:
                self._shaper.begin()
                while self._shaper.wanted:
                    try:
                        async with asyncio.timeout(LOOK_S):
                            frame = await frames.take()
                    except TimeoutError:
                        continue
                    self._shaper.take(frame)

    def _judge(self) -> Verdict:
        verdict = self._pace.judge(time.monotonic(), self._outbound.waiting_since_s)
        if verdict is Verdict.CLEAR:
            self._shaper.dropped += self._outbound.clear()
            self._shaper.break_off()
            log.info("live: the link is late; %d kbit/s from now on", self._pace.kbps)
        elif verdict is Verdict.ABORT:
            self._end(Ended(0, "the relay is silent"))
        return verdict

    # By the clock

    async def _watch_time(self) -> None:
        looked_s = 0.0
        while True:
            now_s = time.monotonic()
            if now_s - looked_s >= LOOK_S:
                looked_s = now_s
                self._look_around()
            self._judge()
            self._pace.cap(self._shaper.useful_kbps)
            self._shaper.note_link(self._pace.kbps, self._circumstances, is_thin=self._pace.is_thin)
            facts = self._context.facts
            facts.kbps, facts.rtt_ms = round(self._pace.kbps), self._read_rtt_ms()
            facts.is_thin, facts.is_metered = self._pace.is_thin, self._circumstances.is_metered
            if now_s - self._told_at_s >= TELL_S:
                self._tell_link(now_s)
            await asyncio.sleep(TICK_S)

    def _look_around(self) -> None:
        try:
            self._circumstances = read_circumstances(
                self._context.spool, self._context.settings, self._context.facts, self._circumstances
            )
        except sqlite3.OperationalError as error:
            log.warning("live: the spool cannot be read (%s)", error)

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
            no_camera=bool(self._shaper.wanted) and now_s - self._shaper.last_picture_s > 3.0,
        )
        told = Told(kbps=round(self._pace.kbps), rtt_ms=self._read_rtt_ms(), dropped=self._shaper.dropped, note=note)
        if told != self._told:
            self._told = told
            self._outbound.put_word(pack_control(told))
            self._tell_state()

    def _tell_state(self) -> None:
        # For the officer's page a rough figure will do: each change is a write on the card.
        kbps = round(self._pace.kbps)
        rough = next((step for step in (2000, 1000, 500, 250, 100) if kbps >= step), 0)
        self._tell(self._watchers, rough, self._told.note if self._told else "")

    def _read_rtt_ms(self) -> int | None:
        return None if self._pace.rtt_s is None else round(self._pace.rtt_s * 1000)
