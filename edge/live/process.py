"""The live process at work: reads which sessions are on, and runs the tasks of picture and voice for them."""

from __future__ import annotations

import asyncio
import logging
import queue
import signal
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from edge.live.context import LiveContext
from edge.live.feed import Feed
from edge.live.link import Connector
from edge.live.sessions import STATE, Sessions, read_sessions
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.settings import Settings
from edge.spool import Doorbell, Heartbeat, Spool, SpoolError, open_spool, ring

log = logging.getLogger("zhixing.live")

LOOK_S: Final = 2.0
CLOCK_SLACK_MS: Final = 50
Task = Callable[[LiveContext], Awaitable[None]]


class StatusWriter:
    """Writes states in a thread of its own: a card may take its time, pictures may not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: queue.SimpleQueue[tuple[str, dict[str, Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self._thread.start()

    def put(self, key: str, table: dict[str, Any]) -> None:
        """Write a state and ring screen and panel."""
        self._waiting.put((key, table))

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join(3.0)

    def _run(self) -> None:
        spool: Spool | None = None
        while (item := self._waiting.get()) is not None:
            try:
                spool = spool or open_spool(self._path, check=False)
                spool.state.set(*item)
                ring(spool.dir, "screen")
                ring(spool.dir, "panel")
            except (SpoolError, sqlite3.Error, OSError) as error:
                # A card that takes nothing is others' to tell of; the picture goes on.
                log.warning("live: %s cannot be written (%s)", item[0], error)
        if spool is not None:
            spool.close()


class LiveProcess:
    """Everything of the live process; ``run`` returns when `stop` was called."""

    def __init__(self, settings: Settings, spool: Spool, tasks: Sequence[Task]) -> None:
        self._settings, self._spool, self._tasks = settings, spool, tasks
        self._identity = Identity(settings.data_dir)
        floor_ms = max(self._identity.floor_ms(), int(spool.state.get("time_floor_ms", 0)))
        self._time = TrustedTime(floor_ms, signed_ms=self._identity.floor_ms())
        self._stopping = asyncio.Event()
        self._seen_version = -1
        self._sessions = Sessions()

    def stop(self) -> None:
        """End ``run``; to be called in its loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped; a task that fails ends the process with its error."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        bell, heart = Doorbell(self._spool.dir, "live"), Heartbeat(self._spool.dir, "live")
        rung = asyncio.Event()

        def hear() -> None:
            bell.wait(0)
            rung.set()

        loop.add_reader(bell.fileno(), hear)
        writer = StatusWriter(self._settings.spool_path)
        context = self._make_context(writer)
        self._look(force=True)
        running = [asyncio.ensure_future(task(context)) for task in self._tasks]
        turning = asyncio.create_task(self._turn(rung, heart))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait([*running, turning, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            for task in (*running, turning, stopping):
                task.cancel()
            await asyncio.gather(*running, turning, stopping, return_exceptions=True)
            loop.remove_reader(bell.fileno())
            writer.close()
            bell.close()
            heart.close()

    def _make_context(self, writer: StatusWriter) -> LiveContext:
        connector = Connector(self._settings, self._sessions, self._time)
        return LiveContext(
            settings=self._settings,
            spool=self._spool,
            identity=self._identity,
            trusted_time=self._time,
            sessions=self._sessions,
            feed=Feed(self._settings.data_dir),
            connect=connector.connect,
            note_status=writer.put,
            read_clock_us=self._read_clock_us,
            forget_proofs=connector.forget_proofs,
        )

    async def _turn(self, rung: asyncio.Event, heart: Heartbeat) -> None:
        wait_s = min(LOOK_S, self._settings.kit.heartbeat_s)
        while True:
            heart.beat()
            try:
                self._look()
            except sqlite3.OperationalError as error:
                log.warning("live: the spool cannot be read (%s)", error)
            rung.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await rung.wait()
            except TimeoutError:
                continue

    def _look(self, *, force: bool = False) -> None:
        # Asking SQLite whether anybody committed costs next to nothing; sessions end by the clock, too.
        version = self._spool.read_version()
        if version == self._seen_version and not self._sessions.current and not force:
            return
        self._seen_version = version
        is_lost = self._spool.state.get("lost") is not None
        found = () if is_lost else read_sessions(self._spool.state.get(STATE), self._time.is_past)
        if self._sessions.set(found):
            log.info("live: in %d sessions of remote command", len(found))

    def _read_clock_us(self) -> int:
        """The kit's own clock, or the centre's where it told another time than that."""
        own_us = time.time_ns() // 1000
        reading = self._time.find_reading()
        if reading is None:
            return own_us
        told_us = reading.offset_ms * 1000 + time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        # Within what the centre's word may err the own clock is no worse, and it does not jump.
        slack_us = 1000 * max(CLOCK_SLACK_MS, 2 * reading.error_ms)
        return own_us if abs(told_us - own_us) <= slack_us else told_us
