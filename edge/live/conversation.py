"""One connection of the kit's voice: who talks is heard, and the officer while he may be; the rest is silence."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from contract.live import (
    CLOSE_GARBAGE,
    PRESSED,
    End,
    Frame,
    LiveError,
    Mode,
    Talk,
    Talker,
    Talkers,
    Type,
    pack,
    pack_control,
    read_control,
    unpack,
)
from edge.live.context import LiveContext
from edge.live.microphone import Microphone
from edge.live.sessions import LiveSession
from edge.live.speaker import Speaker
from edge.live.voice_rules import (
    PERSON,
    WORDS,
    Lateness,
    ModeKeeper,
    VoiceMode,
    choose_mode,
    find_targets,
    obey_mode,
)
from edge.reach import tcp
from edge.spool.talk import TO_CENTRE, find_talk

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger("zhixing.live")

LOOK_S: Final = 0.05
"""How soon a pressed button opens the microphone: asking SQLite whether anybody committed costs some µs."""
NO_SOUND_S: Final = 2.0
AGAIN_S: Final = 1.0
# More than this unsent and new sound is thrown away: voice is now or not at all.
MAX_LATE_S: Final = 1.0
MAX_GARBAGE: Final = 20
MAX_PACKET_BYTES: Final = 1500
Say = Callable[..., None]


class Conversation:
    """Runs until the relay, the link or the sessions end it."""

    def __init__(self, context: LiveContext, connection: ClientConnection, say: Say) -> None:
        self._context, self._connection, self._say = context, connection, say
        self._speaker = Speaker(context.settings.live.speaker)
        self._keeper, self._lateness = ModeKeeper(), Lateness()
        self._decided: list[VoiceMode] = []
        self._talkers: tuple[Talker, ...] = ()
        self._you = context.settings.kit.id
        self._to: str | None = None
        self._told: Talk | None = None
        self._told_s = 0.0
        self._open: asyncio.Task[None] | None = None
        self._opened_s = 0.0
        self._heard_own = self._is_ptt_held = False
        self._seq = self._garbage = self._code = 0
        self._given_up = asyncio.Event()
        self.network_changed = False
        self.dropped = 0
        socket = connection.transport.get_extra_info("socket")
        self.peer: tuple[str, int] = tuple(connection.transport.get_extra_info("peername")[:2])
        self.own_address = str(socket.getsockname()[0])
        self._socket: Any = socket

    async def run(self, sessions: tuple[LiveSession, ...], seen: int) -> int:
        """Talk and listen; returns the relay's close code, 0 when something else ended it."""
        self._decided = [session.voice for session in sessions]
        self._keeper.ordered = obey_mode(choose_mode(self._decided), self._decided, tells_apart=False)
        self._speaker.start()
        tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._attend()),
            asyncio.create_task(self._context.sessions.wait(seen)),
            asyncio.create_task(self._given_up.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._close_microphone()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._speaker.stop)
        return self._code

    def give_up(self) -> None:
        """The network changed under this connection."""
        self.network_changed = True
        self._given_up.set()

    # ---- what the relay says

    async def _listen(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            async for message in self._connection:
                try:
                    if isinstance(message, str):
                        raise LiveError("A text where frames are spoken.")
                    if not self._take(unpack(message)):
                        return
                except LiveError as error:
                    self._garbage += 1
                    if self._garbage == 1:
                        log.warning("live: the relay's voice: %s", error)
                    if self._garbage > MAX_GARBAGE:
                        self._code = CLOSE_GARBAGE
                        return
        except ConnectionClosed as error:
            self._code = error.rcvd.code if error.rcvd is not None else 0
        else:
            self._code = self._connection.close_code or 0

    def _take(self, frame: Frame) -> bool:
        """Whether the conversation goes on."""
        if frame.type is Type.AUDIO and len(frame.payload) <= MAX_PACKET_BYTES:
            if not any(talker.stream == frame.stream and talker.id == self._you for talker in self._talkers):
                self._speaker.take(frame.stream, frame.seq, bytes(frame.payload), frame.time_us)
            return True
        if frame.type is not Type.CONTROL:
            return True
        told = read_control(frame)
        if isinstance(told, Talkers):
            self._meet(told)
        elif isinstance(told, Mode):
            self._keeper.ordered = obey_mode(told.mode, self._decided, tells_apart=told.keys)
            self._tell_page()
        return not isinstance(told, End)

    def _meet(self, told: Talkers) -> None:
        silent = {talker.stream for talker in told.talkers if not talker.on}
        for stream in silent | {talker.stream for talker in self._talkers} - {t.stream for t in told.talkers}:
            self._speaker.end(stream)
        self._you, self._talkers = told.you or self._you, tuple(told.talkers)
        if self._is_unheard() and time.monotonic() - self._told_s > AGAIN_S:
            self._told = None  # said again: the relay lets go of who was silent, and may have room by now
        self._tell_page()

    # ---- what the officer wants, and what the link allows

    async def _attend(self) -> None:
        seen: tuple[int, str] = (-1, "")
        while True:
            facts = self._context.facts
            facts.voice_late_s = self._judge_lateness()
            is_thin = facts.is_thin or self._is_thin()
            if self._keeper.judge(time.monotonic(), is_thin=is_thin, late_s=facts.voice_late_s):
                await self._send(Mode(self._keeper.mode, WORDS[self._keeper.reason]))
            now = (self._context.spool.read_version(), self._keeper.mode)
            # A held button closes by itself when its holder is gone, and no commit tells of that.
            if now != seen or self._is_ptt_held:
                seen = now
                await self._follow()
            await self._renew_targets()
            self._tell_page()
            await asyncio.sleep(LOOK_S)

    def _is_thin(self) -> bool:
        try:
            told = self._context.spool.state.get("metered")
        except sqlite3.Error:
            return False
        return isinstance(told, dict) and bool(told.get("thin"))

    def _judge_lateness(self) -> float:
        waiting = self._connection.transport.get_write_buffer_size() + tcp.unacknowledged_bytes(self._socket)
        return self._lateness.judge(waiting, tcp.round_trip_ms(self._socket))

    async def _follow(self) -> None:
        """Open or close the microphone as button and mode say."""
        try:
            held = find_talk(self._context.spool)
            chosen = self._context.spool.state.get("talk_to")
        except sqlite3.Error as error:
            log.warning("live: the talk button cannot be read (%s)", error)
            return
        mode = self._keeper.mode
        self._is_ptt_held = held is not None and mode != "off"
        target = held.to if held is not None else str((chosen or {}).get("id") or TO_CENTRE)
        self._to = target if mode == "duplex" or self._is_ptt_held else None
        # Half duplex while the button is held: what the speaker says must not come back as the officer's words.
        self._speaker.is_muted = self._is_ptt_held
        if self._to is not None and self._open is None:
            self._open = asyncio.create_task(self._pour())
        elif self._to is None and self._open is not None:
            await self._close_microphone()

    async def _renew_targets(self) -> None:
        """Tell the relay whom it is for and whether the key is down, at each change: people come and go."""
        wanted = None
        if self._to is not None:
            targets = find_targets(self._to, self._talkers, self._you)
            wanted = Talk(True, targets, key=self._is_ptt_held)
        if wanted != self._told:
            self._told, self._told_s = wanted, time.monotonic()
            await self._send(wanted or Talk(False))

    async def _pour(self) -> None:
        """From the recorder's sound to packets on the socket, while the microphone is open."""
        loop = asyncio.get_running_loop()
        self._heard_own, self._opened_s = False, time.monotonic()

        def hand_over(packet: bytes, time_us: int, is_pressed: bool) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._send_packet, packet, time_us, PRESSED if is_pressed else 0)

        microphone = Microphone(hand_over, self._is_ducked)
        try:
            with self._context.feed.subscribe(sound=True) as subscription:
                async for frame in subscription:
                    microphone.feed(frame, is_pressed=self._is_ptt_held)
        finally:
            await asyncio.to_thread(microphone.close)

    async def _close_microphone(self) -> None:
        task, self._open = self._open, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _is_ducked(self) -> bool:
        return not self._is_ptt_held and self._speaker.is_audible()

    def _send_packet(self, packet: bytes, time_us: int, flags: int) -> None:
        if self._open is None or self._told is None:
            return
        self._heard_own = True
        if self._judge_lateness() > MAX_LATE_S:
            self.dropped += 1
            return
        self._seq += 1
        message = pack(Type.AUDIO, packet, flags=flags, seq=self._seq, time_us=time_us)
        asyncio.ensure_future(self._send_bytes(message))  # noqa: RUF006 - one turn of the loop, and kept by it

    async def _send(self, control: Any) -> None:
        await self._send_bytes(pack_control(control))

    async def _send_bytes(self, message: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            await self._connection.send(message)

    def _tell_page(self) -> None:
        meant = [talker for talker in self._talkers if not talker.to or self._you in talker.to]
        hears = [talker.name or talker.id for talker in meant if talker.on and talker.id != self._you]
        others = [{"id": t.id, "name": t.name or t.id} for t in self._talkers if t.id != self._you]
        self._say(
            connected=True,
            mode=self._keeper.mode,
            reason=self._keeper.reason if self._keeper.mode != self._keeper.ordered else "",
            talking=self._to,
            hears=hears,
            others=others,
            trouble=self._find_trouble(),
        )

    def _is_unheard(self) -> bool:
        """Whether the relay does not count the officer among those who talk, though he does."""
        return self._told is not None and any(t.id == self._you and not t.on for t in self._talkers)

    def _find_trouble(self) -> str:
        open_s = time.monotonic() - self._opened_s if self._open is not None else 0.0
        if open_s > NO_SOUND_S and not self._heard_own:
            return "no_microphone"
        if self._told is not None and self._told.to == [PERSON]:
            return "nobody_there"
        if open_s > AGAIN_S and self._is_unheard():
            return "not_heard"
        return self._speaker.trouble
