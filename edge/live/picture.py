"""The kit's picture on its way to the relay: connected while a session is on, flowing while somebody looks."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from contract.live import (
    CLOSE_ENDED,
    CLOSE_GARBAGE,
    CLOSE_REFUSED,
    CLOSE_REPLACED,
    CLOSE_UNPROVEN,
    PICTURE_PATH,
    Watcher,
)
from edge.live.context import LiveContext
from edge.live.link import FAILURES, RefusedError, find_source_address
from edge.live.network import NetworkWatch
from edge.live.stream import Ended, Stream
from edge.reach.backoff import Backoff

log = logging.getLogger("zhixing.live")

FIRST_S: Final = 0.25
CAP_S: Final = 2.0
REFUSED_FIRST_S: Final = 8.0
REFUSED_CAP_S: Final = 60.0


async def run_picture(context: LiveContext) -> None:
    """Until cancelled: whenever the kit is in a session, keep a connection for its picture."""
    await Picture(context).run()


class Picture:
    """Connects, reconnects, and says how it stands (state ``live_status``)."""

    def __init__(self, context: LiveContext) -> None:
        self._context = context
        self._status: dict[str, Any] = {}
        self._kbps: float | None = None
        self._quick = Backoff(first_s=FIRST_S, cap_s=CAP_S)
        self._slow = Backoff(first_s=REFUSED_FIRST_S, cap_s=REFUSED_CAP_S)
        self._stream: Stream | None = None

    async def run(self) -> None:
        """See `run_picture`."""
        watch = NetworkWatch(self._note_network)
        try:
            while True:
                sessions = self._context.sessions
                seen = sessions.version
                if not sessions.current:
                    self._say(connected=False, reason="")
                    await sessions.wait(seen)
                    continue
                pause_s = await self._serve(seen)
                if pause_s > 0:
                    await self._rest(seen, pause_s)
        finally:
            watch.close()
            self._say(connected=False, reason="the kit was stopped")

    async def _serve(self, seen: int) -> float:
        """One connection from its beginning to its end; returns how long to rest after it (seconds)."""
        try:
            connection = await self._context.connect(PICTURE_PATH)
        except RefusedError as error:
            self._say(connected=False, reason=str(error))
            return self._slow.next_s()
        except FAILURES as error:
            self._say(connected=False, reason=f"the relay cannot be reached ({error})")
            return self._quick.next_s()
        self._stream = Stream(self._context, connection, start_kbps=self._kbps, tell=self._note_stream)
        began_s = time.monotonic()
        try:
            self._say(connected=True, reason="")
            ended = await self._stream.run(seen)
        finally:
            self._kbps = self._stream.kbps
            self._stream = None
        if time.monotonic() - began_s > 2.0:
            self._quick.reset()
        return self._judge_end(ended)

    def _judge_end(self, ended: Ended) -> float:
        self._say(connected=False, reason=ended.reason)
        if ended.code == CLOSE_UNPROVEN:
            self._context.forget_proofs()
        if ended.code in (CLOSE_REFUSED, CLOSE_UNPROVEN, CLOSE_REPLACED, CLOSE_ENDED, CLOSE_GARBAGE):
            return self._slow.next_s()
        self._slow.reset()
        if ended.network_changed:
            self._kbps = None  # what the other way took says nothing of this one
            return 0.0
        return self._quick.next_s()

    async def _rest(self, seen: int, seconds: float) -> None:
        """Until the time is over, or the sessions changed: a new one is begun at once."""
        try:
            async with asyncio.timeout(seconds):
                await self._context.sessions.wait(seen)
        except TimeoutError:
            return
        self._quick.reset()

    def _note_network(self) -> None:
        if self._stream is not None and not self._stream.is_on_way(find_source_address):
            log.info("live: the way to the relay is another one now; connecting anew")
            self._stream.give_up()

    def _note_stream(self, watchers: list[Watcher], kbps: int, note: str) -> None:
        people = [{"name": person.name, "court": person.court} for person in watchers]
        self._say(connected=True, reason="", watchers=people, kbps=kbps, note=note)

    def _say(self, *, connected: bool, reason: str, **facts: Any) -> None:
        fresh = {"connected": connected, "reason": reason, "watchers": [], "kbps": 0, "note": "", **facts}
        if {key: value for key, value in self._status.items() if key != "since_ms"} == fresh:
            return
        same = self._status.get("connected") == connected
        since_ms = self._status["since_ms"] if same else time.time_ns() // 1_000_000
        self._status = {**fresh, "since_ms": since_ms}
        self._context.note_status("live_status", self._status)
