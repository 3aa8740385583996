"""The kit's voice: one socket beside the picture's, open while a session with voice is on.

The microphone is read only while the officer holds his button, or all the time in a full-duplex session on a link
that carries it. What the relay brings is played. State ``voice_status`` tells the page how it stands:
{connected, mode, reason, talking (whom to, or null), hears [names], others [{id, name}], trouble}.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any, Final

from contract.live import (
    CLOSE_ENDED,
    CLOSE_REFUSED,
    CLOSE_REPLACED,
    CLOSE_UNPROVEN,
    VOICE_PATH,
)
from edge.live.context import LiveContext
from edge.live.conversation import Conversation
from edge.live.link import FAILURES, RefusedError, find_source_address
from edge.live.network import NetworkWatch
from edge.live.sessions import LiveSession
from edge.reach.backoff import Backoff

log = logging.getLogger("zhixing.live")

FIRST_S: Final = 0.25
CAP_S: Final = 8.0
REFUSED_FIRST_S: Final = 8.0
REFUSED_CAP_S: Final = 60.0
_LASTING: Final = frozenset({CLOSE_REFUSED, CLOSE_UNPROVEN, CLOSE_REPLACED, CLOSE_ENDED})


async def run_voice(context: LiveContext) -> None:
    """Until cancelled: whenever the kit is in a session with voice, keep a connection for it."""
    await Voice(context).run()


class Voice:
    """Connects, reconnects, and says how it stands."""

    def __init__(self, context: LiveContext) -> None:
        self._context = context
        self._quick = Backoff(first_s=FIRST_S, cap_s=CAP_S)
        self._slow = Backoff(first_s=REFUSED_FIRST_S, cap_s=REFUSED_CAP_S)
        self._conversation: Conversation | None = None
        self._status: dict[str, Any] = {}

    async def run(self) -> None:
        """See `run_voice`."""
        watch = NetworkWatch(self._note_network)
        try:
            while True:
                seen = self._context.sessions.version
                sessions = find_spoken(self._context.sessions.current)
                if not sessions:
                    self._say(connected=False, mode="off")
                    await self._context.sessions.wait(seen)
                    continue
                pause_s = await self._serve(sessions, seen)
                if pause_s > 0:
                    await self._rest(seen, pause_s)
        finally:
            watch.close()
            self._say(connected=False, mode="off", trouble="stopped")

    async def _serve(self, sessions: tuple[LiveSession, ...], seen: int) -> float:
        """One connection from its beginning to its end; how long to rest after it (seconds)."""
        try:
            connection = await self._context.connect(VOICE_PATH)
        except RefusedError as error:
            self._say(connected=False, trouble=f"refused_{error.code}")
            return self._slow.next_s()
        except FAILURES as error:
            log.info("live: no voice to the relay (%s)", error)
            self._say(connected=False, trouble="unreachable")
            return self._quick.next_s()
        began_s = time.monotonic()
        conversation = self._conversation = Conversation(self._context, connection, self._say)
        try:
            code = await conversation.run(sessions, seen)
        finally:
            self._conversation = None
            self._context.facts.voice_late_s = 0.0
            # A peer that is out of reach answers no farewell: the socket goes at once.
            connection.transport.abort()
            with contextlib.suppress(*FAILURES):
                await connection.wait_closed()
        log.info("live: the voice's connection ended (code %d)", code)
        self._say(connected=False)
        if time.monotonic() - began_s > 2.0:
            self._quick.reset()
        if code == CLOSE_UNPROVEN:
            self._context.forget_proofs()
        if code in _LASTING:
            return self._slow.next_s()
        self._slow.reset()
        return 0.0 if conversation.network_changed else self._quick.next_s()

    async def _rest(self, seen: int, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._context.sessions.wait(seen)
                self._quick.reset()

    def _note_network(self) -> None:
        conversation = self._conversation
        if conversation is not None and find_source_address(*conversation.peer) != conversation.own_address:
            log.info("live: the way to the relay is another one now; the voice connects anew")
            conversation.give_up()

    def _say(self, *, connected: bool, **facts: Any) -> None:
        fresh: dict[str, Any] = {"connected": connected, "mode": "off", "reason": "", "talking": None}
        fresh |= {"hears": [], "others": [], "trouble": "", **facts}
        if fresh != self._status:
            self._status = fresh
            self._context.note_status("voice_status", fresh)


def find_spoken(sessions: tuple[LiveSession, ...]) -> tuple[LiveSession, ...]:
    """The sessions in which the officer has a voice."""
    return tuple(session for session in sessions if session.voice != "off")
